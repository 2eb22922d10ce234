"""Do features joined by an edge share gene sets more often than features with as many gene sets would?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cellprism.causal.rates import rate_row
from cellprism.stats.permutation import shuffle_bipartite

if TYPE_CHECKING:
    import pandas as pd

PERMUTATIONS = 100
NULL = (
    "gene sets shuffled between the features of a layer; keeps the edges, each feature's number of gene sets and how "
    "many features each gene set has"
)


def sharing_rates(
    edges: pd.DataFrame, source_terms: pd.DataFrame, target_terms: dict[int, pd.DataFrame], rng: np.random.Generator,
) -> list[dict[str, object]]:
    """Share of the edges between annotated features whose ends have a gene set in common, by target layer.

    Parameters
    ----------
    edges
        Columns source, target_layer, target.
    source_terms, target_terms
        Significant terms of the features of the source layer and of each target layer: columns feature and term (an
        integer that means the same gene set in all of them); no row occurs twice.
    rng
        Source of the permutations.

    Returns
    -------
    Rows of ``trace_rates``, one for each target layer with such an edge.
    """
    rows = []
    for layer, part in edges.groupby("target_layer"):
        terms = target_terms[int(layer)]
        known = part["source"].isin(source_terms["feature"]) & part["target"].isin(terms["feature"])
        source, target = part.loc[known, "source"].to_numpy(), part.loc[known, "target"].to_numpy()
        if not len(source):
            continue
        value = _shared(source, target, source_terms, terms)
        null = np.array([
            _shared(source, target, _shuffled(source_terms, rng), _shuffled(terms, rng)) for _ in range(PERMUTATIONS)
        ])
        rows.append(
            rate_row("edges_sharing_a_term", value, len(source), "edge", null, NULL, target_layer=int(layer)),
        )
    return rows


def _shuffled(terms: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return terms.assign(term=shuffle_bipartite(terms["feature"].to_numpy(), terms["term"].to_numpy(), rng))


def _shared(source: np.ndarray, target: np.ndarray, source_terms: pd.DataFrame, target_terms: pd.DataFrame) -> float:
    n_terms = 1 + int(max(source_terms["term"].max(), target_terms["term"].max()))
    a = _incidence(source_terms, int(source.max()), n_terms)
    b = _incidence(target_terms, int(target.max()), n_terms)
    return float((a @ b.T).toarray()[source, target].astype(bool).mean())


def _incidence(terms: pd.DataFrame, last: int, n_terms: int):  # type: ignore[no-untyped-def]  # a scipy matrix
    from scipy import sparse

    feature, term = terms["feature"].to_numpy(), terms["term"].to_numpy()
    shape = (1 + max(last, int(feature.max())), n_terms)
    return sparse.csr_matrix((np.ones(len(feature), np.int32), (feature, term)), shape=shape)
