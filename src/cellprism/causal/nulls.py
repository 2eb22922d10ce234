"""The tests of one source against the targets of one layer, and what they would give were the signs of cells chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cellprism.causal.edge_rule import (
    AGREEMENT_GRID,
    G_GRID,
    NULL_FLIPS,
    Thresholds,
    grid_counts,
    passing,
    published_counts,
    ranks,
)
from cellprism.stats.signflip import CHUNK, Sizes, effect_sizes, exact_p, exceedances, refine, unit_columns

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Tests:
    """Tests of ``m`` targets.

    Attributes
    ----------
    sizes, p, passes
        Effect sizes, sign-flip p, and whether a target passes the default thresholds, shape ``(m,)``.
    grid
        Targets that pass each pair of thresholds, shape ``(6, 5)``.
    null_grid, null_ranks, null_signs, null_published
        See `results.SourceResult`; shapes ``(N, 6, 5)``, ``(N, flips // 20)``, ``(N, 2)``, ``(N, 2)``.
    """

    sizes: Sizes
    p: np.ndarray
    passes: np.ndarray
    grid: np.ndarray
    null_grid: np.ndarray
    null_ranks: np.ndarray
    null_signs: np.ndarray
    null_published: np.ndarray


def run_tests(x: np.ndarray, signs: np.ndarray, more: Callable[[], np.ndarray], rule: Thresholds) -> Tests:
    """Test every column of ``x (n, m)`` with the flips ``signs (flips, n)``; see `stats.signflip.signflip_p`."""
    flips, few = len(signs), len(x) <= np.log2(len(signs)) + 1
    sizes = effect_sizes(x)
    p = exact_p(x) if few else np.empty(x.shape[1])
    null_grid = np.zeros((NULL_FLIPS, len(G_GRID), len(AGREEMENT_GRID)), np.int64)
    null_ranks = np.zeros((NULL_FLIPS, flips // 20), np.int64)
    null_signs, null_published = np.zeros((2, NULL_FLIPS, 2), np.int64)
    for start in range(0, x.shape[1], CHUNK):
        columns = slice(start, start + CHUNK)
        unit, nonzero = unit_columns(x[:, columns]), sizes.n_nonzero[columns]
        sums = signs @ unit
        null = sums[:NULL_FLIPS]
        balance = signs[:NULL_FLIPS] @ np.sign(unit)
        null_grid += grid_counts(null, balance, nonzero, rule)
        null_published += published_counts(null, balance, nonzero, rule)
        passes = passing(null, balance, nonzero, rule)
        null_signs += np.stack([(passes & (null < 0)).sum(axis=1), (passes & (null > 0)).sum(axis=1)], axis=1)
        absolute = np.abs(sums)
        null_ranks += ranks(absolute, passes)
        if not few:
            p[columns] = (1 + exceedances(absolute, unit)) / (1 + flips)
    observed, balance = observed_sums(x)
    return Tests(
        sizes=sizes, p=p if few else refine(x, p, flips, more),
        passes=passing(observed, balance, sizes.n_nonzero, rule)[0],
        grid=grid_counts(observed, balance, sizes.n_nonzero, rule)[0],
        null_grid=null_grid, null_ranks=null_ranks, null_signs=null_signs, null_published=null_published,
    )


def observed_sums(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the columns of ``x`` divided by their norm, and of their signs, shape ``(1, m)`` each."""
    wide = x.astype(np.float64)
    norm = np.sqrt((wide**2).sum(axis=0))
    return wide.sum(axis=0)[None] / np.where(norm > 0, norm, 1), np.sign(x).sum(axis=0)[None]
