"""Does a feature carry the genes of its term? Ablate it, and ask for hidden genes of the term and for their like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cellprism.causal.masking import MASKED_SHARE, hide
from cellprism.causal.responses import respond
from cellprism.stats.bootstrap import bootstrap_means, interval
from cellprism.stats.matched_sets import contrasts, per_cell, permuted
from cellprism.stats.permutation import permutation_p

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cellprism.causal.matching import MatchedGenes
    from cellprism.causal.setting import Site
    from cellprism.cells.tokens import TokenizedCells

STATES = 3
"""Each row goes on clean, ablated, and moved along a random direction."""


@dataclass(frozen=True)
class Source:
    """The feature that is ablated, and a unit vector ``(d_model,)`` along which the residual moves for comparison."""

    feature: int
    direction: torch.Tensor


@dataclass(frozen=True)
class Row:
    """A cell with some of its genes hidden: places among its genes, and which members of the matched sets they are."""

    cell: int
    place: np.ndarray
    member: np.ndarray


@dataclass(frozen=True)
class Changes:
    """What ablation changes at hidden genes; every array ``(cells, members)``, NaN where a gene was not asked for.

    Attributes
    ----------
    score, raw
        Change of log-probability and logit, or of the predicted expression (see `masking.Answers`).
    random
        Change of the score along a random direction.
    activation
        Activation of the feature at the hidden gene.
    """

    score: np.ndarray
    raw: np.ndarray
    random: np.ndarray
    activation: np.ndarray


def usable_cells(tokens: TokenizedCells, cells: np.ndarray, matched: MatchedGenes, *, most: int) -> np.ndarray:
    """The first ``most`` of ``cells`` that read a held-out gene and one of its controls, ascending."""
    member_of = _members(tokens, matched)
    found: list[int] = []
    for cell in cells.tolist():
        if len(found) == most:
            break
        member = member_of[tokens.gene[tokens.offsets[cell] : tokens.offsets[cell + 1]]]
        group = np.bincount(matched.group[member[member >= 0]], minlength=int(matched.group[-1]) + 1)
        if (group[matched.group[np.intersect1d(member, matched.held_out)]] >= 2).any():
            found.append(cell)
    return np.sort(np.array(found, np.int64))


def plan_rows(
    tokens: TokenizedCells, cells: np.ndarray, matched: MatchedGenes, rng: np.random.Generator,
) -> list[Row]:
    """Which genes to hide together: whole groups in random order, at most 15 % of the cell's genes at a time.

    A group is asked for in every cell that reads two of its members, whether or not one is the held-out gene: which
    one that is must not decide what is measured.
    """
    member_of, n_groups = _members(tokens, matched), int(matched.group[-1]) + 1
    rows = []
    for cell in cells.tolist():
        member = member_of[tokens.gene[tokens.offsets[cell] : tokens.offsets[cell + 1]]]
        place = np.flatnonzero(member >= 0)
        member = member[place]
        group = matched.group[member]
        size = np.bincount(group, minlength=n_groups)
        order = rng.permutation(np.flatnonzero(size >= 2))
        room = max(int(MASKED_SHARE * tokens.lengths[cell]), 2)
        turn = np.full(n_groups, -1)
        turn[order] = _filled(size[order], room)
        for number in range(int(turn.max(initial=-1)) + 1):
            own = turn[group] == number
            rows.append(Row(cell, place[own], member[own]))
    return rows


def measure(
    site: Site, source: Source, rows: Sequence[Row], *, cells: np.ndarray, n_members: int,
    advance: Callable[[int], None],
) -> Changes:
    """Ablate the feature in every row and read the hidden genes; ``advance`` is told the rows done."""
    model = site.model
    found = np.full((4, len(cells), n_members), np.nan)
    line = {cell: i for i, cell in enumerate(cells.tolist())}
    for chunk in _chunks(rows, site):
        truth = model.pad(site.tokens, np.array([row.cell for row in chunk]))
        places = torch.zeros_like(truth.gene)
        for at, row in enumerate(chunk):
            places[at, truth.gene[at].nonzero()[row.place, 0]] = True
        got = respond(
            model, site.sae, hide(model, truth, places), truth, layer=site.layer, feature=source.feature,
            direction=source.direction, places=places,
        )
        # positions ascend within a row in both
        line_of = np.repeat([line[row.cell] for row in chunk], [len(row.place) for row in chunk])
        member = np.concatenate([row.member for row in chunk])
        values = torch.stack([got.score, got.raw, got.random_score, got.activation])
        found[:, line_of, member] = values.cpu().numpy()
        advance(len(chunk))
    return Changes(*found)


def measure_published(
    site: Site, source: Source, cells: np.ndarray, *, top_genes: np.ndarray, advance: Callable[[int], None],
) -> dict[str, float]:
    """The papers' specificity, for the feature and for a random direction of the same strength.

    Nothing is hidden: at the positions where the feature fires, the change of the logit of the gene that is there.
    ``published_ratio = |mean over the feature's own top genes| / |mean over all other genes|``, over positions.
    """
    tokens = site.tokens
    raw: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    alone = [Row(int(cell), np.empty(0, np.int64), np.empty(0, np.int64)) for cell in cells]
    for chunk in _chunks(alone, site):
        batch = site.model.pad(tokens, np.array([row.cell for row in chunk]))
        got = respond(
            site.model, site.sae, batch, batch, layer=site.layer, feature=source.feature, direction=source.direction,
        )
        number = torch.cumsum(batch.gene, dim=1)[got.row, got.place].cpu().numpy() - 1
        gene = tokens.gene[tokens.offsets[batch.cells[got.row.cpu().numpy()]] + number]
        raw.append((np.isin(gene, top_genes), got.raw.cpu().numpy(), got.random_raw.cpu().numpy()))
        advance(len(chunk))
    own, change, random = (np.concatenate(parts) for parts in zip(*raw, strict=True))
    target, other = _mean(change[own]), _mean(change[~own])
    return {
        "published_target": target, "published_other": other, "published_ratio": _ratio(target, other),
        "published_random": _ratio(_mean(random[own]), _mean(random[~own])),
    }


def compare(
    changes: Changes, matched: MatchedGenes, rng: np.random.Generator, *, permutations: int,
) -> tuple[dict[str, Any], np.ndarray]:
    """Held-out genes against their controls.

    In every cell, each held-out gene's change less the mean change of its controls in that cell, averaged over the
    held-out genes: one number per cell. ``effect`` is its mean over cells, with a bootstrap interval over cells; p is
    two-sided, from sets that take a random member of every group in place of the held-out gene.

    Returns
    -------
    The columns of table ``patching`` that this decides, and the effect of every permuted set ``(permutations,)``.
    """
    group, held_out = matched.group, matched.held_out
    contrast = contrasts(changes.score, group)
    own = per_cell(contrast, held_out)
    used = np.isfinite(own)
    null = permuted(contrast, group, rng, permutations=permutations)
    low, high = interval(bootstrap_means(own[used, None], rng))
    control = np.setdiff1d(np.arange(len(group)), held_out)
    row = {
        "n_genes": len(held_out), "n_controls": len(control), "n_cells": int(used.sum()),
        "effect": own[used].mean(), "low": float(low[0]), "high": float(high[0]),
        "p": float(permutation_p(abs(own[used].mean()), np.abs(null) + 1e-12)),
        "logit": _mean(per_cell(contrasts(changes.raw, group), held_out)[used]),
        "random": _mean(per_cell(contrasts(changes.random, group), held_out)[used]),
        "change_held_out": _mean(changes.score[:, held_out]), "change_control": _mean(changes.score[:, control]),
        "activation_held_out": _mean(changes.activation[:, held_out]),
        "activation_control": _mean(changes.activation[:, control]),
    }
    return row, null


def _members(tokens: TokenizedCells, matched: MatchedGenes) -> np.ndarray:
    """Place of every gene of the run among the matched ones, -1 for others."""
    member_of = np.full(len(tokens.genes), -1)
    member_of[matched.gene] = np.arange(len(matched.gene))
    return member_of


def _filled(sizes: np.ndarray, room: int) -> list[int]:
    """Box of each of these sizes, filled in order; what exceeds ``room`` gets a box of its own."""
    boxes: list[int] = []
    number, used = 0, 0
    for size in sizes.tolist():
        if used and used + size > room:
            number, used = number + 1, 0
        used += size
        boxes.append(number)
    return boxes


def _chunks(rows: Sequence[Row], site: Site) -> Iterator[list[Row]]:
    """Rows of similar length together, with room for every state."""
    lengths = site.tokens.lengths
    order = sorted(rows, key=lambda row: -int(lengths[row.cell]))
    start = 0
    while start < len(order):
        width = STATES * (int(lengths[order[start].cell]) + 2)
        stop = start + max(1, site.token_budget // width)
        yield order[start:stop]
        start = stop


def _mean(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("nan")


def _ratio(target: float, other: float) -> float:
    return abs(target) / abs(other) if other else float("nan")
