"""Tables that other commands than the run's leave in a folder of it, one file for each layer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cellprism.atlas.geneindex import label_terms
from cellprism.atlas.packing import clean, number
from cellprism.causal.requests import is_current
from cellprism.errors import UserError
from cellprism.runs.schemas import TABLES, empty, read_notes, read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import pandas as pd

    from cellprism.atlas.dictionaries import Dictionaries
    from cellprism.reader import RunReader

NAMES = 3
"""Top genes by which a feature without a label goes."""
DIGITS = 4
"""Significant digits where there are many numbers."""


def result_layers(reader: RunReader, folder: str, table: str) -> list[int]:
    """Layers of which ``folder`` has the table, and whose model, cells and autoencoder are still those of the run."""
    found = []
    for path in reader.run.file(folder).glob(f"{table}_*.parquet"):
        layer = re.fullmatch(rf"{table}_(\d+)", path.stem)
        if layer and int(layer[1]) in reader.layers and _is_current(reader, path):
            found.append(int(layer[1]))
    return sorted(found)


def result(reader: RunReader, folder: str, table: str, layer: int) -> pd.DataFrame:
    """The table of a layer; without rows where the folder does not have it."""
    path = _path(reader, folder, table, layer)
    return read_table(path, TABLES[table]) if path.exists() else empty(TABLES[table])


def result_notes(reader: RunReader, folder: str, table: str, layer: int) -> dict[str, Any]:
    """The single values among the notes of a table, for readers."""
    path = _path(reader, folder, table, layer)
    notes = clean(read_notes(path)) if path.exists() else {}
    return {name: value for name, value in notes.items() if name != "key" and not isinstance(value, (dict, list))}


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a small table, rounded, with None for what is missing."""
    return [{str(name): _value(value) for name, value in row.items()} for row in table.to_dict("records")]


def called(reader: RunReader, layer: int, dictionary: Dictionaries) -> Callable[[int], tuple[int | None, str]]:
    """What a feature of a layer is called: the term of its label, or none and its first genes."""
    terms = label_terms(reader, layer, dictionary)
    top = reader.top_genes(layer)
    first = top[top["rank"] < NAMES].sort_values(["feature", "rank"]).groupby("feature")["symbol"].agg(", ".join)
    names = dict(zip(first.index.tolist(), first.tolist(), strict=True))
    return lambda feature: (terms[feature], "") if feature in terms else (None, names.get(feature, ""))


def rounded_rows(table: pd.DataFrame, names: Iterable[str]) -> list[list[float | None]]:
    """Numbers of some columns, row by row, to `DIGITS`."""
    columns = [[number(value, DIGITS) for value in table[name].tolist()] for name in names]
    return [list(row) for row in zip(*columns, strict=True)]


def _path(reader: RunReader, folder: str, table: str, layer: int) -> Path:
    return reader.run.file(folder) / f"{table}_{layer:02d}.parquet"


def _is_current(reader: RunReader, path: Path) -> bool:
    notes: dict[str, Any] = read_notes(path)
    try:
        return "key" not in notes or is_current(reader.run, notes["key"], notes["layers"])
    except UserError:
        # what the run was made of is not here to be compared with
        return True


def _value(value: Any) -> Any:
    return number(value) if isinstance(value, float) else value
