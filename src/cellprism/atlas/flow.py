"""Features that go on from layer to layer, and how many of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.atlas.geneindex import label_terms
from cellprism.atlas.optional import optional
from cellprism.atlas.packing import number

if TYPE_CHECKING:
    from cellprism.atlas.dictionaries import Dictionaries
    from cellprism.reader import RunReader

CHAINS_PER_FILE = 1000

Chain = list[Any]
"""``[first layer, [features], [cosines between neighbours], [terms]]``, one feature per layer from the first on."""


def chains(reader: RunReader, dictionary: Dictionaries) -> list[Chain]:
    """The chains of two layers or more, those over most layers first, then those of largest mean cosine."""
    members = optional(reader, "chain_members").sort_values(["chain", "layer"])
    members = members[members.groupby("chain")["chain"].transform("size") > 1]
    terms = {layer: label_terms(reader, layer, dictionary) for layer in members["layer"].unique()}
    rows = []
    for _, own in members.groupby("chain"):
        places = list(zip(own["layer"].tolist(), own["feature"].tolist(), strict=True))
        cosines = [number(value, 4) for value in own["cosine"].tolist()[1:]]
        rows.append([places[0][0], [f for _, f in places], cosines, [terms[layer].get(f) for layer, f in places]])
    return sorted(rows, key=lambda row: (-len(row[1]), -sum(row[2]) / len(row[2]), row[0], row[1]))


def lasting(reader: RunReader) -> dict[str, Any] | None:
    """How many features last how far: content of ``flow/index.jz`` under ``lasting``, None without chains.

    ``born[i]`` features of the i-th layer have no match in the layer before, and ``reach[i][j]`` features of the i-th
    layer are in a chain that reaches the j-th, which is at or after it.
    """
    table = optional(reader, "chains")
    if table.empty:
        return None
    layers = list(reader.layers)
    first, last = (table[name].map(layers.index).to_numpy() for name in ("first_layer", "last_layer"))
    reach = [[int(((first <= i) & (last >= j)).sum()) if j >= i else 0 for j in range(len(layers))]
             for i in range(len(layers))]
    return {"born": np.bincount(first, minlength=len(layers)).tolist(), "reach": reach}


def by_feature(reader: RunReader, rows: list[Chain]) -> dict[int, dict[int, Chain]]:
    """The chain of each feature that is in one, by layer."""
    layers = list(reader.layers)
    found: dict[int, dict[int, Chain]] = {layer: {} for layer in layers}
    for row in rows:
        start = layers.index(row[0])
        for layer, feature in zip(layers[start:], row[1], strict=False):
            found[layer][feature] = row
    return found
