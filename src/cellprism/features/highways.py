"""Highways: features with a partner in a later layer that fires at the same positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellprism.stats.cofiring import cell_blocks
from cellprism.stats.cross_cofiring import CrossCofiring, cross_cofiring_test, permute_within, take_rows
from cellprism.stats.fdr import bh

if TYPE_CHECKING:
    from collections.abc import Callable

    from cellprism.codes.reduce import Firings

LEVEL = 0.05
LEAST_PMI = 3.0
PARTNERS = 5
"""Partners of a feature that are stored, those of largest PMI."""
MAX_PERMUTATIONS = 3
"""Permutations of the null: each counts all positions again, and its rate varies little."""


def highways(
    first: Firings, second: Firings, done: Callable[[int], None],
) -> tuple[pd.DataFrame, CrossCofiring]:
    """Pairs of features of two layers with PMI above 3 and q < 0.05 in the family of all pairs of live features.

    Returns
    -------
    Columns feature, partner, count, pmi, p, q: the `PARTNERS` of largest PMI of each feature; and the test.
    """
    tested = cross_cofiring_test(
        (first.indptr, first.indices, first.n_features), (second.indptr, second.indices, second.n_features),
        cell_blocks(first.cell), done, least_pmi=0.0,
    )
    q = bh(tested.p, tested.n_tests)
    keep = (q < LEVEL) & (tested.pmi > LEAST_PMI)
    columns = {
        "feature": tested.a, "partner": tested.b, "count": tested.count, "pmi": tested.pmi, "p": tested.p, "q": q,
    }
    table = pd.DataFrame({name: column[keep] for name, column in columns.items()})
    table = table.sort_values(["feature", "pmi", "partner"], ascending=[True, False, True])
    return table[table.groupby("feature").cumcount() < PARTNERS].reset_index(drop=True), tested


def share_with_highway(table: pd.DataFrame, tested: CrossCofiring) -> float:
    """Share of live features of the first layer that have a partner."""
    return float(table["feature"].nunique() / max(len(tested.alive), 1))


def permuted(firings: Firings, gene: np.ndarray, rng: np.random.Generator) -> Firings:
    """Firings moved between positions of the same gene."""
    from dataclasses import replace

    indptr, indices = take_rows(firings.indptr, firings.indices, permute_within(gene, rng))
    return replace(firings, indptr=indptr, indices=indices)


def highway_rates(value: float, null: np.ndarray, n_alive: int) -> pd.DataFrame:
    """Share of live features with a highway into the next layer, beside its null (table ``rates``)."""
    return pd.DataFrame([{
        "rate": "highway", "value": value, "n": n_alive, "unit": "feature", "null_mean": null.mean(),
        "null_q95": np.quantile(null, 0.95), "n_permutations": len(null), "protocol": "calibrated",
        "null": "codes of the later layer permuted among positions of the same gene; keeps what features owe to genes, "
        "breaks what they owe to the cell",
    }])
