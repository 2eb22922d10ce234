"""Tables that other commands than the run's leave in a folder of it, one file for each layer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cellprism.atlas.geneindex import label_terms
from cellprism.atlas.packing import clean, number
from cellprism.atlas.public import public
from cellprism.causal.requests import is_current
from cellprism.causal.tables import causal_names, table_path
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


def result_layers(reader: RunReader, folder: str, table: str) -> tuple[list[int], list[int]]:
    """Layers of which ``folder`` has the table, and those whose table rests on what the run is made of no more."""
    names = causal_names(reader.run, table, folder=folder)
    there = sorted(int(name) for name in names if re.fullmatch(r"\d+", name) and int(name) in reader.layers)
    current = [layer for layer in there if has_result(reader, folder, table, layer)]
    return current, sorted(set(there) - set(current))


def has_result(reader: RunReader, folder: str, table: str, layer: int) -> bool:
    """Whether ``folder`` has the table of a layer, and the run still what it rests on."""
    path = _path(reader, folder, table, layer)
    return path.exists() and still_holds(reader, path)


def still_holds(reader: RunReader, path: Path) -> bool:
    """Whether the run still has the model, cells and autoencoders that a table rests on."""
    notes: dict[str, Any] = read_notes(path)
    try:
        return is_current(reader.run, str(notes["key"]), notes["layers"])
    except UserError:  # a layer that the run has no more
        return False


def result(reader: RunReader, folder: str, table: str, layer: int) -> pd.DataFrame:
    """The table of a layer; without rows where the folder does not have it."""
    path = _path(reader, folder, table, layer)
    return read_table(path, TABLES[table]) if path.exists() else empty(TABLES[table])


def result_notes(reader: RunReader, folder: str, table: str, layer: int) -> dict[str, Any]:
    """The notes of a table, for readers."""
    notes: dict[str, Any] = clean(public(read_notes(_path(reader, folder, table, layer))))
    return {name: value for name, value in notes.items() if name not in ("key", "layers")}


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
    return table_path(reader.run, table, f"{layer:02d}", folder=folder)


def _value(value: Any) -> Any:
    return number(value) if isinstance(value, float) else value
