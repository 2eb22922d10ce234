"""Causes that an imported atlas published, for the pages of ours: numbers of its authors, without nulls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cellprism.atlas.optional import optional
from cellprism.atlas.packing import number, whole

if TYPE_CHECKING:
    import pandas as pd

    from cellprism.reader import RunReader


def patched(reader: RunReader) -> dict[str, Any] | None:
    """``{"layer", "rows": [[feature, term, own, other, ratio], ...]}``, the largest ratio first."""
    layer, table = _layer(reader, "published_patching")
    if layer is None:
        return None
    table = table.sort_values("ratio", ascending=False, kind="stable")
    rows = zip(table["feature"].tolist(), table["term"].tolist(),
               *([number(value) for value in table[name]] for name in ("own", "other", "ratio")), strict=True)
    return {"layer": layer, "rows": [list(row) for row in rows]}


def perturbed(reader: RunReader) -> dict[str, Any] | None:
    """``{"layer", "rows": [[target, factor, n_known, responding, specific, [[feature, effect], ...]], ...]}``.

    The most responding features first.
    """
    layer, table = _layer(reader, "published_responses")
    if layer is None:
        return None
    rows = []
    for target, own in table.groupby("target", sort=False):
        first = own.iloc[0]
        features = [[whole(row["feature"]), number(row["effect"])]
                    for row in own.dropna(subset="feature").to_dict("records")]
        counts = [int(first[name]) for name in ("n_known", "responding", "specific")]
        rows.append([target, bool(first["factor"]), *counts, features])
    return {"layer": layer, "rows": sorted(rows, key=lambda row: -row[3])}


def _layer(reader: RunReader, name: str) -> tuple[int | None, pd.DataFrame]:
    """The layer that has the table, and the table."""
    tables = {layer: optional(reader, name, layer) for layer in reader.layers}
    return next(((layer, table) for layer, table in tables.items() if len(table)), (None, optional(reader, name)))
