"""Highways of an atlas: how many lead from module to module, and their rows in small files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.atlas.columns import pack_columns
from cellprism.atlas.featuremap import rounded
from cellprism.atlas.geneindex import label_terms
from cellprism.atlas.optional import optional
from cellprism.atlas.packing import number, pack_json, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from cellprism.atlas.dictionaries import Dictionaries
    from cellprism.reader import RunReader

ROWS = 2048
"""Highways of a file."""
STRONGEST = 200
NAMED = 10
"""Modules of a layer that stand for themselves in the picture, the largest."""
OTHERS, NOWHERE = -1, -2
"""Stand for all smaller modules together, and for the features of no module."""
NOTHING = np.iinfo("u4").max


def highway_files(
    reader: RunReader, layer: int, dictionary: Dictionaries,
) -> Iterator[tuple[str, bytes, dict[str, Any] | None]]:
    """Yield name and bytes of each file of the highways that leave a layer; with the first of a pair, its entry.

    Rows of a pair of layers lie link by link, a link being a pair of modules, the largest link first; within a link the
    highest PMI comes first. So a reader who opens one link fetches one or two files.
    """
    table = optional(reader, "highways", layer)
    for partner_layer in sorted(table["partner_layer"].unique().tolist()):
        rows = table[table["partner_layer"] == partner_layer]
        name = f"flow/L{layer:02d}-L{partner_layer:02d}"
        terms = {at: label_terms(reader, at, dictionary) for at in (layer, partner_layer)}
        rows = rows.assign(
            term=rows["feature"].map(terms[layer]), partner_term=rows["partner"].map(terms[partner_layer]),
            source=rows["feature"].map(_blocks(reader, layer)).fillna(NOWHERE).astype(int),
            target=rows["partner"].map(_blocks(reader, partner_layer)).fillna(NOWHERE).astype(int),
        )
        rows["size"] = rows.groupby(["source", "target"])["feature"].transform("size")
        rows = rows.sort_values(["size", "source", "target", "pmi", "feature", "partner"],
                                ascending=[False, True, True, False, True, True])
        links = rows.groupby(["source", "target"], sort=False).size()
        entry = {
            "from": layer, "to": partner_layer, "n": len(rows), "n_features": int(rows["feature"].nunique()),
            "n_partners": int(rows["partner"].nunique()), "n_files": -(-len(rows) // ROWS),
        }
        strongest = rows.sort_values(["pmi", "feature", "partner"], ascending=[False, True, True]).head(STRONGEST)
        content = {
            "links": [[int(a), int(b), int(n)] for (a, b), n in links.items()],
            "strongest": _records(strongest),
        }
        yield f"{name}.jz", pack_json(content), entry
        for i in range(entry["n_files"]):
            yield f"{name}/{i}.bin", pack_columns(_columns(rows.iloc[i * ROWS : (i + 1) * ROWS])), None


def highways_of(reader: RunReader, layer: int, dictionary: Dictionaries) -> dict[int, list[list[Any]]]:
    """``[layer, partner, count, pmi, q, term]`` of each feature, highest PMI first."""
    table = optional(reader, "highways", layer)
    table = table.sort_values(["feature", "pmi", "partner"], ascending=[True, False, True])
    terms = {at: label_terms(reader, at, dictionary) for at in table["partner_layer"].unique()}
    found: dict[int, list[list[Any]]] = {}
    columns = [table[name].tolist() for name in ("feature", "partner_layer", "partner", "count", "pmi", "q")]
    for feature, at, partner, count, pmi, q in zip(*columns, strict=True):
        row = [at, partner, whole(count), number(pmi, 4), number(q, 3), terms[at].get(partner)]
        found.setdefault(feature, []).append(row)
    return found


def _blocks(reader: RunReader, layer: int) -> dict[int, int]:
    """Module of each feature, `OTHERS` for those that are not among the `NAMED` largest."""
    members = reader.members(layer)
    largest = members["module"].value_counts(sort=False).sort_index().sort_values(ascending=False, kind="stable")
    named = set(largest.head(NAMED).index.tolist())
    return {f: m if m in named else OTHERS
            for f, m in zip(members["feature"].tolist(), members["module"].tolist(), strict=True)}


def _records(rows: pd.DataFrame) -> list[list[Any]]:
    """``[feature, partner, count, pmi, q, term, partner's term]``."""
    columns = [rows[name].tolist() for name in ("feature", "partner", "count", "pmi", "q", "term", "partner_term")]
    return [
        [feature, partner, whole(count), number(pmi, 4), number(q, 3), whole(term), whole(other)]
        for feature, partner, count, pmi, q, term, other in zip(*columns, strict=True)
    ]


def _columns(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    exact = ("feature", "partner", "count", "term", "partner_term")
    return {
        **{name: rows[name].fillna(NOTHING).to_numpy("u4") for name in exact},
        **{name: rounded(rows[name]) for name in ("pmi", "q")},
    }
