"""Do the known targets of a perturbed factor answer before genes like them?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cellprism.causal.matching import MatchedGenes, match_genes
from cellprism.stats.matched_sets import permuted
from cellprism.stats.permutation import permutation_p

if TYPE_CHECKING:
    from scipy import sparse

MIN_TARGETS = 5
CONTROLS = 5
"""Genes like it for each target, at most."""
PERMUTATIONS = 9999
WORLDS = 2000
ANSWERING = 0.5
"""Share of the targets that answer most of their match in a planted world."""
LEVEL = 0.05


@dataclass(frozen=True)
class RankTest:
    """Whether targets come first: AUROC within matches, its p, and AUROC of every permuted set."""

    auroc: float
    p: float
    null: np.ndarray


def gene_response(t: np.ndarray, by_gene: sparse.csr_matrix, *, without: int = -1) -> np.ndarray:
    """How strongly the features on each gene respond.

    ``sum over features of share * t^2 / sum of share``, the share being the part of a feature's activation in control
    cells that lies on the gene. It is 1 on average without a response, whether few or many features lie on a gene and
    however often it is read.

    Parameters
    ----------
    t
        Of each feature, 0 where it was not tested, ``(F,)``.
    by_gene
        Activation by gene in control cells, sparse ``(genes, F)``.
    without
        The perturbed gene, which has no part in the shares; -1: none.

    Returns
    -------
    Shape ``(genes,)``; NaN for genes on which no tested feature lies.
    """
    kept = np.ones(by_gene.shape[0])
    if without >= 0:
        kept[without] = 0
    whole = kept @ by_gene
    each = np.divide(t != 0, whole, out=np.zeros(len(t)), where=whole > 0)
    weight = by_gene @ each * kept
    sum_of = by_gene @ (each * t**2) * kept
    return np.asarray(np.divide(sum_of, weight, out=np.full(len(kept), np.nan), where=weight > 0))


def match_targets(targets: np.ndarray, pool: np.ndarray, level: np.ndarray, share: np.ndarray) -> MatchedGenes:
    """Give every target genes that are expressed as strongly, in as many control cells, and are no targets.

    Parameters
    ----------
    targets, pool
        Genes; no gene is in both.
    level, share
        From `causal.matching.expression_level`.
    """
    covariates = np.stack([level, np.log(np.maximum(share, 1e-6))], axis=1)
    return match_genes(targets, pool, covariates, controls=CONTROLS)


def within_match(value: np.ndarray, matched: MatchedGenes) -> np.ndarray:
    """Share of the other genes of its match that each gene exceeds, ties counting half, ``(members,)``."""
    x = value[matched.gene]
    same = matched.group[:, None] == matched.group
    above = (x[:, None] > x) + 0.5 * (x[:, None] == x)
    size = same.sum(axis=1)
    return np.asarray(((above * same).sum(axis=1) - 0.5) / (size - 1))


def rank_test(value: np.ndarray, matched: MatchedGenes, rng: np.random.Generator) -> RankTest:
    """AUROC of targets against the genes of their match; p by letting chance say which of a match is the target.

    Parameters
    ----------
    value
        Response of every gene, ``(genes,)``.
    """
    places = within_match(value, matched)
    auroc = float(places[matched.held_out].mean())
    null = permuted(places[None], matched.group, rng, permutations=PERMUTATIONS)
    return RankTest(auroc, float(permutation_p(auroc - 1e-9, null)), null)


def power(value: np.ndarray, matched: MatchedGenes, null: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Share of planted worlds that the test finds at `LEVEL`, and the AUROC that was planted.

    In a planted world chance says which gene of each match is the target, and `ANSWERING` of the targets, at least one,
    have the largest response of their match.

    Parameters
    ----------
    null
        AUROC of permuted sets, from `rank_test`.
    """
    places = within_match(value, matched)
    size = np.bincount(matched.group)
    start = np.cumsum(size) - size
    drawn = places[start + rng.integers(0, size, (WORLDS, len(size)))]
    answering = max(1, round(ANSWERING * len(size)))
    chosen = np.argsort(rng.random((WORLDS, len(size))), axis=1)[:, :answering]
    best = np.maximum.reduceat(places, start)
    drawn[np.arange(WORLDS)[:, None], chosen] = best[chosen]
    found = drawn.mean(axis=1)
    ordered = np.sort(null)
    p = (1 + len(null) - np.searchsorted(ordered, found - 1e-9)) / (1 + len(null))
    share = answering / len(size)
    return float((p < LEVEL).mean()), float(share * best.mean() + (1 - share) * 0.5)
