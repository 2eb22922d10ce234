"""Do features of two layers fire at the same positions more often than independence explains?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba
import numpy as np
from scipy.special import stdtr

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class CrossCofiring:
    """Pairs that fire together more often than expected; every other pair of the family has p above 0.5.

    Attributes
    ----------
    a, b
        Features of the first and of the second layer, shape ``(pairs,)``.
    count, pmi, p
        Positions at which both fire, log2 of observed over expected count, one-sided p of the block test.
    n_tests
        Live features of the one times live features of the other: the family.
    alive
        Live features of the first layer.
    """

    a: np.ndarray
    b: np.ndarray
    count: np.ndarray
    pmi: np.ndarray
    p: np.ndarray
    n_tests: int
    alive: np.ndarray


def cross_cofiring_test(
    first: tuple[np.ndarray, np.ndarray, int], second: tuple[np.ndarray, np.ndarray, int], edges: np.ndarray,
    done: Callable[[int], None], *, least_pmi: float,
) -> CrossCofiring:
    """The test of `stats.cofiring.cofiring_test` for pairs of features of two layers at the same positions.

    Parameters
    ----------
    first, second
        Firings as ``indptr``, ``indices`` (CSR over the same positions) and number of features.
    edges
        Boundaries of the blocks of cells (see `stats.cofiring.cell_blocks`).
    done
        Called with the number of positions after each block.
    least_pmi
        Pairs up to this PMI (0 or more) are not given.
    """
    n_blocks, n = len(edges) - 1, int(edges[-1])
    fired = [
        np.stack([
            np.bincount(indices[indptr[edges[b]] : indptr[edges[b + 1]]], minlength=size) for b in range(n_blocks)
        ]).astype(np.float64)
        for indptr, indices, size in (first, second)
    ]
    share = [counts.sum(axis=0) / n for counts in fired]
    shape = (first[2], second[2])
    count, squares, block = np.zeros(shape, np.int32), np.zeros(shape, np.float32), np.zeros(shape, np.int32)
    for b in range(n_blocks):
        start, stop = edges[b], edges[b + 1]
        _count(first[0][start : stop + 1], first[1], second[0][start : stop + 1], second[1], block)
        _add(block, count, squares, share[0], share[1], fired[0][b], fired[1][b], float(stop - start))
        done(int(stop - start))
    alive = [np.flatnonzero(s > 0) for s in share]
    rows, columns = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for i in alive[0]:
        j = np.flatnonzero(count[i] > 2.0**least_pmi * n * share[0][i] * share[1])
        rows.append(np.full(len(j), i))
        columns.append(j)
    a, b_ = np.concatenate(rows), np.concatenate(columns)
    together = count[a, b_]
    expected = n * share[0][a] * share[1][b_]
    p = np.ones(len(a))
    if n_blocks > 1:
        spread = squares[a, b_].astype(np.float64) - (together - expected) ** 2 / n_blocks
        # Blocks that agree to rounding would give a spread of 0; no estimate of it is better than its rounding error.
        floor = np.finfo(np.float32).eps * squares[a, b_] + np.finfo(np.float64).tiny
        t = (together - expected) / np.sqrt(np.maximum(spread, floor) * n_blocks / (n_blocks - 1))
        p = np.maximum(stdtr(n_blocks - 1, -t), np.finfo(np.float64).tiny)
    return CrossCofiring(
        a, b_, together.astype(np.int64), np.log2(together / expected), p, len(alive[0]) * len(alive[1]), alive[0],
    )


def permute_within(group: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random permutation of the positions that leaves each in its group: indices, shape ``(positions,)``."""
    order = np.argsort(group, kind="stable")
    shuffled = np.lexsort((rng.random(len(group)), group))
    permutation = np.empty(len(group), np.int64)
    permutation[order] = shuffled
    return permutation


def take_rows(indptr: np.ndarray, indices: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows of a CSR pattern in another order."""
    length = np.diff(indptr)[rows]
    new = np.concatenate([[0], np.cumsum(length)])
    place = np.repeat(indptr[rows] - new[:-1], length) + np.arange(new[-1])
    return new, indices[place]


@numba.njit
def _count(ptr_a, ind_a, ptr_b, ind_b, block):  # type: ignore[no-untyped-def]  # pragma: no cover
    block[:] = 0
    for position in range(len(ptr_a) - 1):
        for x in range(ptr_a[position], ptr_a[position + 1]):
            row = block[ind_a[x]]
            for y in range(ptr_b[position], ptr_b[position + 1]):
                row[ind_b[y]] += 1


@numba.njit
def _add(block, count, squares, share_a, share_b, fired_a, fired_b, n):  # type: ignore[no-untyped-def]  # pragma: no cover
    for i in range(len(share_a)):
        if share_a[i] == 0.0:
            continue
        for j in range(len(share_b)):
            d = block[i, j] - share_a[i] * fired_b[j] - share_b[j] * fired_a[i] + n * share_a[i] * share_b[j]
            squares[i, j] += d * d
            count[i, j] += block[i, j]
