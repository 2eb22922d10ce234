"""The firings of a layer, read shard by shard."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numba
import numpy as np

from cellprism.stats.firings import Firings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cellprism.codes.store import Codes, CodeStore
    from cellprism.stats.firings import Pattern


class StoredFirings:
    """Firings of a layer as `stats.firings.CellFirings`; memory holds one shard, however many there are.

    Parameters
    ----------
    store
        The codes of the layer.
    """

    def __init__(self, store: CodeStore) -> None:
        self.store = store
        self.n_features = store.n_features

    @cached_property
    def lengths(self) -> np.ndarray:
        return np.concatenate([np.unique(shard.cell, return_counts=True)[1] for shard in self.store.shards()])

    @cached_property
    def counts(self) -> np.ndarray:
        counts = np.zeros(self.n_features, np.int64)
        for shard in self.store.shards():
            counts += np.bincount(shard.codes.index[shard.codes.value > 0], minlength=self.n_features)
        return counts

    def pieces(self, start: int, stop: int) -> Iterator[Pattern]:
        first = 0
        for place, size in enumerate(self.store.sizes):
            a, b = max(start - first, 0), min(stop - first, size)
            if a < b:
                yield firing_pattern(self.store.shard(place).codes[a:b])
            first += size

    def take(self, cells: np.ndarray) -> Firings:
        wanted = np.zeros(len(self.lengths), bool)
        wanted[cells] = True
        parts, first = [], 0
        for shard in self.store.shards():
            place = first + np.unique(shard.cell, return_inverse=True)[1]
            rows = np.flatnonzero(wanted[place])
            parts.append((*firing_pattern(shard.codes[rows]), place[rows], np.asarray(shard.gene)[rows]))
            first = int(place[-1]) + 1
        starts, indices, places, genes = zip(*parts, strict=True)
        indptr = np.concatenate([[0], np.cumsum(np.concatenate([np.diff(part) for part in starts]))])
        return Firings(
            indptr, np.concatenate(indices), np.concatenate(places), self.n_features, np.concatenate(genes),
        )


def firing_pattern(codes: Codes) -> Pattern:
    """Which features fire at each position, ascending: ``indptr`` int64 and ``indices`` int32 as in CSR."""
    value = np.ascontiguousarray(codes.value)
    # a float is positive where the integer with its bits is
    bits = value.view({2: np.int16, 4: np.int32}[value.itemsize])
    pattern: Pattern = _pattern(np.ascontiguousarray(codes.index), bits)
    return pattern


@numba.njit(cache=True)
def _pattern(index, bits):  # type: ignore[no-untyped-def]  # pragma: no cover
    n, k = index.shape
    indptr = np.zeros(n + 1, np.int64)
    for row in range(n):
        fired = 0
        for j in range(k):
            fired += bits[row, j] > 0
        indptr[row + 1] = indptr[row] + fired
    indices = np.empty(indptr[n], np.int32)
    for row in range(n):
        start = end = indptr[row]
        for j in range(k):
            if bits[row, j] > 0:
                feature = np.int32(index[row, j])
                place = end
                while place > start and indices[place - 1] > feature:
                    indices[place] = indices[place - 1]
                    place -= 1
                indices[place] = feature
                end += 1
    return indptr, indices
