"""Features without a label that share top genes: sets of genes that no library has, or that nobody has named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import gammainc

from cellprism.features.modules import Partition, partition
from cellprism.stats.fdr import bh
from cellprism.stats.permutation import shuffle_bipartite

if TYPE_CHECKING:
    from collections.abc import Callable

LEVEL = 0.05
MIN_GENES = 3
"""Features with fewer top genes are in no cluster."""
MAX_PERMUTATIONS = 5
"""Permutations of the null: each tests all pairs again."""
CONSENSUS = 0.3
SHOWN = 20


def shared_gene_edges(feature: np.ndarray, gene: np.ndarray) -> pd.DataFrame:
    """Pairs of features that share more top genes than their sizes and the genes' usage explain.

    With ``n_i`` genes of feature ``i``, ``u_g`` features that gene ``g`` serves and ``S = sum_i n_i``, another feature
    ``j`` that keeps its size, drawn so that genes keep their usage, holds gene ``g`` of ``i`` with probability
    ``n_j (u_g - 1) / (S - n_i)`` (the configuration model; Newman 2003), and ``lambda_ij``, their sum over the genes of
    ``i``, is the overlap to expect. The overlap is compared with a Poisson distribution of mean
    ``max(lambda_ij, lambda_ji)``, one-sided, whose tail exceeds that of the sum of rare events;
    Benjamini-Hochberg over all pairs of features. The unit is the gene.

    Parameters
    ----------
    feature, gene
        Top genes as pairs of non-negative integers, no pair twice, shape ``(pairs,)``.

    Returns
    -------
    Columns a, b, overlap, jaccard, p, q of the pairs with q < 0.05, a < b.
    """
    shape = (int(feature.max(initial=-1)) + 1, int(gene.max(initial=-1)) + 1)
    has = sparse.csr_matrix((np.ones(len(gene), np.int64), (feature, gene)), shape=shape)
    size, usage = np.bincount(feature, minlength=shape[0]), np.bincount(gene, minlength=shape[1])
    pull = (has @ (usage - 1.0)) / np.maximum(size.sum() - size, 1)
    both = sparse.triu(has @ has.T, k=1).tocoo()
    expected = np.maximum(pull[both.row] * size[both.col], pull[both.col] * size[both.row])
    p = np.maximum(gammainc(both.data, expected), np.finfo(np.float64).tiny)
    members = int((size > 0).sum())
    q = bh(p, members * (members - 1) // 2)
    table = pd.DataFrame({
        "a": both.row.astype(np.int64), "b": both.col.astype(np.int64), "overlap": both.data,
        "jaccard": both.data / (size[both.row] + size[both.col] - both.data), "p": p, "q": q,
    })
    return table[table["q"] < LEVEL].sort_values(["a", "b"], ignore_index=True)


def gene_clusters(
    top_genes: pd.DataFrame, features: np.ndarray, *, seeds: int, min_features: int, permutations: int,
    rng: np.random.Generator, done: Callable[[int], None],
) -> tuple[pd.DataFrame, pd.Series, pd.DataFrame]:
    """Leiden communities of the graph of shared genes, weighted by the Jaccard index.

    Parameters
    ----------
    top_genes
        Table ``top_genes``.
    features
        Features to cluster: those without a label.

    Returns
    -------
    Table ``gene_clusters``; feature -> cluster of the features that are in one; and the rate ``in_gene_cluster`` of
    ``features``, with top genes shuffled between them as the null (table ``rates``).
    """
    own = top_genes[top_genes["feature"].isin(features)]
    own = own[own.groupby("feature")["gene"].transform("size") >= MIN_GENES]
    names, feature = np.unique(own["feature"], return_inverse=True)
    gene = own["gene"].to_numpy(np.int64)

    def cluster(gene: np.ndarray) -> tuple[Partition, pd.DataFrame]:
        edges = shared_gene_edges(feature, gene)
        return partition(edges, seeds=seeds, min_features=min_features, rng=rng, weight="jaccard"), edges

    found, edges = cluster(gene)
    null = []
    for _ in range(min(permutations, MAX_PERMUTATIONS)):
        null.append(_share(cluster(shuffle_bipartite(feature, gene, rng))[0], len(features)))
        done(1)
    home = pd.Series({names[i]: c for c, members in enumerate(found.members) for i in members}, dtype="Int32")
    rates = pd.DataFrame([{
        "rate": "in_gene_cluster", "value": _share(found, len(features)), "n": len(features), "unit": "feature",
        "null_mean": np.mean(null), "null_q95": np.quantile(null, 0.95), "n_permutations": len(null),
        "null": "top genes shuffled between unlabelled features; keeps each gene's usage and each feature's number of "
        "genes", "protocol": "calibrated",
    }])
    return _table(found, edges, own.assign(place=feature)), home, rates


def _table(found: Partition, edges: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for number, members in enumerate(found.members):
        theirs = own[own["place"].isin(members)].groupby(["gene", "symbol"], dropna=False)
        usage = theirs["place"].agg(n="size").reset_index().sort_values(["n", "gene"], ascending=[False, True])
        common = usage[usage["n"] >= max(2, CONSENSUS * len(members))]
        inside = edges[edges["a"].isin(members) & edges["b"].isin(members)]
        rows.append((
            number, len(members), len(usage), " ".join(common["symbol"].dropna().head(SHOWN)),
            inside["jaccard"].mean(), found.stability[number],
        ))
    return pd.DataFrame(
        rows, columns=["gene_cluster", "n_features", "n_genes", "consensus", "mean_jaccard", "stability"]
    )


def _share(found: Partition, n: int) -> float:
    return sum(map(len, found.members)) / max(n, 1)
