"""When an effect is an edge, and how many flipped effects would be one."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from cellprism.causal import published
from cellprism.stats.signflip import hedges

Q, G, AGREEMENT, NONZERO = 0.05, 0.5, 0.7, 10
"""An edge has q below, ``|g|`` above, agreement above, and at least so many cells with an effect other than 0."""
G_GRID = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0)
AGREEMENT_GRID = (0.6, 0.7, 0.8, 0.9, 1.0)
"""Thresholds of the sweep; agreement is above them, except for 1, which it reaches."""
NULL_FLIPS = 100
"""Flips on which null edges are counted; each gives one whole null graph."""


@dataclass(frozen=True)
class Thresholds:
    """The rules as thresholds of the sum of a column of norm 1 over ``n`` units.

    ``|g| > c`` is ``|sum| > c / sqrt(J^2 (n - 1) / n^2 + c^2 / n)`` because the sum of squares is 1.

    Attributes
    ----------
    g
        Thresholds for ``G_GRID``, shape ``(6,)``.
    hits
        Least number of values with the sign of the mean for ``AGREEMENT_GRID`` and a number of non-zero values,
        shape ``(5, n + 1)``.
    nonzero
        Least number of non-zero values.
    d
        Threshold of the published rule.
    """

    g: np.ndarray
    hits: np.ndarray
    nonzero: int
    d: float

    @property
    def units(self) -> int:
        return int(self.hits.shape[1]) - 1

    def size(self, sums: np.ndarray) -> np.ndarray:
        """Hedges' g of sums of columns of norm 1; largest for a column without spread."""
        n = self.units
        spread = np.maximum(1 - sums**2 / max(n, 1), np.finfo(np.float32).eps ** 2)
        return np.asarray(hedges(n) * sums / max(n, 1) / np.sqrt(spread / max(n - 1, 1)))


def thresholds(n: int, *, nonzero: int = NONZERO) -> Thresholds:
    """The thresholds for ``n`` units."""
    factor = hedges(n)
    many = np.arange(n + 1)
    hits = [np.floor(a * many + 1e-9) + 1 if a < 1 else many for a in AGREEMENT_GRID]
    return Thresholds(
        np.array([_sum_at(c, n, factor) for c in G_GRID]), np.array(hits, np.int64), nonzero,
        _sum_at(published.D, n, 1.0),
    )


def grid_counts(sums: np.ndarray, balance: np.ndarray, nonzero: np.ndarray, rule: Thresholds) -> np.ndarray:
    """Columns that pass every pair of thresholds, for every row.

    Parameters
    ----------
    sums, balance
        Sums of the columns of norm 1 and of their signs, under one flip per row, shape ``(flips, m)``.
    nonzero
        Non-zero values of each column, shape ``(m,)``.

    Returns
    -------
    Counts, shape ``(flips, 6, 5)``.
    """
    level = np.zeros((len(sums), len(G_GRID) + 1, len(AGREEMENT_GRID) + 1), np.int64)
    _grid(sums, balance, nonzero, rule.g, rule.hits, rule.nonzero, level)
    above = level[:, ::-1, ::-1].cumsum(axis=1).cumsum(axis=2)[:, ::-1, ::-1]
    return np.ascontiguousarray(above[:, 1:, 1:])


def passing(sums: np.ndarray, balance: np.ndarray, nonzero: np.ndarray, rule: Thresholds) -> np.ndarray:
    """Which sums pass the default thresholds of size, agreement and non-zero values; shape of ``sums``."""
    hits = (nonzero + np.sign(sums) * balance) / 2
    needed = rule.hits[AGREEMENT_GRID.index(AGREEMENT)][nonzero]
    large = np.abs(sums) > rule.g[G_GRID.index(G)]
    return np.asarray(large & (hits >= needed) & (nonzero >= rule.nonzero))


def ranks(sizes: np.ndarray, which: np.ndarray) -> np.ndarray:
    """How often each rank is taken by the flips ``which`` marks, among all flips of the same column.

    The rank of a flip is the number of flips, itself among them, whose absolute sum is as large; ``rank / flips`` is
    what its p-value would be.

    Parameters
    ----------
    sizes
        Absolute sums, shape ``(flips, m)``.
    which
        A mask of the first rows, shape ``(rows, m)``.

    Returns
    -------
    Counts of rank 1, 2, ... up to 5 % of the flips, shape ``(rows, flips // 20)``.
    """
    taken = np.zeros((len(which), len(sizes) // 20), np.int64)
    _ranks(sizes, which, taken)
    return taken


def published_counts(sums: np.ndarray, balance: np.ndarray, nonzero: np.ndarray, rule: Thresholds) -> np.ndarray:
    """Columns that pass the published rule with a negative and with a positive sum, shape ``(flips, 2)``."""
    n = rule.units
    positive = (nonzero + balance) / 2
    passes = (np.abs(sums) > rule.d) & (np.maximum(positive, n - positive) / max(n, 1) > published.CONSISTENCY)
    return np.stack([(passes & (sums < 0)).sum(axis=1), (passes & (sums > 0)).sum(axis=1)], axis=1)


def _sum_at(size: float, n: int, factor: float) -> float:
    return float(size / np.sqrt(factor**2 * (n - 1) / n**2 + size**2 / n)) if n else np.inf


@numba.njit
def _grid(sums, balance, nonzero, g, hits, least, level):  # type: ignore[no-untyped-def]  # pragma: no cover
    for b in range(sums.shape[0]):
        for t in range(sums.shape[1]):
            size = abs(sums[b, t])
            if size <= g[0] or nonzero[t] < least:
                continue
            i = 1
            while i < len(g) and size > g[i]:
                i += 1
            same = (nonzero[t] + (balance[b, t] if sums[b, t] > 0 else -balance[b, t])) / 2
            j = 0
            while j < len(hits) and same >= hits[j, nonzero[t]]:
                j += 1
            level[b, i, j] += 1


@numba.njit
def _ranks(sizes, which, taken):  # type: ignore[no-untyped-def]  # pragma: no cover
    for b in range(which.shape[0]):
        for t in range(which.shape[1]):
            if not which[b, t]:
                continue
            rank = 0
            for other in range(sizes.shape[0]):
                rank += sizes[other, t] >= sizes[b, t]
            if rank <= taken.shape[1]:
                taken[b, rank - 1] += 1
