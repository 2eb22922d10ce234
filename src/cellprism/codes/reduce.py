"""Reductions of a layer's codes, shard by shard: sums per gene, means per cell, histograms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba
import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Callable

    from cellprism.codes.store import CodeStore


@dataclass(frozen=True)
class GeneSums:
    """What a layer's features do on each gene.

    Attributes
    ----------
    seen
        Positions of each gene, shape ``(genes,)``.
    fired, total, squares
        Firings, sum of activations and sum of their squares, sparse ``(genes, features)`` with one common structure.
    n_cells
        Cells in which a feature fires, shape ``(features,)``.
    largest
        Largest activation of a feature, shape ``(features,)``.
    """

    seen: np.ndarray
    fired: sparse.csr_matrix
    total: sparse.csr_matrix
    squares: sparse.csr_matrix
    n_cells: np.ndarray
    largest: np.ndarray


def gene_sums(store: CodeStore, n_genes: int, done: Callable[[int], None]) -> GeneSums:
    """Sum the codes of every (gene, feature) pair over all positions, in one pass; ``done`` is told the positions.

    Memory is 20 bytes for each pair, however many positions there are.
    """
    shape = (n_genes, store.n_features)
    seen = np.zeros(n_genes, np.int64)
    fired, total, squares = np.zeros(shape, np.int32), np.zeros(shape), np.zeros(shape)
    n_cells, largest = np.zeros(store.n_features, np.int64), np.zeros(store.n_features, np.float32)
    last = np.full(store.n_features, -1, np.int64)
    for shard in store.shards():
        gene, cell = np.asarray(shard.gene), np.asarray(shard.cell)
        value = np.asarray(shard.codes.value).astype(np.float32)
        seen += np.bincount(gene, minlength=n_genes)
        _add_to_genes(np.asarray(shard.codes.index), value, gene, fired, total, squares)
        _add_to_features(np.asarray(shard.codes.index), value, cell, last, n_cells, largest)
        done(len(cell))
    columns = [np.flatnonzero(row).astype(np.int32) for row in fired]
    indptr = np.concatenate([[0], np.cumsum([len(column) for column in columns])])
    indices = np.concatenate([np.empty(0, np.int32), *columns])
    sums = [
        sparse.csr_matrix((np.concatenate([x[g, c] for g, c in enumerate(columns)]), indices, indptr), shape)
        for x in (fired, total, squares)
    ]
    return GeneSums(seen, sums[0], sums[1], sums[2], n_cells, largest)


def cell_means(store: CodeStore, n_cells: int, done: Callable[[int], None]) -> np.ndarray:
    """Mean activation of each feature over all positions of each cell, zeros included: float32 ``(cells, features)``.

    Cells without positions hold NaN.
    """
    means = np.full((n_cells, store.n_features), np.nan, np.float32)
    for shard in store.shards():
        cells, cell, n = np.unique(shard.cell, return_inverse=True, return_counts=True)
        total = _indicator(cell, len(cells)) @ shard.codes.csr().astype(np.float64)
        means[cells] = total.toarray() / n[:, None]
        done(len(shard.cell))
    return means


def groups_firing(store: CodeStore, group: np.ndarray) -> np.ndarray:
    """In how many groups of cells each feature fires at all: int64 ``(features,)``.

    Parameters
    ----------
    group
        Group of each cell, from 0; negative where unknown. Shape ``(cells,)``.
    """
    seen = np.zeros((int(group.max(initial=-1)) + 1, store.n_features), bool)
    for shard in store.shards():
        of = group[np.asarray(shard.cell)]
        fired = np.asarray(shard.codes.value) > 0
        fired &= (of >= 0)[:, None]
        seen[np.repeat(of, fired.sum(axis=1)), np.asarray(shard.codes.index)[fired]] = True
    return np.asarray(seen.sum(axis=0))


def histograms(store: CodeStore, largest: np.ndarray, bins: int) -> np.ndarray:
    """Firings of each feature in ``bins`` even bins from 0 to its largest activation: int64 ``(features, bins)``."""
    count = np.zeros(store.n_features * bins, np.int64)
    for shard in store.shards():
        x = shard.codes.csr()
        place = np.minimum((x.data.astype(np.float64) / largest[x.indices] * bins).astype(np.int64), bins - 1)
        count += np.bincount(x.indices * bins + place, minlength=len(count))
    return count.reshape(store.n_features, bins)


def _indicator(row: np.ndarray, n_rows: int) -> sparse.csr_matrix:
    """``(n_rows, positions)`` matrix with a one where position ``j`` belongs to row ``row[j]``."""
    n = len(row)
    return sparse.csc_matrix((np.ones(n), np.asarray(row), np.arange(n + 1)), shape=(n_rows, n)).tocsr()


@numba.njit(cache=True)
def _add_to_genes(index, value, gene, fired, total, squares):  # type: ignore[no-untyped-def]  # pragma: no cover
    for row in range(len(gene)):
        g = gene[row]
        for j in range(index.shape[1]):
            x = np.float64(value[row, j])
            if x > 0:
                f = index[row, j]
                fired[g, f] += 1
                total[g, f] += x
                squares[g, f] += x * x


@numba.njit(cache=True)
def _add_to_features(index, value, cell, last, n_cells, largest):  # type: ignore[no-untyped-def]  # pragma: no cover
    for row in range(len(cell)):
        for j in range(index.shape[1]):
            x = value[row, j]
            if x > 0:
                f = index[row, j]
                largest[f] = max(largest[f], x)
                if last[f] != cell[row]:
                    last[f] = cell[row]
                    n_cells[f] += 1
