"""Are a feature's top genes linked in a network more often than genes of the same degrees are?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import gammainc

from cellprism.stats.fdr import bh
from cellprism.stats.permutation import shuffle_bipartite

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

BINS = 20
"""Classes of degree, beside that of the genes without an edge."""
POOL = 50
"""Permutations whose tails make the null: the smallest p is about 1 over this times the features."""


@dataclass(frozen=True)
class Lists:
    """Top genes and a network over one background, as integers.

    Attributes
    ----------
    features
        Names of the features.
    feature, gene
        The top genes as pairs, shape ``(pairs,)``.
    links
        Symmetric 0/1 adjacency ``(background, background)``.
    kind
        Class of degree of each background gene; 0 has no edge.
    chance
        Share of linked pairs between two classes, shape ``(classes, classes)``.
    """

    features: np.ndarray
    feature: np.ndarray
    gene: np.ndarray
    links: sparse.csr_matrix
    kind: np.ndarray
    chance: np.ndarray


def prepare(
    top_genes: Mapping[Any, Sequence[str]], genes: np.ndarray, edges: np.ndarray, background: Iterable[str],
) -> Lists:
    """Cut a network to the background and sort its genes into classes of equal degree.

    Parameters
    ----------
    top_genes
        Feature -> its genes; those outside the background are left out.
    genes, edges
        Symbols of the network, and its edges as indices into them, shape ``(edges, 2)``, each once.
    background
        Genes that could have been a top gene. Symbols match whatever their case.
    """
    index = {symbol: i for i, symbol in enumerate(sorted({gene.upper() for gene in background}))}
    place = np.array([index.get(str(gene).upper(), -1) for gene in genes], dtype=np.int64)
    ends = place[edges].reshape(-1, 2)
    ends = ends[(ends >= 0).all(axis=1)]
    n = len(index)
    half = sparse.csr_matrix((np.ones(len(ends), np.int64), (ends[:, 0], ends[:, 1])), shape=(n, n))
    links = (half + half.T).tocsr()
    degree = np.asarray(links.sum(axis=1)).ravel()
    kind = _classes(degree)
    pairs = {
        (feature, index[gene.upper()]): None
        for feature, listed in enumerate(top_genes.values()) for gene in listed if gene.upper() in index
    }
    listed = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
    return Lists(np.array(list(top_genes)), listed[:, 0], listed[:, 1], links, kind, _chance(links, kind))


@dataclass(frozen=True)
class Links:
    """Edges among the top genes of each feature, what genes of the same degrees would have, and its Poisson tail."""

    edges: np.ndarray
    expected: np.ndarray
    tail: np.ndarray


def count_links(lists: Lists, gene: np.ndarray) -> Links:
    """Count the edges among ``gene``, the top genes, and say how unusual that is.

    If genes swap places within classes of equal degree, a pair of genes of classes ``c`` and ``d`` is linked with the
    share of linked pairs of these classes, so that ``expected`` is the sum of these shares over the pairs of top genes,
    exactly. The tail is ``P(X >= edges)`` of a Poisson distribution of that mean.
    """
    n, classes = len(lists.features), len(lists.chance)
    one = np.ones(len(gene), np.int64)
    has = sparse.csr_matrix((one, (lists.feature, gene)), shape=(n, lists.links.shape[0]))
    edges = np.asarray((has @ lists.links).multiply(has).sum(axis=1)).ravel() // 2
    of_class = sparse.csr_matrix((one, (lists.feature, lists.kind[gene])), shape=(n, classes)).toarray()
    both = (of_class @ lists.chance * of_class).sum(axis=1) - of_class @ np.diag(lists.chance)
    expected = np.maximum(both / 2, 0.0)
    tail = np.ones(n)
    some = edges > 0
    tail[some] = gammainc(edges[some], expected[some])
    return Links(edges, expected, tail)


def null_tails(lists: Lists, rng: np.random.Generator, permutations: int = POOL) -> np.ndarray:
    """Poisson tails with the top genes shuffled between features: ``(permutations, features)``."""
    return np.stack([
        count_links(lists, shuffle_bipartite(lists.feature, lists.gene, rng)).tail for _ in range(permutations)
    ])


def density_table(lists: Lists, null: np.ndarray) -> pd.DataFrame:
    """Table ``string_density``: features with two or more top genes in the background.

    Linked genes come in dense groups (ribosome, proteasome), and genes that serve many features often belong to one, so
    that a Poisson tail alone is too small. ``p`` is therefore its rank among the tails of shuffled top genes,
    ``(1 + #{null <= tail}) / (1 + n)``, pooled over features and permutations; Benjamini-Hochberg over the table.
    ``effect`` is ``log2((edges + 1/2) / (expected + 1/2))``.
    """
    links, n = count_links(lists, lists.gene), len(lists.features)
    n_genes = np.bincount(lists.feature, minlength=n)
    enough = n_genes >= 2
    table = pd.DataFrame({
        "feature": lists.features, "n_genes": n_genes,
        "n_in_network": np.bincount(lists.feature, weights=lists.kind[lists.gene] > 0, minlength=n).astype(int),
        "edges": links.edges, "expected": links.expected,
        "effect": np.log2((links.edges + 0.5) / (links.expected + 0.5)),
    })[enough]
    p = _rank(links.tail[enough], null[:, enough])
    return table.assign(p=p, q=bh(p)).reset_index(drop=True)


def density_rates(
    lists: Lists, table: pd.DataFrame, null: np.ndarray, *, q: float, n_alive: int, permutations: int,
) -> pd.DataFrame:
    """Share of live features whose top genes are linked (table ``rates``); each permutation is held to the others."""
    tails = null[:, np.bincount(lists.feature, minlength=len(lists.features)) >= 2]
    counts = [
        (bh(_rank(tails[i], np.delete(tails, i, axis=0))) < q).sum() for i in range(min(permutations, len(tails)))
    ]
    shares = np.array(counts) / max(n_alive, 1)
    return pd.DataFrame([{
        "rate": "linked", "value": (table["q"] < q).sum() / max(n_alive, 1), "n": n_alive, "unit": "feature",
        "null_mean": shares.mean(), "null_q95": np.quantile(shares, 0.95), "n_permutations": len(shares),
        "null": "top genes shuffled between features; keeps each gene's usage and each feature's number of genes",
        "protocol": "calibrated",
    }])


def _rank(tail: np.ndarray, null: np.ndarray) -> np.ndarray:
    return np.asarray((1 + np.searchsorted(np.sort(null, axis=None), tail, side="right")) / (1 + null.size))


def _classes(degree: np.ndarray) -> np.ndarray:
    """Classes of about equally many genes of similar degree; genes of one degree are in one class."""
    linked = degree > 0
    if not linked.any():
        return np.zeros(len(degree), np.int64)
    limits = np.unique(np.quantile(degree[linked], np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.where(linked, 1 + np.searchsorted(limits, degree, side="left"), 0)


def _chance(links: sparse.csr_matrix, kind: np.ndarray) -> np.ndarray:
    size = np.bincount(kind, minlength=kind.max(initial=0) + 1)
    of_class = sparse.csr_matrix((np.ones(len(kind)), (kind, np.arange(len(kind)))), shape=(len(size), len(kind)))
    observed = (of_class @ links @ of_class.T).toarray()
    pairs = np.outer(size, size) - np.diag(size)
    return np.asarray(observed / np.maximum(pairs, 1))
