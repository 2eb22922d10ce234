"""Edges between features, in files so small that a feature's own edges cost one or two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.atlas.columns import pack_columns
from cellprism.atlas.featuremap import rounded
from cellprism.atlas.firing import expected_degrees, firing_columns, hubs
from cellprism.atlas.geneindex import label_terms
from cellprism.atlas.packing import pack_json
from cellprism.atlas.traces import Trace, graphs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from cellprism.atlas.dictionaries import Dictionaries
    from cellprism.reader import RunReader

ROWS = 4096
"""Edges of a file."""
FEATURES = 8192
"""Features of a file that says where their edges lie."""
NO_TERM = np.iinfo("u4").max
G_ZERO, G_STEP = 32768, 1000
Q_STEP = 1000
SIDES = ("out", "in")

Degrees = dict[str, dict[int, np.ndarray]]
"""Side to layer to the number of edges of each feature of the layer, shape ``(features,)``."""


def circuit_files(reader: RunReader, dictionary: Dictionaries) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every file under ``circuit/``; see ``docs/atlas-format.md``."""
    index = []
    for i, traces in enumerate(graphs(reader)):
        degrees: Degrees = {side: {} for side in SIDES}
        incoming: dict[int, list[dict[str, np.ndarray]]] = {}
        terms = {layer: _terms(reader, layer, dictionary) for layer in reader.layers}
        for trace in traces:
            edges = trace.read("edges")
            source, target, layer = (edges[name].to_numpy("u4") for name in ("source", "target", "target_layer"))
            values = _values(edges)
            own = {**values, "layer": layer.astype("u1"), "feature": target, "term": _term_of(terms, layer, target)}
            n = len(terms[trace.source])
            degrees["out"][trace.source] = np.bincount(source, minlength=n)
            yield from _files(f"circuit/{i}/out/L{trace.source:02d}", own, source, n)
            for to in np.unique(layer).tolist():
                here = layer == to
                back = {
                    **{name: column[here] for name, column in values.items()},
                    "layer": np.full(here.sum(), trace.source, "u1"), "feature": source[here],
                    "term": terms[trace.source][source[here]], "owner": target[here],
                }
                incoming.setdefault(to, []).append(back)
        for to, parts in sorted(incoming.items()):
            columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            owner, n = columns.pop("owner"), len(terms[to])
            degrees["in"][to] = np.bincount(owner, minlength=n)
            yield from _files(f"circuit/{i}/in/L{to:02d}", columns, owner, n)
        expected = {side: expected_degrees(traces, side, degrees[side]) for side in SIDES}
        for side, layers in expected.items():
            for to, table in layers.items():
                yield f"circuit/{i}/degrees/{side}/L{to:02d}.bin", pack_columns(firing_columns(table))
        index.append(_about(traces, degrees, expected, terms))
    yield "circuit/index.jz", pack_json(index)


def edge_counts(reader: RunReader) -> Degrees:
    """Edges of every feature in the first graph of the run; no layers in a run without traces."""
    degrees: Degrees = {side: {} for side in SIDES}
    for trace in next(iter(graphs(reader)), []):
        edges = trace.read("edges")[["source", "target_layer", "target"]]
        sizes = {layer: len(reader.run.read("features", layer)) for layer in (trace.source, *trace.targets)}
        degrees["out"][trace.source] = np.bincount(edges["source"], minlength=sizes[trace.source])
        for layer in trace.targets:
            found = np.bincount(edges.loc[edges["target_layer"] == layer, "target"], minlength=sizes[layer])
            degrees["in"][layer] = degrees["in"].get(layer, 0) + found
    return degrees


def _values(edges: pd.DataFrame) -> dict[str, np.ndarray]:
    """What an edge is worth, in few bits: g to 0.001, agreement to 0.01, log10 of q to 0.001, the effect to 8 bits."""
    g = np.clip(np.rint(edges["g"].fillna(0) * G_STEP) + G_ZERO, 0, 65535)
    q = np.clip(np.rint(-Q_STEP * np.log10(np.maximum(edges["q"], 1e-65))), 0, 65535)
    return {
        "g": g.to_numpy("u2"), "q": q.to_numpy("u2"),
        "agreement": np.rint(100 * edges["agreement"]).to_numpy("u1"),
        "effect": rounded(edges["effect"], bits=8), "n_cells": edges["n_cells"].to_numpy("u4"),
        "flags": (edges["sign"] > 0).to_numpy("u1") + 2 * edges["replicated"].to_numpy("u1"),
    }


def _files(
    folder: str, columns: Mapping[str, np.ndarray], owner: np.ndarray, n: int,
) -> Iterator[tuple[str, bytes]]:
    """Rows by owner, strongest first, and where those of each owner begin."""
    strength = np.abs(columns["g"].astype("i4") - G_ZERO)
    order = np.lexsort((columns["feature"], columns["layer"], -strength, owner))
    count = np.bincount(owner, minlength=n)
    start = np.concatenate([[0], np.cumsum(count)[:-1]])
    for i in range(0, n, FEATURES):
        block = slice(i, i + FEATURES)
        data = pack_columns({"start": start[block].astype("u4"), "n": count[block].astype("u4")})
        yield f"{folder}/at{i // FEATURES}.bin", data
    for i in range(0, len(order), ROWS):
        rows = order[i : i + ROWS]
        yield f"{folder}/{i // ROWS}.bin", pack_columns({name: column[rows] for name, column in columns.items()})


def _terms(reader: RunReader, layer: int, dictionary: Dictionaries) -> np.ndarray:
    """Term of each feature's label, `NO_TERM` without one."""
    terms = np.full(len(reader.run.read("features", layer)), NO_TERM, "u4")
    for feature, term in label_terms(reader, layer, dictionary).items():
        terms[feature] = term
    return terms


def _term_of(terms: Mapping[int, np.ndarray], layer: np.ndarray, feature: np.ndarray) -> np.ndarray:
    found = np.full(len(layer), NO_TERM, "u4")
    for one in np.unique(layer).tolist():
        found[layer == one] = terms[one][feature[layer == one]]
    return found


def _about(
    traces: Sequence[Trace], degrees: Degrees, expected: Mapping[str, Mapping[int, pd.DataFrame]],
    terms: Mapping[int, np.ndarray],
) -> dict[str, Any]:
    """Entry of a graph in ``circuit/index.jz``."""
    return {
        "method": traces[0].method, "alpha": traces[0].alpha,
        "traces": [
            {
                "name": trace.folder.name, "source": trace.source, "targets": list(trace.targets),
                "n_sources": trace.n_features, "n_cells": trace.n_cells,
                "n_targets": trace.n_targets, "dtype": trace.dtype, "off_by": trace.off_by,
                "others": list(trace.others), "n_edges": int(degrees["out"][trace.source].sum()),
                "n_replicated": int(trace.read("edges")["replicated"].sum()), "fdr": trace.rows("fdr"),
                "rates": [*trace.rows("trace_rates"), *trace.rows("trace_rates", suffix="_graph")],
                "controls": trace.rows("direction_controls"), "agreement": trace.rows("agreement"),
            }
            for trace in traces
        ],
        "sides": {side: sorted(layers) for side, layers in degrees.items()},
        "expected": {side: sorted(layers) for side, layers in expected.items()},
        "hubs": {
            side: [[*row, _or_none(terms[row[0]][row[1]])] for row in hubs(degrees[side], expected[side])]
            for side in SIDES
        },
    }


def _or_none(term: int) -> int | None:
    return None if term == NO_TERM else int(term)
