"""What was found by taking features away: the files of the page "Ablation"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.atlas.as_published import patched
from cellprism.atlas.circuits import NO_TERM
from cellprism.atlas.columns import pack_columns
from cellprism.atlas.featuremap import rounded
from cellprism.atlas.geneindex import label_terms
from cellprism.atlas.packing import clean, number, pack_json, whole
from cellprism.atlas.public import public
from cellprism.atlas.results import still_holds
from cellprism.causal.tables import causal_names, read_causal, table_path
from cellprism.runs.schemas import TABLES, read_notes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from cellprism.atlas.dictionaries import Dictionaries
    from cellprism.reader import RunReader

ROWS = 400
"""Rows of a file."""
MOST_TARGETS = 2000
"""Targets of a combination at most; the Parquet table has all."""
PARTS = {"patching": "patch", "combinations": "interact", "damage": "damage"}
"""Table that a part of the page is about, and the command that writes it."""
LETTERS = "abc"

Found = dict[str, list[str]]
"""Table of `PARTS` to the names of its files that still rest on what the run is made of."""


def ablated(reader: RunReader) -> Found:
    """What the run has of each part; hashes what its tables rest on, so ask once."""
    return {
        table: [which for which in _names(reader, table) if still_holds(reader, table_path(reader.run, table, which))]
        for table in PARTS
    }


def ablation_files(reader: RunReader, dictionary: Dictionaries, found: Found) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every file under ``ablation/``; see ``docs/atlas-format.md``."""
    labels = {layer: label_terms(reader, layer, dictionary) for layer in reader.layers}
    index: dict[str, Any] = {table: [] for table in PARTS}
    for which in found["patching"]:
        layer, table = int(which), reader.patching(int(which))
        yield from _pages(f"ablation/patching/L{layer:02d}", _with_labels(table, labels[layer]))
        index["patching"].append({"layer": layer, **_about(reader, "patching", which, table),
                                  "rates": _rates(reader, f"patching_{which}")})
    for which in found["combinations"]:
        table, tests = reader.combinations(which), reader.interactions(which)
        yield from _pages(f"ablation/combinations/{which}", _combinations(table, labels))
        for combination, own in tests.groupby("combination"):
            target = int(table.loc[table["combination"] == combination, "target_layer"].iloc[0])
            columns = _targets(own, labels[target])
            yield f"ablation/interactions/{which}/{combination}.bin", pack_columns(columns)
        index["combinations"].append({"name": which, **_about(reader, "combinations", which, table),
                                      "n_tests": len(tests), "rates": _rates(reader, f"interactions_{which}")})
    for which in found["damage"]:
        layer, table = int(which), reader.damage(int(which))
        yield from _pages(f"ablation/damage/L{layer:02d}", _with_labels(table, labels[layer]))
        index["damage"].append({"layer": layer, **_about(reader, "damage", which, table),
                                "arms": _records(reader.damage_arms(layer))})
    index["published"] = patched(reader)
    index["outdated"] = [
        {"table": table, "name": which} for table in PARTS for which in _names(reader, table)
        if which not in found[table]
    ]
    yield "ablation/index.jz", pack_json(index)


def carries(reader: RunReader, layer: int, found: Found) -> dict[int, list[Any]]:
    """Feature to ``[source, term, n_genes, n_cells, effect, low, high, p, q, random]`` where it was patched."""
    if f"{layer:02d}" not in found["patching"]:
        return {}
    table = reader.patching(layer)
    columns = [table["source"].tolist(), table["term"].tolist(), table["n_genes"].tolist(), table["n_cells"].tolist()]
    columns += [[number(v) for v in table[name]] for name in ("effect", "low", "high", "p", "q", "random")]
    return {feature: list(row) for feature, *row in zip(table["feature"].tolist(), *columns, strict=True)}


def damages(reader: RunReader, layer: int, found: Found) -> dict[int, list[list[Any]]]:
    """Feature to ``[arm, partner, n_cells, loss, hit]`` of each arm in which its damage was measured."""
    if f"{layer:02d}" not in found["damage"]:
        return {}
    rows: dict[int, list[list[Any]]] = {}
    for row in reader.damage(layer).to_dict("records"):
        own = [row["arm"], whole(row["partner"]), whole(row["n_cells"]), number(row["loss"]), number(row["hit"])]
        rows.setdefault(row["feature"], []).append(own)
    return rows


def _names(reader: RunReader, table: str) -> list[str]:
    """Which files a table has: a layer, or a name such as ``00-02-to-03``; not those of ``damage_arms``."""
    return [which for which in causal_names(reader.run, table) if not which.startswith("arms_")]


def _rates(reader: RunReader, which: str) -> list[dict[str, Any]]:
    command = PARTS.get(which.partition("_")[0], "interact")
    return _records(read_causal(reader.run, "rates", which, command=f"cellprism {command} {reader.path}"))


def _with_labels(table: pd.DataFrame, labels: Mapping[int, int]) -> pd.DataFrame:
    return table.assign(label=[labels.get(feature, np.nan) for feature in table["feature"]])


def _combinations(table: pd.DataFrame, labels: Mapping[int, Mapping[int, int]]) -> pd.DataFrame:
    """With the term of each part's label."""
    for letter in LETTERS:
        parts = zip(*(_plain(table[f"{what}_{letter}"]) for what in ("layer", "feature")), strict=True)
        named = np.array([np.nan if layer is None else labels[layer].get(feature, np.nan) for layer, feature in parts])
        table = table.assign(**{f"label_{letter}": named})
    return table


def _targets(tests: pd.DataFrame, labels: Mapping[int, int]) -> dict[str, np.ndarray]:
    """The targets of a combination, smallest q first, then the largest contrast."""
    order = np.lexsort((tests["target"], -tests["contrast"].abs(), tests["q"]))[:MOST_TARGETS]
    tests = tests.iloc[order]
    names = ("alone", "together", "contrast", "low", "high", "relative", "p", "q")
    return {
        "target": tests["target"].to_numpy("u4"),
        "label": np.array([labels.get(target, NO_TERM) for target in tests["target"]], "u4"),
        "n_nonzero": tests["n_nonzero"].to_numpy("u4"),
        **{name: rounded(tests[name]) for name in names},
    }


def _about(reader: RunReader, table: str, which: str, frame: pd.DataFrame) -> dict[str, Any]:
    """How many rows and files a table has, and what was asked for."""
    notes = read_notes(table_path(reader.run, table, which))
    asked = {name: notes[name] for name in ("features", "cells", "each", "trace", "seed", "left_out", "permutations",
                                            "masked", "n_hidden") if notes.get(name) is not None}
    return {"n": len(frame), "n_files": -(-len(frame) // ROWS), "notes": clean(public(asked))}


def _pages(folder: str, table: pd.DataFrame) -> Iterator[tuple[str, bytes]]:
    """The rows of a table in files of `ROWS`, each ``{"columns": [...], "rows": [[...]]}``."""
    columns = [_plain(table[name]) for name in table.columns]
    for i in range(0, len(table), ROWS):
        rows = [list(row) for row in zip(*(column[i : i + ROWS] for column in columns), strict=True)]
        yield f"{folder}/{i // ROWS}.jz", pack_json({"columns": list(table.columns), "rows": rows})


def _plain(column: pd.Series) -> list[Any]:
    """Texts as they are, whole numbers as such even where some are missing, others rounded."""
    values = column.tolist()
    if column.name in _COUNTS:
        return [None if value is None else whole(value) for value in values]
    return [number(value) if isinstance(value, float) else value for value in values]


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = table.to_dict("records")
    return [{str(k): number(v) if isinstance(v, float) else v for k, v in row.items()} for row in rows]


_COUNTS = {
    name for table in PARTS for name, (kind, _) in TABLES[table].columns.items() if str(kind).startswith("int")
} | {"label", *(f"label_{letter}" for letter in LETTERS)}
