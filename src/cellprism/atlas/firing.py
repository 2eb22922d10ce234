"""How many edges features have beside the number that how often they fire explains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.atlas.featuremap import rounded
from cellprism.atlas.packing import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from cellprism.atlas.traces import Trace

HUBS = 20
"""Features with most edges, and of smallest q, that the index names."""


def expected_degrees(
    traces: Sequence[Trace], side: str, degrees: Mapping[int, np.ndarray],
) -> dict[int, pd.DataFrame]:
    """Degrees of one side beside those expected, over all traces of a graph.

    A feature that several traces read has the edges of all of them, so that what is expected is summed as well. Its q
    is the smallest of these traces times their number, which keeps the false discovery rate at most what it says
    (Bonferroni over the traces). Where a trace read only some features of a layer, the others have no edges for
    that reason, and nothing is said of what is expected there.

    Parameters
    ----------
    traces
        The traces of a graph, each of another source layer.
    side
        ``out`` or ``in``.
    degrees
        Layer to the number of edges of each of its features, shape ``(features,)``.

    Returns
    -------
    Layer to a table by feature: degree, expected, residual (log of 1 + degree over 1 + expected), q, frequency.
    Features that never fire are not in it, and layers of which no trace says what is expected have none.
    """
    import pandas as pd

    partly = {layer for trace in traces if side == "in" and trace.n_targets is not None for layer in trace.targets}
    tables = [trace.read("degrees") for trace in traces if (trace.folder / "degrees.parquet").exists()]
    whole = pd.concat([table[table["side"] == side] for table in tables]) if tables else pd.DataFrame(columns=["layer"])
    found = {}
    for layer in sorted((set(whole["layer"]) & set(degrees)) - partly):
        own = whole[whole["layer"] == layer].groupby("feature").agg(
            expected=("expected", "sum"), q=("q", "min"), n=("q", "size"), frequency=("frequency", "first"),
        )
        degree = degrees[layer][own.index]
        found[int(layer)] = pd.DataFrame({
            "degree": degree, "expected": own["expected"], "residual": np.log1p(degree) - np.log1p(own["expected"]),
            "q": np.minimum(own["q"] * own["n"], 1.0), "frequency": own["frequency"],
        })
    return found


def firing_columns(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """One of the tables of `expected_degrees` as the columns of a file."""
    fractions = {name: rounded(table[name]) for name in ("expected", "residual", "q", "frequency")}
    return {"feature": table.index.to_numpy("u4"), "degree": table["degree"].to_numpy("u4"), **fractions}


def hubs(degrees: Mapping[int, np.ndarray], expected: Mapping[int, pd.DataFrame]) -> list[list[Any]]:
    """The features of a side with most edges, and those whose edges exceed their firing most surely.

    Returns
    -------
    ``[layer, feature, edges, expected, residual, q]``, most edges first; the last three are None where nothing says
    what is expected.
    """
    rows = [row for layer, degree in degrees.items() for row in _layer_hubs(layer, degree, expected.get(layer))]
    rows.sort(key=lambda row: (-row[2], row[0], row[1]))
    surest = sorted((row for row in rows if row[5] is not None), key=lambda row: (row[5], -row[4]))[:HUBS]
    kept = {(row[0], row[1]) for row in [*rows[:HUBS], *surest]}
    return [row for row in rows if (row[0], row[1]) in kept]


def _layer_hubs(layer: int, degree: np.ndarray, table: pd.DataFrame | None) -> list[list[Any]]:
    most = np.argsort(-degree, kind="stable")[:HUBS]
    known: dict[int, list[float]] = {}
    if table is not None:
        surest = table.assign(less=-table["residual"]).sort_values(["q", "less"], kind="stable").index[:HUBS]
        most = np.union1d(most, surest)
        kept = table.loc[table.index.isin(most), ["expected", "residual", "q"]]
        known = dict(zip(kept.index.tolist(), kept.to_numpy().tolist(), strict=True))
    return [
        [layer, feature, int(degree[feature]), *(number(v, 3) for v in known.get(feature, [np.nan] * 3))]
        for feature in most.tolist() if degree[feature]
    ]
