"""Do two features fire together more often than independence explains, with blocks of cells as the unit?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba
import numpy as np
from scipy.special import stdtr

if TYPE_CHECKING:
    from collections.abc import Callable

    from cellprism.stats.firings import FiringSource, Pattern

BLOCKS = 64


@dataclass(frozen=True)
class Cofiring:
    """Pairs that fire together more often than expected; every other pair of the family has p above 0.5.

    Attributes
    ----------
    a, b
        The features, ``a < b``, shape ``(pairs,)``.
    count
        Positions at which both fire.
    pmi
        log2 of the observed over the expected count, above 0.
    p
        One-sided p of the block test.
    n_alive
        Features that fire at all.
    n_blocks
        Blocks of cells, the units of the test.
    """

    a: np.ndarray
    b: np.ndarray
    count: np.ndarray
    pmi: np.ndarray
    p: np.ndarray
    n_alive: int
    n_blocks: int

    @property
    def n_tests(self) -> int:
        """Pairs of features that fire: the family."""
        return self.n_alive * (self.n_alive - 1) // 2


def cell_blocks(lengths: np.ndarray, n_blocks: int = BLOCKS) -> np.ndarray:
    """Cut the positions into at most ``n_blocks`` blocks of consecutive whole cells with about equally many positions.

    Parameters
    ----------
    lengths
        Positions of each cell, shape ``(cells,)``.

    Returns
    -------
    Boundaries: block ``b`` is ``[edges[b], edges[b + 1])``, shape ``(blocks + 1,)``.
    """
    starts = np.concatenate([[0], np.cumsum(lengths)])
    blocks = min(n_blocks, len(starts) - 1)
    wanted = np.linspace(0, starts[-1], blocks + 1)
    place = np.clip(np.searchsorted(starts, wanted), 1, len(starts) - 1)
    nearer = wanted - starts[place - 1] < starts[place] - wanted
    return np.unique(starts[np.where(nearer, place - 1, place)])


def cofiring_test(firings: FiringSource, done: Callable[[int], None], *, n_blocks: int = BLOCKS) -> Cofiring:
    """Count co-firings over all positions and test each pair of features against independence.

    Positions of one cell are not independent, so blocks of whole cells are the unit. With firing shares ``p`` over all
    positions, block ``b`` of ``n_b`` positions with counts ``C_b`` and firings ``F_b`` contributes
    ``d_b = C_bij - p_i F_bj - p_j F_bi + n_b p_i p_j``, the influence of the block on ``C_ij - N p_i p_j``. Under
    independence the ``d_b`` have mean 0, and ``t = sum d_b / sqrt(B / (B - 1) sum (d_b - mean d)^2)`` is compared with
    Student's t of ``B - 1`` degrees of freedom, one-sided (the linearised cluster-robust score test; Liang and Zeger
    1986). Counts of rare pairs are skewed to the right, which makes a self-normalised upper tail conservative, and
    ``m`` blocks with a co-firing cannot give a t above about ``sqrt(m)``.

    Memory is three matrices of features by features and one piece of the firings, however many positions there are.

    Parameters
    ----------
    firings
        The firings, read once.
    done
        Called with the number of positions after each block.
    n_blocks
        Blocks of cells (see `cell_blocks`).
    """
    edges, n_features = cell_blocks(firings.lengths, n_blocks), firings.n_features
    n_blocks, n = len(edges) - 1, int(edges[-1])
    share = firings.counts / n
    count = np.zeros((n_features, n_features), np.int32)
    squares = np.zeros((n_features, n_features), np.float32)
    block = np.empty((n_features, n_features), np.int32)
    for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        block[:] = 0
        fired = np.zeros(n_features)
        for indptr, indices in firings.pieces(start, stop):
            _count_pairs(indptr, indices, block)
            fired += np.bincount(indices[indptr[0] : indptr[-1]], minlength=n_features)
        _add_block(block, count, squares, share, fired, float(stop - start))
        done(stop - start)
    a, b_, together = _pairs_above_expectation(count, share, n)
    expected = n * share[a] * share[b_]
    excess = together - expected
    spread = squares[a, b_].astype(np.float64) - excess**2 / n_blocks
    alive = int((share > 0).sum())
    if n_blocks < 2:
        p = np.ones(len(a))
    else:
        # Blocks that agree to rounding would give a spread of 0; no estimate of it is better than its rounding error.
        floor = np.finfo(np.float32).eps * squares[a, b_] + np.finfo(np.float64).tiny
        t = excess / np.sqrt(np.maximum(spread, floor) * n_blocks / (n_blocks - 1))
        p = np.maximum(stdtr(n_blocks - 1, -t), np.finfo(np.float64).tiny)
    return Cofiring(a, b_, together.astype(np.int64), np.log2(together / expected), p, alive, n_blocks)


def circular_shift(indptr: np.ndarray, indices: np.ndarray, n_features: int, rng: np.random.Generator) -> Pattern:
    """Shift each feature's firings by its own random number of positions, around the end.

    Keeps the frequency and the burstiness of every feature and breaks the alignment between features.

    Returns
    -------
    ``indptr`` and ``indices`` of the shifted firings, features ascending within a position.
    """
    shifted: Pattern = _shift(indptr, indices, rng.integers(0, len(indptr) - 1, size=n_features))
    return shifted


@numba.njit
def _shift(indptr, indices, offset):  # type: ignore[no-untyped-def]  # pragma: no cover
    # feature by feature, so that memory is read and written in order
    n = len(indptr) - 1
    first = np.zeros(len(offset) + 1, np.int64)
    for x in range(indptr[0], indptr[n]):
        first[indices[x] + 1] += 1
    for feature in range(len(offset)):
        first[feature + 1] += first[feature]
    rows = np.empty(first[-1], np.int32)
    end = first[:-1].copy()
    start = np.zeros(n + 1, np.int64)
    for row in range(n):
        for x in range(indptr[row], indptr[row + 1]):
            feature = indices[x]
            rows[end[feature]] = row
            end[feature] += 1
    for feature in range(len(offset)):
        for x in range(first[feature], first[feature + 1]):
            to = rows[x] + offset[feature]
            to -= n if to >= n else 0
            rows[x] = to
            start[to + 1] += 1
    for row in range(n):
        start[row + 1] += start[row]
    moved = np.empty(start[n], np.int32)
    place = start[:-1].copy()
    for feature in range(len(offset)):
        for x in range(first[feature], first[feature + 1]):
            moved[place[rows[x]]] = feature
            place[rows[x]] += 1
    return start, moved


@numba.njit
def _count_pairs(indptr, indices, block):  # type: ignore[no-untyped-def]  # pragma: no cover
    for position in range(len(indptr) - 1):
        start, stop = indptr[position], indptr[position + 1]
        for x in range(start, stop):
            row = block[indices[x]]
            for y in range(x + 1, stop):
                row[indices[y]] += 1


@numba.njit
def _add_block(block, count, squares, share, fired, n):  # type: ignore[no-untyped-def]  # pragma: no cover
    for i in range(len(share)):
        if share[i] == 0.0:
            continue
        for j in range(i + 1, len(share)):
            d = block[i, j] - share[i] * fired[j] - share[j] * fired[i] + n * share[i] * share[j]
            squares[i, j] += d * d
            count[i, j] += block[i, j]


def _pairs_above_expectation(count: np.ndarray, share: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows, columns, together = [], [], []
    for i in range(len(share)):
        j = np.flatnonzero(count[i] > n * share[i] * share)
        rows.append(np.full(len(j), i))
        columns.append(j)
        together.append(count[i, j])
    empty = np.empty(0, np.int64)
    return (
        np.concatenate([empty, *rows]), np.concatenate([empty, *columns]), np.concatenate([empty, *together]),
    )
