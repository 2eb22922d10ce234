"""From a group of cells to the features that tell it apart, and how many there are in each layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cellprism.atlas.geneindex import label_terms
from cellprism.atlas.packing import number

if TYPE_CHECKING:
    from cellprism.atlas.dictionaries import Dictionaries
    from cellprism.reader import RunReader

MOST = 40
"""Features of a group in a layer at most."""
Q = 0.05


def group_index(reader: RunReader, dictionary: Dictionaries) -> tuple[list[list[list[Any]]], list[list[list[Any]]]]:
    """The strongest features of every group, and the matrix of layers and groups.

    Returns
    -------
    rows
        For each group ``[layer, feature, n_units, unit, auroc, log_ratio, p, q, term]`` of its features with q < 0.05
        and an AUROC above 0.5, largest AUROC first within a layer and at most `MOST` of each.
    matrix
        For each group and layer ``[features with q < 0.05 and AUROC above 0.5, largest of these AUROCs, its feature]``.
    """
    rows: list[list[list[Any]]] = [[] for _ in dictionary.groups]
    matrix: list[list[list[Any]]] = [[] for _ in dictionary.groups]
    for layer in reader.layers:
        tests = reader.celltypes(layer)
        tests = tests[(tests["q"] < Q) & (tests["auroc"] > 0.5)]
        tests = tests.sort_values(["auroc", "feature"], ascending=[False, True])
        labels = label_terms(reader, layer, dictionary)
        found = dict(iter(tests.groupby(["key", "value"], sort=False)))
        for pair, group in dictionary.groups.items():
            own = found.get(pair)
            if own is None:
                matrix[group].append([0, None, None])
                continue
            matrix[group].append([len(own), number(own["auroc"].iloc[0]), int(own["feature"].iloc[0])])
            rows[group] += [
                [layer, row["feature"], row["n_units"], row["unit"],
                 *(number(row[name]) for name in ("auroc", "log_ratio", "p", "q")), labels.get(row["feature"])]
                for row in own.head(MOST).to_dict("records")
            ]
    return rows, matrix
