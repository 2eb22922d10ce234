"""Permutation p-values and permutations that keep what a null must keep."""

from __future__ import annotations

import numpy as np

ROUNDS = 10
"""Proposed swaps per edge: after the first round an edge already holds a gene from a uniformly drawn edge."""


def permutation_p(observed: float | np.ndarray, null: np.ndarray) -> np.ndarray:
    """One-sided permutation p-value ``(1 + #{null >= observed}) / (1 + n)``, never 0 (Phipson and Smyth 2010).

    Parameters
    ----------
    observed
        Statistics, shape ``(...)``.
    null
        Statistics under permutation, shape ``(n, ...)``.
    """
    null = np.asarray(null)
    return np.asarray((1 + (null >= observed).sum(axis=0)) / (1 + len(null)))


def shuffle_bipartite(feature: np.ndarray, gene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shuffle genes between features; each gene keeps its usage and each feature its size.

    Pairs of edges swap their genes wherever neither feature then holds a gene twice (Maslov and Sneppen 2002). The
    start is a valid graph and only valid swaps are made, so the result is valid even where hardly any swap is possible.

    Parameters
    ----------
    feature, gene
        The edges: non-negative integers, shape ``(edges,)``; no edge occurs twice.
    rng
        Source of randomness.

    Returns
    -------
    The genes after shuffling, aligned with ``feature``.
    """
    feature = np.asarray(feature, dtype=np.int64)
    gene = np.array(gene, dtype=np.int64)
    if gene.size < 2:
        return gene
    n_genes = int(gene.max()) + 1
    half = gene.size // 2
    for _ in range(ROUNDS):
        order = rng.permutation(gene.size)
        first, second = order[:half], order[half : 2 * half]
        proposed = np.concatenate([feature[first] * n_genes + gene[second], feature[second] * n_genes + gene[first]])
        bad = _contains(np.sort(feature * n_genes + gene), proposed) | _repeated(proposed)
        accept = ~(bad[:half] | bad[half:])
        first, second = first[accept], second[accept]
        gene[first], gene[second] = gene[second], gene[first]
    return gene


def _contains(ordered: np.ndarray, keys: np.ndarray) -> np.ndarray:
    place = np.minimum(np.searchsorted(ordered, keys), ordered.size - 1)
    return np.asarray(ordered[place] == keys)


def _repeated(keys: np.ndarray) -> np.ndarray:
    order = np.argsort(keys, kind="stable")
    again = np.zeros(keys.size, dtype=bool)
    again[order[1:]] = keys[order[1:]] == keys[order[:-1]]
    return again
