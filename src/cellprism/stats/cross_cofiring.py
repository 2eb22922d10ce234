"""Do features of two layers fire at the same positions more often than independence explains?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba
import numpy as np
from scipy.special import stdtr

from cellprism.stats.cofiring import BLOCKS, cell_blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from cellprism.stats.firings import FiringSource


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
    first: FiringSource, second: FiringSource, done: Callable[[int], None], *, least_pmi: float,
    n_blocks: int = BLOCKS,
) -> CrossCofiring:
    """The test of `stats.cofiring.cofiring_test` for pairs of features of two layers at the same positions.

    Parameters
    ----------
    first, second
        Firings of the same positions, in the same pieces.
    done
        Called with the number of positions after each block.
    least_pmi
        Pairs up to this PMI (0 or more) are not given.
    n_blocks
        Blocks of cells (see `stats.cofiring.cell_blocks`).
    """
    edges = cell_blocks(first.lengths, n_blocks)
    n_blocks, n = len(edges) - 1, int(edges[-1])
    share = [first.counts / n, second.counts / n]
    shape = (first.n_features, second.n_features)
    count, squares, block = np.zeros(shape, np.int32), np.zeros(shape, np.float32), np.empty(shape, np.int32)
    for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        block[:] = 0
        fired = [np.zeros(size) for size in shape]
        for both in zip(first.pieces(start, stop), second.pieces(start, stop), strict=True):
            _count(*both[0], *both[1], block)
            for side, (indptr, indices) in enumerate(both):
                fired[side] += np.bincount(indices[indptr[0] : indptr[-1]], minlength=shape[side])
        _add(block, count, squares, share[0], share[1], fired[0], fired[1], float(stop - start))
        done(stop - start)
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


@numba.njit
def _count(ptr_a, ind_a, ptr_b, ind_b, block):  # type: ignore[no-untyped-def]  # pragma: no cover
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
