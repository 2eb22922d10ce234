"""Genes of a term and genes like them: equally expressed, and the feature is as active where they are hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.spatial.distance import cdist

from cellprism.causal.masking import hide
from cellprism.sae.stages import batch_positions

if TYPE_CHECKING:
    from collections.abc import Callable

    from cellprism.causal.setting import Site
    from cellprism.cells.tokens import TokenizedCells

ROUNDS = 7
"""Every gene of a cell is hidden in one of so many passes: 14 % at a time, as in training."""


@dataclass(frozen=True)
class MatchedGenes:
    """Held-out genes of a term, each with its controls.

    Attributes
    ----------
    gene
        Genes of the run, shape ``(M,)``, group by group, the held-out gene of each first.
    group
        Group of each, shape ``(M,)``, ascending from 0.
    """

    gene: np.ndarray
    group: np.ndarray

    @property
    def held_out(self) -> np.ndarray:
        """Place in ``gene`` of each group's held-out gene, shape ``(groups,)``."""
        return np.flatnonzero(np.diff(self.group, prepend=-1))


def expression_level(tokens: TokenizedCells) -> tuple[np.ndarray, np.ndarray]:
    """How strongly each gene is expressed where it is read, and in which share of the cells it is.

    Returns
    -------
    The mean value, or, for rank tokens, the mean of 1 at the cell's first position down to 0 at its last; and the
    share of cells. Both have shape ``(genes,)``.
    """
    n = np.bincount(tokens.gene, minlength=len(tokens.genes))
    place = np.arange(len(tokens.gene)) - np.repeat(tokens.offsets[:-1], tokens.lengths)
    level = 1 - place / np.repeat(np.maximum(tokens.lengths - 1, 1), tokens.lengths)
    value = level if tokens.value is None else tokens.value
    total = np.bincount(tokens.gene, weights=value, minlength=len(tokens.genes))
    return total / np.maximum(n, 1), n / len(tokens)


def hidden_activation(
    site: Site, cells: np.ndarray, features: np.ndarray, *, rng: np.random.Generator, advance: Callable[[int], None],
) -> np.ndarray:
    """Mean activation of features at each gene's positions while the gene is hidden.

    Every gene of ``cells`` is hidden once, with a seventh of the cell's genes at a time.

    Returns
    -------
    Shape ``(genes, len(features))``; 0 for a gene that is in none of the cells.
    """
    model, tokens = site.model, site.tokens
    total = np.zeros((len(tokens.genes), len(features)))
    turn = torch.from_numpy(rng.integers(0, ROUNDS, len(tokens.gene)))
    wanted = torch.from_numpy(features).to(model.device)
    for batch in model.batches(tokens, cells, token_budget=site.token_budget):
        positions = batch_positions(batch, tokens)
        for number in range(ROUNDS):
            places = torch.zeros_like(batch.gene)
            places[batch.gene] = (turn[positions] == number).to(places.device)
            hidden = hide(model, batch, places)
            with torch.inference_mode():
                h = next(h for at, h in model.residuals(hidden) if at == site.layer)
                codes = site.sae.encode(h[places])
                value = torch.stack([(codes.value * (codes.index == f)).sum(dim=1) for f in wanted], dim=1)
            np.add.at(total, tokens.gene[positions[turn[positions] == number]], value.cpu().numpy())
            advance(len(batch.cells))
    seen = np.bincount(tokens.gene[np.isin(tokens.cell, cells)], minlength=len(tokens.genes))
    return np.asarray(total / np.maximum(seen, 1)[:, None])


def match_genes(
    held_out: np.ndarray, pool: np.ndarray, covariates: np.ndarray, *, controls: int,
) -> MatchedGenes:
    """Give every held-out gene its nearest controls; no control serves twice.

    Nearest by Euclidean distance in covariates scaled to unit variance over all candidates. In turns, the held-out
    genes furthest from the candidates' mean first, each takes one control until all have ``controls`` or the pool is
    empty; held-out genes left without any are dropped.

    Parameters
    ----------
    held_out, pool
        Genes; no gene is in both.
    covariates
        What to match, shape ``(genes, covariates)``.
    controls
        Controls of each held-out gene, at most.
    """
    both = covariates[np.concatenate([held_out, pool])]
    scaled = (covariates - both.mean(axis=0)) / np.maximum(both.std(axis=0), 1e-12)
    distance = cdist(scaled[held_out], scaled[pool])
    turn = np.argsort(-(scaled[held_out] ** 2).sum(axis=1), kind="stable")
    taken: list[list[int]] = [[] for _ in held_out]
    for _ in range(min(controls, len(pool))):
        for i in turn:
            nearest = int(distance[i].argmin())
            if np.isfinite(distance[i, nearest]):
                taken[i].append(int(pool[nearest]))
                distance[:, nearest] = np.inf
    kept = [(gene, own) for gene, own in zip(held_out.tolist(), taken, strict=True) if own]
    gene = np.array([g for first, own in kept for g in (first, *own)], dtype=np.int64)
    return MatchedGenes(gene, np.repeat(np.arange(len(kept)), [1 + len(own) for _, own in kept]))


def matching_covariates(level: np.ndarray, share: np.ndarray, activation: np.ndarray) -> np.ndarray:
    """Expression, logarithm of the share of cells, and activation while hidden, shape ``(genes, 3)``.

    The activation, 0 for most genes and large for few, enters as ``asinh(a / m)``, ``m`` being its mean where not 0.
    """
    some = activation[activation > 0]
    unit = some.mean() if len(some) else 1.0
    return np.stack([level, np.log(np.maximum(share, 1e-6)), np.arcsinh(activation / unit)], axis=1)
