"""What else is known of each feature of a layer, beside its genes, gene sets, groups and neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cellprism.atlas.geneindex import label_terms
from cellprism.atlas.optional import optional
from cellprism.atlas.packing import number, whole

if TYPE_CHECKING:
    import pandas as pd

    from cellprism.atlas.dictionaries import Dictionaries
    from cellprism.reader import RunReader

HIGHWAYS = 8
"""Partners in the next layer at most, those with the largest PMI."""

Values = dict[int, list[Any]]


def more_about(reader: RunReader, layer: int, dictionary: Dictionaries) -> dict[str, Values]:
    """Name of a part to feature to its values; a feature that a part says nothing about is not in it.

    ``variance``: ``[gene, cell, rest, static]``. ``axis``: ``[axis, cosine]``. ``string``: ``[n_in_network, edges,
    expected, effect, p, q]``. ``nearest``: of a feature without a label ``[feature, cosine, reliability]``.
    ``chain``: ``[[layer, feature, cosine]]`` from its birth on. ``highways``: ``[[layer, feature, count, pmi, q,
    term]]``. ``remarks``: ``[[label, note, author, written]]``.
    """
    rounded = {
        "variance": ("variance", [], ["gene", "cell", "rest"]), "axis": ("alignment", ["axis"], ["cosine"]),
        "string": ("string_density", ["n_in_network", "edges"], ["expected", "effect", "p", "q"]),
        "nearest": ("unlabelled", ["nearest"], ["cosine", "reliability"]),
    }
    parts = {name: _values(optional(reader, table, layer), exact, floats)
             for name, (table, exact, floats) in rounded.items()}
    static = optional(reader, "variance", layer)
    for feature, flag in zip(static["feature"].tolist(), static["static"].tolist(), strict=True):
        parts["variance"][feature].append(flag)
    return {**parts, "chain": _chains(reader, layer), "highways": _highways(reader, layer, dictionary),
            "remarks": _remarks(reader, layer)}


def _values(table: pd.DataFrame, exact: list[str], floats: list[str]) -> Values:
    columns: list[list[Any]] = [[whole(value) for value in table[name].tolist()] for name in exact]
    columns += [[number(value) for value in table[name].tolist()] for name in floats]
    return {feature: list(row) for feature, *row in zip(table["feature"].tolist(), *columns, strict=True)}


def _chains(reader: RunReader, layer: int) -> Values:
    members = optional(reader, "chain_members")
    own = members.loc[members["layer"] == layer].set_index("chain")["feature"]
    members = members[members["chain"].isin(own.index)].sort_values(["chain", "layer"])
    found: Values = {}
    columns = (members[name].tolist() for name in ("chain", "layer", "feature", "cosine"))
    for chain, at, feature, cosine in zip(*columns, strict=True):
        found.setdefault(int(own[chain]), []).append([at, feature, number(cosine)])
    return {feature: rows for feature, rows in found.items() if len(rows) > 1}


def _highways(reader: RunReader, layer: int, dictionary: Dictionaries) -> Values:
    table = optional(reader, "highways", layer).sort_values(["feature", "pmi"], ascending=[True, False])
    table = table.groupby("feature").head(HIGHWAYS)
    labels = {other: label_terms(reader, other, dictionary) for other in table["partner_layer"].unique()}
    found: Values = {}
    for row in table.to_dict("records"):
        at, partner = row["partner_layer"], row["partner"]
        found.setdefault(row["feature"], []).append(
            [at, partner, row["count"], number(row["pmi"]), number(row["q"]), labels[at].get(partner)])
    return found


def _remarks(reader: RunReader, layer: int) -> Values:
    table = optional(reader, "remarks")
    found: Values = {}
    for row in table[table["layer"] == layer].to_dict("records"):
        found.setdefault(row["feature"], []).append([row[name] for name in ("label", "note", "author", "written")])
    return found
