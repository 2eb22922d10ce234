"""Which sources of a trace go together: as many as have room for what they can change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from cellprism.codes.store import CodeStore

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cellprism.runs.directory import Run

EFFECT_BYTES = 8
"""An effect that is not 0, and which it is."""
BLOCK_BYTES = 2**30
"""Effects of one block of sources."""
MOST_SOURCES = 64
"""Sources of a block, at most."""


def firing_counts(run: Run, layer: int, cells: np.ndarray) -> sparse.csr_matrix:
    """Positions at which each feature of a layer fires in each of ``cells``: int64 ``(len(cells), features)``."""
    store = CodeStore(run, layer)
    counts = sparse.csr_matrix((len(cells), store.n_features), dtype=np.int64)
    for shard in store.shards():
        inside = np.flatnonzero(np.isin(shard.cell, cells))
        fires = shard.codes.csr()[inside] > 0
        row = np.searchsorted(cells, shard.cell[inside])
        member = sparse.csr_matrix((np.ones(len(row), np.int64), (row, np.arange(len(row)))), (len(cells), len(row)))
        counts = counts + member @ fires.astype(np.int64)
    return counts.tocsr()


def ablated_bytes(counts: sparse.csr_matrix, k: int, widths: Iterable[int]) -> np.ndarray:
    """Bytes of the effects of editing each source, at most: ``(sources,)``.

    At a position at most 2 k features of a layer change, those that fire before and those that fire after.

    Parameters
    ----------
    counts
        Positions at which each source fires in each cell, ``(cells, sources)``.
    k
        Features that fire at a position.
    widths
        Features of each target layer.
    """
    most = counts.astype(float)
    most.data = EFFECT_BYTES * sum(np.minimum(2.0 * k * counts.data, width) for width in widths)
    return np.asarray(most.sum(axis=0)).ravel()


def estimated_bytes(counts: sparse.csr_matrix, read: Iterable[sparse.csr_matrix]) -> np.ndarray:
    """The same of estimates: on every target that is ``read`` and fires in a cell, each ``(cells, targets)``."""
    per_cell = sum(matrix.getnnz(axis=1) for matrix in read)
    found: np.ndarray = EFFECT_BYTES * ((counts > 0).astype(float).T @ per_cell)
    return found


def source_blocks(features: np.ndarray, size: np.ndarray) -> list[np.ndarray]:
    """``features (S,)`` in blocks, in order, whose effects of ``size (S,)`` bytes fit into memory together."""
    ends, start, room = [], 0, float(BLOCK_BYTES)
    for i, one in enumerate(size):
        if i > start and (one > room or i - start == MOST_SOURCES):
            ends.append(i)
            start, room = i, float(BLOCK_BYTES)
        room -= one
    return np.split(features, ends)
