"""Do features joined by an edge share gene sets more often than features with as many gene sets would?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cellprism.causal.rates import rate_row

if TYPE_CHECKING:
    import pandas as pd

PERMUTATIONS = 200
BLOCK = 10
"""Features with about equally many gene sets that trade places, at least."""
NULL = (
    "the gene sets of each feature given to another feature of its layer with about as many; keeps the edges, the "
    "number of gene sets and which of them go together"
)


def sharing_rates(
    edges: pd.DataFrame, source_terms: pd.DataFrame, target_terms: dict[int, pd.DataFrame], rng: np.random.Generator,
    *, rate: str,
) -> list[dict[str, object]]:
    """Share of the edges between annotated features whose ends have a gene set in common, by target layer.

    A null that shuffled single gene sets would spread those that go together over more features, and more pairs would
    then share one; features therefore trade all of theirs at once.

    Parameters
    ----------
    edges
        Columns source, target_layer, target.
    source_terms, target_terms
        Significant terms of the features of the source layer and of each target layer: columns feature and term (an
        integer that means the same gene set in all of them); no row occurs twice.
    rng
        Source of the permutations.
    rate
        Name of the rate.

    Returns
    -------
    Rows of ``trace_rates``, one for each target layer with such an edge.
    """
    rows = []
    for layer, terms in sorted(target_terms.items()):
        part = edges[edges["target_layer"] == layer]
        known = part["source"].isin(source_terms["feature"]) & part["target"].isin(terms["feature"])
        if not known.any():
            continue
        n_terms = 1 + int(max(source_terms["term"].max(), terms["term"].max()))
        a, b = _Sets(source_terms, n_terms), _Sets(terms, n_terms)
        shared = (a.matrix @ b.matrix.T).toarray() > 0
        source = np.searchsorted(a.feature, part.loc[known, "source"])
        target = np.searchsorted(b.feature, part.loc[known, "target"])
        null = np.array([shared[a.permuted(rng)[source], b.permuted(rng)[target]].mean() for _ in range(PERMUTATIONS)])
        value = float(shared[source, target].mean())
        rows.append(rate_row(rate, value, len(source), "edge", null, NULL, target_layer=layer))
    return rows


class _Sets:
    """The gene sets of the annotated features of a layer."""

    def __init__(self, terms: pd.DataFrame, n_terms: int) -> None:
        from scipy import sparse

        self.feature, place, count = np.unique(terms["feature"], return_inverse=True, return_counts=True)
        ones = np.ones(len(terms), np.int32)
        self.matrix = sparse.csr_matrix((ones, (place, terms["term"].to_numpy())), shape=(len(self.feature), n_terms))
        self._blocks = blocks(count)

    def permuted(self, rng: np.random.Generator) -> np.ndarray:
        """The feature whose gene sets each feature is given."""
        given = np.arange(len(self.feature))
        for block in self._blocks:
            given[block] = rng.permutation(block)
        return given


def blocks(count: np.ndarray) -> list[np.ndarray]:
    """Cut features into blocks of ``BLOCK`` or more that are alike in ``count``; equal counts stay together.

    Parameters
    ----------
    count
        Shape ``(n,)``.

    Returns
    -------
    Indices of the features of each block; the last block may take up a rest that is too small.
    """
    order = np.argsort(count, kind="stable")
    ends = np.flatnonzero(np.diff(count[order])) + 1
    cuts: list[int] = []
    for end in ends.tolist():
        if end - (cuts[-1] if cuts else 0) >= BLOCK and len(count) - end >= BLOCK:
            cuts.append(end)
    return np.split(order, cuts)
