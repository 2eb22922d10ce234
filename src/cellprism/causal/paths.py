"""How one feature reaches another, and what lies around a feature, in the edges of the traces of a run."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import hypergeom

from cellprism.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import pandas as pd

Node = tuple[int, int]
"""A layer and a feature of it."""
EDGE = ["source_layer", "source", "target_layer", "target"]
BETWEEN = ["layer", "features", "n_common", "n_reached", "n_leading", "n_features", "expected", "p"]


def best_measured(edges: pd.DataFrame) -> pd.DataFrame:
    """Each edge once: of several traces that found it, as the one with most cells measured it (column n_cells)."""
    ordered = edges.sort_values("n_cells", ascending=False, kind="stable")
    return ordered.drop_duplicates(EDGE).sort_index()


def strongest_paths(edges: pd.DataFrame, start: Node, end: Node, *, k: int = 10) -> pd.DataFrame:
    """The paths from one feature to another with the least sum of ``1 / |g|``, as for resistances in series.

    An edge is an effect through everything between its ends. A path of two edges is therefore a way that an effect
    could take, not one that is shown to be taken: that needs an intervention on the middle.

    Parameters
    ----------
    edges
        Columns source_layer, source, target_layer, target, g, sign, of one or more traces; no edge twice (see
        `best_measured`).
    start, end
        Layer and feature.
    k
        Paths at most.

    Returns
    -------
    pandas.DataFrame
        Columns path (list of ``(layer, feature)``), resistance, sign (product of the signs of its edges), weakest
        (smallest ``|g|``), the best path first.

    Raises
    ------
    UserError
        One of the features has no edge.
    """
    import igraph
    import pandas as pd

    heads, tails = _nodes(edges)
    nodes = sorted({*heads, *tails})
    place = {node: number for number, node in enumerate(nodes)}
    for layer, feature in (start, end):
        if (layer, feature) not in place:
            msg = f"feature {feature} of layer {layer} has no edge in these traces: choose one of the table of edges."
            raise UserError(msg)
    ends = np.array([[place[head] for head in heads], [place[tail] for tail in tails]]).T
    graph = igraph.Graph(n=len(nodes), edges=ends.tolist(), directed=True)
    resistance = 1 / np.abs(edges["g"].to_numpy())
    at = dict(zip(map(tuple, ends.tolist()), range(len(edges)), strict=True))
    if place[end] not in graph.subcomponent(place[start], mode="out"):
        return pd.DataFrame(columns=["path", "resistance", "sign", "weakest"])
    with_ends = graph.get_k_shortest_paths(
        place[start], place[end], k=k, weights=resistance.tolist(), output="vpath",
    )
    rows = []
    for path in with_ends:
        steps = [at[step] for step in pairwise(path)]
        rows.append({
            "path": [nodes[number] for number in path],
            "resistance": float(resistance[steps].sum()),
            "sign": int(edges["sign"].to_numpy()[steps].prod()), "weakest": float(1 / resistance[steps].max()),
        })
    return pd.DataFrame(rows, columns=["path", "resistance", "sign", "weakest"])


def intermediates(
    edges: pd.DataFrame, start: Node, end: Node, *, able: Mapping[int, Collection[int]],
) -> pd.DataFrame:
    """Features through which one feature could act on another, by layer, beside how many chance would give.

    ``n_common`` counts features that ``start`` has an edge to and ``end`` has one from; p is the upper hypergeometric
    tail of that overlap if both chose their partners among the ``able`` features of the layer at random.

    Parameters
    ----------
    edges
        As for `strongest_paths`.
    start, end
        Layer and feature.
    able
        Features of each layer between that could have had an edge from ``start`` and one to ``end``.

    Returns
    -------
    pandas.DataFrame
        Columns layer, features (list), n_common, n_reached and n_leading (features that ``start`` reaches, and those
        that lead to ``end``), n_features (that could have done both), expected, p.
    """
    import pandas as pd

    after = edges[(edges["source_layer"] == start[0]) & (edges["source"] == start[1])]
    before = edges[(edges["target_layer"] == end[0]) & (edges["target"] == end[1])]
    rows = []
    for layer, features in sorted(able.items()):
        reached = {*after.loc[after["target_layer"] == layer, "target"]} & {*features}
        leading = {*before.loc[before["source_layer"] == layer, "source"]} & {*features}
        common = sorted(reached & leading)
        sizes = {"n_reached": len(reached), "n_leading": len(leading), "n_features": len(features)}
        rows.append({
            "layer": layer, "features": common, "n_common": len(common), **sizes,
            "expected": len(reached) * len(leading) / len(features) if features else 0.0,
            "p": float(hypergeom.sf(len(common) - 1, len(features), len(reached), len(leading))) if features else 1.0,
        })
    return pd.DataFrame(rows, columns=BETWEEN)


def neighbourhood(edges: pd.DataFrame, centre: Node, *, steps: int = 1) -> pd.DataFrame:
    """The edges on paths of at most ``steps`` edges from or to a feature: a subgraph, in the order of ``edges``."""
    heads, tails = _nodes(edges)
    keep = np.zeros(len(edges), bool)
    for near, far in ((heads, tails), (tails, heads)):
        front = {centre}
        for _ in range(steps):
            touched = np.array([node in front for node in near], bool)
            keep |= touched
            front = {far[place] for place in np.flatnonzero(touched)}
    return edges[keep]


def _nodes(edges: pd.DataFrame) -> tuple[list[Node], list[Node]]:
    heads = zip(edges["source_layer"].tolist(), edges["source"].tolist(), strict=True)
    tails = zip(edges["target_layer"].tolist(), edges["target"].tolist(), strict=True)
    return list(heads), list(tails)
