"""What else is known of each feature of a layer, beside its genes, gene sets, groups and neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cellprism.atlas.ablation import carries, damages
from cellprism.atlas.optional import optional
from cellprism.atlas.packing import number, whole
from cellprism.atlas.regulation import responses_of
from cellprism.atlas.steering import steered

if TYPE_CHECKING:
    import pandas as pd

    from cellprism.atlas.ablation import Found
    from cellprism.reader import RunReader

Values = dict[int, list[Any]]


def more_about(reader: RunReader, layer: int, found: Found) -> dict[str, Values]:
    """Name of a part to feature to its values; a feature that a part says nothing about is not in it.

    ``variance``: ``[gene, cell, rest, static]``. ``axis``: ``[axis, cosine]``. ``string``: ``[n_in_network, edges,
    expected, effect, p, q]``. ``stability``: ``[n_seeds, same_atom, jaccard, null_jaccard]``. ``nearest``: of one
    without a label ``[feature, cosine, reliability]``. ``odds``: of an imported atlas ``[[key, value, n_cells,
    log_odds, q]]``. ``remarks``: ``[[label, note, author, written]]``. ``patching`` and ``damage``: see `ablation`.
    ``steering`` as of `steered`, ``responses`` as of `responses_of`.
    """
    rounded = {
        "variance": ("variance", [], ["gene", "cell", "rest"]), "axis": ("alignment", ["axis"], ["cosine"]),
        "string": ("string_density", ["n_in_network", "edges"], ["expected", "effect", "p", "q"]),
        "stability": ("stability", ["n_seeds"], ["same_atom", "jaccard", "null_jaccard"]),
        "nearest": ("unlabelled", ["nearest"], ["cosine", "reliability"]),
    }
    parts = {name: _values(optional(reader, table, layer), exact, floats)
             for name, (table, exact, floats) in rounded.items()}
    static = optional(reader, "variance", layer)
    for feature, flag in zip(static["feature"].tolist(), static["static"].tolist(), strict=True):
        parts["variance"][feature].append(flag)
    return {
        **parts, "odds": _odds(reader, layer), "remarks": _remarks(reader, layer),
        "patching": carries(reader, layer, found), "damage": damages(reader, layer, found),
        "steering": steered(reader, layer), "responses": responses_of(reader, layer),
    }


def _values(table: pd.DataFrame, exact: list[str], floats: list[str]) -> Values:
    columns: list[list[Any]] = [[whole(value) for value in table[name].tolist()] for name in exact]
    columns += [[number(value) for value in table[name].tolist()] for name in floats]
    return {feature: list(row) for feature, *row in zip(table["feature"].tolist(), *columns, strict=True)}


def _odds(reader: RunReader, layer: int) -> Values:
    found: Values = {}
    for row in optional(reader, "published_groups", layer).to_dict("records"):
        own = [row["key"], row["value"], whole(row["n_cells"]), number(row["log_odds"]), number(row["q"])]
        found.setdefault(row["feature"], []).append(own)
    return found


def _remarks(reader: RunReader, layer: int) -> Values:
    table = optional(reader, "remarks")
    found: Values = {}
    for row in table[table["layer"] == layer].to_dict("records"):
        found.setdefault(row["feature"], []).append([row[name] for name in ("label", "note", "author", "written")])
    return found
