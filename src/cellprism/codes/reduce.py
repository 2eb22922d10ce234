"""Reductions of a layer's codes: sums per gene, means per cell, histograms, and the firings alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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


@dataclass(frozen=True)
class Firings:
    """Which features fire at each position, as the pattern of a CSR matrix with ascending columns, and the cells."""

    indptr: np.ndarray
    indices: np.ndarray
    cell: np.ndarray
    n_features: int


def gene_sums(store: CodeStore, n_genes: int, done: Callable[[int], None]) -> GeneSums:
    """Sum the codes of every (gene, feature) pair over all positions, in one pass; ``done`` is told the positions."""
    shape = (n_genes, store.n_features)
    seen = np.zeros(n_genes, np.int64)
    sums = [sparse.csr_matrix(shape, dtype=np.float64) for _ in range(3)]
    n_cells = np.zeros(store.n_features, np.int64)
    largest = np.zeros(store.n_features, np.float32)
    for shard in store.shards():
        x = shard.codes.csr().astype(np.float64)
        seen += np.bincount(shard.gene, minlength=n_genes)
        by_gene = _indicator(shard.gene, n_genes)
        parts = [by_gene @ _with(x, data) for data in (np.ones_like(x.data), x.data, x.data**2)]
        sums = [old + part for old, part in zip(sums, parts, strict=True)]
        cells, cell = np.unique(shard.cell, return_inverse=True)
        n_cells += (_indicator(cell, len(cells)) @ x).getnnz(axis=0)
        largest = np.maximum(largest, x.max(axis=0).toarray().ravel().astype(np.float32))
        done(len(shard.cell))
    for matrix in sums:
        matrix.sort_indices()
    fired, total, squares = sums
    return GeneSums(seen, fired, total, squares, n_cells, largest)


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


def firings(store: CodeStore) -> Firings:
    """Collect the firings of all positions without their values: 4 bytes per firing."""
    lengths, indices, cells = [], [], []
    for shard in store.shards():
        x = shard.codes.csr()
        x.sort_indices()
        lengths.append(np.diff(x.indptr))
        indices.append(x.indices)
        cells.append(np.asarray(shard.cell))
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(lengths), dtype=np.int64)])
    return Firings(indptr, np.concatenate(indices), np.concatenate(cells), store.n_features)


def _indicator(row: np.ndarray, n_rows: int) -> sparse.csr_matrix:
    """``(n_rows, positions)`` matrix with a one where position ``j`` belongs to row ``row[j]``."""
    n = len(row)
    return sparse.csc_matrix((np.ones(n), np.asarray(row), np.arange(n + 1)), shape=(n_rows, n)).tocsr()


def _with(x: sparse.csr_matrix, data: np.ndarray) -> sparse.csr_matrix:
    return sparse.csr_matrix((data, x.indices, x.indptr), shape=x.shape)
