"""From the per-cell effects of one source feature to candidate edges with p-values, and to what chance would give."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from cellprism.causal.edge_rule import AGREEMENT, AGREEMENT_GRID, G_GRID, G, Q, thresholds
from cellprism.causal.halves import half_rule, halves, replicated, split_half
from cellprism.causal.nulls import Tests, run_tests
from cellprism.causal.published import published_edges, published_sizes
from cellprism.causal.results import EDGE, PUBLISHED, SourceResult
from cellprism.stats.signflip import shared_signs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FLIPS, MORE = 500, 20
"""Sign flips of every test, and how many times more where p is small."""
DEFAULT = (G_GRID.index(G), AGREEMENT_GRID.index(AGREEMENT))
"""The default thresholds' place in the grid."""


@dataclass(frozen=True)
class SourceEffects:
    """Effects of editing one source feature.

    Attributes
    ----------
    source
        The feature.
    cells
        Cells in which it fires and was edited, shape ``(n,)``, n at least 1.
    effect
        For each target layer the mean over the positions where the source fires of edited minus clean activation,
        float32, shape ``(n, features of that layer)``.
    """

    source: int
    cells: np.ndarray
    effect: dict[int, np.ndarray]


@dataclass(frozen=True)
class _Layer:
    """The live targets of one layer."""

    layer: int
    live: np.ndarray
    full: Tests
    half: Tests
    half_live: np.ndarray
    again: np.ndarray
    split: np.ndarray
    null_split: np.ndarray
    d: np.ndarray
    consistency: np.ndarray


def calibrate(effects: SourceEffects, *, flips: int = FLIPS, seed: int = 0) -> SourceResult:
    """Test the mean effect on every target against sign flips over cells, and count edges and null edges.

    A cell has the same signs for all sources, targets and layers, so that a flip is one null graph in which effects
    that go together in the data still do. The result does not depend on the order in which sources are calibrated.

    Parameters
    ----------
    effects
        Per-cell effects of one source.
    flips
        Sign flips, 100 or more; small p-values come from enumeration or from 20 times as many.
    seed
        Seed of the signs and of the halves.
    """
    cells = np.asarray(effects.cells)
    parts = halves(cells, seed=seed)
    signs = shared_signs(cells, flips, seed=seed)
    more = cache(lambda: shared_signs(cells, MORE * flips, seed=seed, stream=1))
    layers = [_layer(layer, x, signs, more, parts) for layer, x in sorted(effects.effect.items())]
    p_levels, p_counts = _levels(one.full.p for one in layers)
    half_p_levels, half_p_counts = _levels(one.half.p[one.half_live] for one in layers)
    return SourceResult(
        source=effects.source, n_cells=len(cells), flips=flips,
        layers=np.array([one.layer for one in layers], np.int32),
        live=np.array([len(one.live) for one in layers], np.int64), p_levels=p_levels, p_counts=p_counts,
        edges=np.concatenate([_edges(one) for one in layers]),
        published=np.concatenate([_published(one) for one in layers]),
        grid=np.array([one.full.grid for one in layers]),
        null_grid=np.sum([one.full.null_grid for one in layers], axis=0),
        null_mean=np.array([one.full.null_grid[:, *DEFAULT].mean() for one in layers]),
        null_ranks=np.array([one.full.null_ranks for one in layers], np.int32),
        null_signs=np.sum([one.full.null_signs for one in layers], axis=0),
        published_counts=np.array([_published_signs(one) for one in layers]),
        null_published=np.sum([one.full.null_published for one in layers], axis=0),
        half_live=int(sum(one.half_live.sum() for one in layers)),
        half_p_levels=half_p_levels, half_p_counts=half_p_counts,
        half_edge_p=np.concatenate([one.half.p[one.half.passes & (one.half.p <= Q)] for one in layers]),
        half_passing=int(sum(one.half.passes.sum() for one in layers)),
        half_null=np.sum([one.half.null_grid[:, *DEFAULT] for one in layers], axis=0),
        half_null_ranks=np.sum([one.half.null_ranks for one in layers], axis=0),
        split=np.sum([one.split for one in layers], axis=0),
        null_split=np.sum([one.null_split for one in layers], axis=0),
    )


def _layer(
    layer: int, effect: np.ndarray, signs: np.ndarray, more: Callable[[], np.ndarray],
    parts: tuple[np.ndarray, np.ndarray],
) -> _Layer:
    live = np.flatnonzero((effect != 0).any(axis=0))
    x = effect[:, live]
    first, second = parts
    half = run_tests(x[first], signs[:, first], lambda: more()[:, first], half_rule(len(first)))
    split, null_split = split_half(x[first], x[second], signs[:, first], signs[:, second])
    return _Layer(
        layer, live, run_tests(x, signs, more, thresholds(len(x))), half, (x[first] != 0).any(axis=0),
        replicated(x[first], x[second]), split, null_split, *published_sizes(x),
    )


def _levels(p: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The distinct p-values up to ``Q`` and how often each occurs; a larger one has no q below ``Q``."""
    together = np.concatenate(list(p))
    return np.unique(together[together <= Q], return_counts=True)


def _edges(one: _Layer) -> np.ndarray:
    test = one.full
    which = np.flatnonzero(test.passes & (test.p <= Q))
    rows = np.empty(len(which), EDGE)
    passes, _ = published_edges(one.d, one.consistency)
    rows["target_layer"], rows["target"] = one.layer, one.live[which]
    rows["effect"], rows["sd"], rows["g"] = test.sizes.mean[which], test.sizes.sd[which], test.sizes.g[which]
    rows["agreement"], rows["n_nonzero"] = test.sizes.agreement[which], test.sizes.n_nonzero[which]
    rows["p"], rows["published"], rows["replicated"] = test.p[which], passes[which], one.again[which]
    return rows


def _published(one: _Layer) -> np.ndarray:
    _, kept = published_edges(one.d, one.consistency)
    rows = np.empty(len(kept), PUBLISHED)
    rows["target_layer"], rows["target"] = one.layer, one.live[kept]
    rows["d"], rows["consistency"] = one.d[kept], one.consistency[kept]
    rows["effect"], rows["sd"] = one.full.sizes.mean[kept], one.full.sizes.sd[kept]
    return rows


def _published_signs(one: _Layer) -> list[int]:
    passes, _ = published_edges(one.d, one.consistency)
    return [int((passes & (one.d < 0)).sum()), int((passes & (one.d > 0)).sum())]
