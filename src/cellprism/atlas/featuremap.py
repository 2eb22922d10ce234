"""The columns of all features of a layer, from which the browser draws the map and makes lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cellprism.atlas.columns import pack_columns, unpack_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pandas as pd

    from cellprism.atlas.dictionaries import Dictionaries, Pair

NOT_ON_MAP = 65535
DEAD, RARE = 1, 2
BITS = 13
"""Binary places that the fractions on a map keep: four decimal digits, and zeros in the rest compress well."""
FIRST = 20_000
"""Features of a layer in the first piece of its map, which is drawn while the rest is on its way."""


def map_columns(features: pd.DataFrame, dictionary: Dictionaries, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Columns of a layer's map, for `map_files`.

    Parameters
    ----------
    features
        The table that `RunReader.features` gives.
    dictionary
        Numbers of terms and groups.
    rng
        Orders the rows at random, so that the first rows are a fair sample of all.

    Returns
    -------
    dict
        Name to array of shape ``(len(features),)``.
    """
    table = features.iloc[rng.permutation(len(features))]
    x, y = quantise(table["x"].to_numpy(float), table["y"].to_numpy(float))
    flags = np.where(table["dead"], DEAD, 0) | np.where(table["rare"], RARE, 0)
    return {
        "feature": table["feature"].to_numpy("u4"),
        "x": x,
        "y": y,
        "n_fired": table["n_fired"].to_numpy("u4"),
        "frequency": rounded(table["frequency"]),
        "n_cells": table["n_cells"].fillna(np.iinfo("u4").max).to_numpy("u4"),
        "max_value": rounded(table["max_value"]),
        "n_terms": table["n_terms"].clip(upper=65534).to_numpy("u2"),
        "label": numbers(table, ("source", "label"), dictionary.terms, "u4"),
        "label_q": rounded(table["label_q"]),
        "module": table["module"].fillna(65535).to_numpy("u2"),
        "group": numbers(table, ("group_key", "group_value"), dictionary.groups, "u2"),
        "group_auroc": rounded(table["group_auroc"]),
        "flags": flags.astype("u1"),
    }


def map_files(columns: Mapping[str, np.ndarray], layer: int, *, first: int = FIRST) -> Iterator[tuple[str, bytes]]:
    """The files of a layer's map: ``map/LNN.bin``, and ``map/LNN-rest.bin`` where it has more than ``first`` rows.

    Rows are in random order, so that the first piece is a fair sample of all.
    """
    yield f"map/L{layer:02d}.bin", pack_columns({name: column[:first] for name, column in columns.items()})
    if len(columns["feature"]) > first:
        yield f"map/L{layer:02d}-rest.bin", pack_columns({name: column[first:] for name, column in columns.items()})


def read_map(folder: Path, layer: int) -> dict[str, np.ndarray]:
    """The columns of a layer's map from the folder of a run in an atlas, its pieces put together."""
    pieces = [folder / f"map/L{layer:02d}{piece}.bin" for piece in ("", "-rest")]
    parts = [unpack_columns(path.read_bytes()) for path in pieces if path == pieces[0] or path.exists()]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def mini_columns(columns: Mapping[str, np.ndarray], most: int = 2048) -> dict[str, np.ndarray]:
    """Columns of the file ``mini/LNN.bin``: the first ``most`` dots of a map, in fewer bits.

    Places keep 12 of their 16 bits and AUROCs two decimals, which is more than a map of a few hundred pixels can show.
    """
    shown = np.flatnonzero((columns["x"] != NOT_ON_MAP) | (columns["y"] != NOT_ON_MAP))[:most]
    small = {name: columns[name][shown] for name in ("x", "y", "module", "group", "group_auroc")}
    places = {name: small[name] & np.uint16(0xFFF0) for name in ("x", "y")}
    return {**small, **places, "group_auroc": np.asarray(np.floor(small["group_auroc"] * 100) / 100, "f4")}


def map_names(features: pd.DataFrame, dictionary: Dictionaries, *, most: int = 16) -> list[list[int]]:
    """The labels to write on a small map: ``[term, x, y]`` of the surest features, no term twice, surest first.

    Places are those of `map_columns`. Of features with equal q, or without one, that with most terms goes first.
    """
    x, y = quantise(features["x"].to_numpy(float), features["y"].to_numpy(float))
    table = features.assign(x=x.astype(int), y=y.astype(int))
    table = table[table["label"].notna() & ~table["dead"] & ((table["x"] != NOT_ON_MAP) | (table["y"] != NOT_ON_MAP))]
    table = table.sort_values(["label_q", "n_terms", "feature"], ascending=[True, False, True])
    table = table.drop_duplicates(["source", "label"]).head(most)
    rows = zip(table["source"], table["label"], table["x"].tolist(), table["y"].tolist(), strict=True)
    return [[dictionary.terms[source, label], at_x, at_y] for source, label, at_x, at_y in rows]


def rounded(column: pd.Series, *, bits: int = BITS) -> np.ndarray:
    """A column as float32, rounded to binary places, by default `BITS`: off by less than one part in 16,000."""
    fraction, exponent = np.frexp(column.to_numpy(float))
    scale = 2.0 ** (bits + 1)
    return np.asarray(np.ldexp(np.rint(fraction * scale) / scale, exponent), "f4")


def quantise(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale a layout, shape ``(n,)`` each, into 0..65534, the same for both axes and centred.

    Points with a missing coordinate become 65535 in both.
    """
    known = np.isfinite(x) & np.isfinite(y)
    columns = []
    spans = [np.ptp(values[known]) if known.any() else 0.0 for values in (x, y)]
    scale = (NOT_ON_MAP - 1) / max(*spans, 1e-9)
    for values, span in zip((x, y), spans, strict=True):
        column = np.full(len(values), NOT_ON_MAP, "u2")
        if known.any():
            margin = (NOT_ON_MAP - 1 - span * scale) / 2
            column[known] = np.rint((values[known] - values[known].min()) * scale + margin).astype("u2")
        columns.append(column)
    return columns[0], columns[1]


def numbers(table: pd.DataFrame, names: Pair, known: Mapping[Pair, int], dtype: str) -> np.ndarray:
    """Index of each row's pair of names, and the type's largest value where it has none."""
    missing = np.iinfo(dtype).max
    pairs = zip(table[names[0]], table[names[1]], strict=True)
    return np.array([known.get(pair, missing) for pair in pairs], dtype)
