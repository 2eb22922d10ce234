"""What of a feature's activation is only the gene's, what is the cell's, and what needs both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Callable

    from cellprism.codes.store import CodeStore

STATIC = 0.8
"""Share of variance from which a feature is called a static cluster of genes."""
MAX_PERMUTATIONS = 3
"""Permutations of the null: each sums all codes again, and over so many positions they agree."""


def variance_table(
    store: CodeStore, done: Callable[[int], None], rng: np.random.Generator | None = None,
) -> pd.DataFrame:
    """Shares of the variance of each feature's activation over all positions, zeros included (table ``variance``).

    For a grouping of ``N`` positions into ``G`` groups with sums ``T_g`` of ``n_g`` positions, the share is the
    adjusted ``1 - (1 - R2) (N - 1) / (N - G)`` with ``R2 = (sum T_g^2 / n_g - T^2 / N) / (sum v^2 - T^2 / N)`` (Ezekiel
    1930), which has mean 0 if activations are permuted over positions. Genes and cells are taken one at a time;
    ``rest`` is what is left, at least 0: what the gene does in some cells and not in others.

    Parameters
    ----------
    rng
        If given, genes and cells are shuffled among the positions of each shard: the null of both.
    """
    n_features = store.n_features
    total, squares, between_cells = np.zeros(n_features), np.zeros(n_features), np.zeros(n_features)
    by_gene: sparse.csr_matrix | None = None
    seen = np.zeros(0, np.int64)
    n = n_cells = 0
    for shard in store.shards():
        x = shard.codes.csr().astype(np.float64)
        gene, of_cell = (np.asarray(of) if rng is None else rng.permutation(of) for of in (shard.gene, shard.cell))
        size = max(len(seen), int(gene.max()) + 1)
        seen = np.pad(seen, (0, size - len(seen))) + np.bincount(gene, minlength=size)
        part = _sums(x, gene, size)
        if by_gene is not None:
            by_gene.resize((size, n_features))
            part = part + by_gene
        by_gene = part
        cells, cell, length = np.unique(of_cell, return_inverse=True, return_counts=True)
        between_cells += _between(_sums(x, cell, len(cells)), length)
        total += np.asarray(x.sum(axis=0)).ravel()
        squares += np.asarray(x.multiply(x).sum(axis=0)).ravel()
        n, n_cells = n + len(gene), n_cells + len(cells)
        done(len(gene))
    assert by_gene is not None
    alive = np.flatnonzero(squares > 0)
    centre = total**2 / n
    variance = np.maximum(squares - centre, np.finfo(np.float64).tiny)
    genes = adjusted((_between(by_gene, seen) - centre) / variance, n, int((seen > 0).sum()))
    cells_ = adjusted((between_cells - centre) / variance, n, n_cells)
    table = pd.DataFrame({"feature": alive, "gene": genes[alive], "cell": cells_[alive]})
    table["rest"] = np.maximum(1 - table["gene"] - table["cell"], 0.0)
    return table.assign(static=table["gene"] >= STATIC)


def variance_rates(table: pd.DataFrame, null: list[pd.DataFrame]) -> pd.DataFrame:
    """Share of static features, and mean shares of gene, cell and the rest, beside their nulls (table ``rates``)."""
    keeps = "genes and cells shuffled among the positions of a shard; keeps activations and the sizes of the groups"
    rows = []
    named = {"static": "static", "variance_by_gene": "gene", "variance_by_cell": "cell", "variance_rest": "rest"}
    for rate, column in named.items():
        values = np.array([t[column].mean() for t in null])
        rows.append({
            "rate": rate, "value": float(table[column].mean()), "n": len(table), "unit": "feature",
            "null_mean": values.mean(), "null_q95": np.quantile(values, 0.95), "n_permutations": len(null),
            "null": keeps, "protocol": "calibrated",
        })
    return pd.DataFrame(rows)


def _sums(x: sparse.csr_matrix, group: np.ndarray, n_groups: int) -> sparse.csr_matrix:
    n = len(group)
    indicator = sparse.csc_matrix((np.ones(n), group, np.arange(n + 1)), shape=(n_groups, n)).tocsr()
    return (indicator @ x).tocsr()


def _between(sums: sparse.csr_matrix, size: np.ndarray) -> np.ndarray:
    """``sum over groups of T_g^2 / n_g`` for each feature."""
    weight = sparse.diags(1.0 / np.maximum(size, 1))
    return np.asarray((weight @ sums.multiply(sums)).sum(axis=0)).ravel()


def adjusted(r2: np.ndarray, n: int, groups: int) -> np.ndarray:
    """``1 - (1 - R2) (n - 1) / (n - groups)``; 0 where every group is a single position."""
    if n <= groups:
        return np.zeros(len(r2))
    return np.asarray(1 - (1 - r2) * (n - 1) / (n - groups))
