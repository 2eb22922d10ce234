"""Highways: features with a partner in a later layer that fires at the same positions."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from cellprism.errors import UserError
from cellprism.stats.cross_cofiring import CrossCofiring, cross_cofiring_test, permute_within
from cellprism.stats.fdr import bh
from cellprism.stats.firings import Regrouped, random_groups, take_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cellprism.runs.config import Protocol
    from cellprism.stats.firings import CellFirings, Firings, FiringSource, Pattern

LEVEL = 0.05
LEAST_PMI = 3.0
PARTNERS = 5
"""Partners of a feature that are stored, those of largest PMI."""
MAX_PERMUTATIONS = 3
"""Permutations of the null: each counts all positions again, and its rate varies little."""


PAPERS = {18: ((0, 5), (5, 11), (11, 17)), 12: ((0, 4), (4, 8), (8, 11))}
"""Pairs of layers of the papers, by the number of layers of the model (Geneformer V2-316M and scGPT)."""
LEAST_FIRINGS = 100
"""Firings that both features need under the published protocol."""


def layer_pairs(
    wanted: Literal["default"] | Sequence[tuple[int, int]], layers: Sequence[int], n_layers: int,
) -> list[tuple[int, int]]:
    """The pairs of layers to look at, ascending; by default adjacent ones of the run and those of the papers.

    Raises
    ------
    UserError
        A wanted pair is not of an earlier and a later layer of the run.
    """
    if wanted == "default":
        papers = {pair for pair in PAPERS.get(n_layers, ()) if set(pair) <= set(layers)}
        return sorted({*pairwise(layers), *papers})
    for pair in wanted:
        if not (set(pair) <= set(layers) and pair[0] < pair[1]):
            names = ", ".join(map(str, layers))
            msg = f"`highways.pairs` has {list(pair)}: give an earlier and a later of the run's layers, {names}."
            raise UserError(msg)
    return sorted(set(wanted))


def highways(
    first: FiringSource, second: FiringSource, done: Callable[[int], None], protocol: Protocol = "calibrated",
) -> tuple[pd.DataFrame, CrossCofiring]:
    """Pairs of features of two layers with PMI above 3 and q < 0.05 in the family of all pairs of live features.

    The published protocol has no test: PMI above 3 and 100 firings of both features are enough, so that rare pairs that
    met by chance count.

    Returns
    -------
    Columns feature, partner, count, pmi, p, q: the `PARTNERS` of largest PMI of each feature; and the test.
    """
    tested = cross_cofiring_test(first, second, done, least_pmi=0.0)
    q = bh(tested.p, tested.n_tests)
    if protocol == "calibrated":
        enough = q < LEVEL
    else:
        enough = (first.counts[tested.a] >= LEAST_FIRINGS) & (second.counts[tested.b] >= LEAST_FIRINGS)
    keep = enough & (tested.pmi > LEAST_PMI)
    columns = {
        "feature": tested.a, "partner": tested.b, "count": tested.count, "pmi": tested.pmi, "p": tested.p, "q": q,
    }
    table = pd.DataFrame({name: column[keep] for name, column in columns.items()})
    table = table.sort_values(["feature", "pmi", "partner"], ascending=[True, False, True])
    return table[table.groupby("feature").cumcount() < PARTNERS].reset_index(drop=True), tested


def share_with_highway(table: pd.DataFrame, tested: CrossCofiring) -> float:
    """Share of live features of the first layer that have a partner."""
    return float(table["feature"].nunique() / max(len(tested.alive), 1))


def permuted(
    first: CellFirings, second: CellFirings, rng: np.random.Generator,
) -> tuple[FiringSource, FiringSource]:
    """The firings of both layers, those of the second moved between positions of the same gene.

    Where there are many positions, they are moved within random groups of cells.
    """
    seed, groups = int(rng.integers(2**63)), random_groups(first.lengths, rng)

    def change(group: Firings, number: int) -> Pattern:
        assert group.gene is not None
        rows = permute_within(group.gene, np.random.default_rng([seed, number]))
        return take_rows(group.indptr, group.indices, rows)

    return Regrouped(first, groups), Regrouped(second, groups, change)


def highway_rates(
    value: float, null: np.ndarray, n_alive: int, *, rate: str = "highway", protocol: Protocol = "calibrated",
) -> pd.DataFrame:
    """Share of live features with a highway into another layer, beside its null (table ``rates``)."""
    return pd.DataFrame([{
        "rate": rate, "value": value, "n": n_alive, "unit": "feature", "null_mean": null.mean(),
        "null_q95": np.quantile(null, 0.95), "n_permutations": len(null), "protocol": protocol,
        "null": "codes of the later layer permuted among positions of the same gene; keeps what features owe to genes, "
        "breaks what they owe to the cell",
    }])
