"""A published atlas in miniature: two layers, the second without its annotation file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

POSITIONS = 1_000_000
GENES = tuple(f"GENE{i}" for i in range(30))
N = 12
DEAD = 11
OTHER = 5


def write_published(folder: Path) -> Path:
    folder.mkdir()
    layers = [{"layer": layer, "alive": N - 1, "dead": 1, "variance_explained": 0.8 + layer / 100} for layer in (0, 1)]
    _write(folder, "global_summary.json", {"n_layers": 2, "layers": layers})
    _write(folder, "modules.json", [{"layer": layer, "id": 0, "n": 3, "features": [0, 1, 2], "top_anns": []}
                                    for layer in (0, 1)])
    for layer in (0, 1):
        _write(folder, f"layer_{layer:02d}_features.json", [_feature(i, layer) for i in range(N)])
        _write(folder, f"layer_{layer:02d}_positions.json", [[i, -i] for i in range(N)])
    _write(folder, "layer_00_celltypes.json", {"features": {"1": {
        "ct": [{"c": "neutrophil", "p": 3e-25, "or": 8.0, "n": 59}, {"c": "macrophage", "p": 0.01, "or": 2.0, "n": 66}],
        "ti": [{"t": "immune", "p": 4e-6, "or": 4.0}], "tc": [],
    }}})
    _write(folder, "cross_layer_tracking.json", {"adjacent_persistence": [
        {"from_layer": 0, "to_layer": 1, "persistence_rate": 0.25, "n_alive_from": N - 1},
    ]})
    _write(folder, "cross_layer_graph.json", {"L00_L01": {
        "summary": {"n_alive_a": N - 1, "n_highways": 10},
        "deps": [{"a": a, "deps": [{"b": b, "pmi": 9.0 - a - b / 10, "lb": ""} for b in range(3)]} for a in (4, 2)],
    }})
    _write(folder, "causal_patching.json", {"summary": {}, "features": [
        {"i": i, "lb": f"term {i}", "na": 1, "af": round(1000 * (i + 1) / POSITIONS, 4), "tg": [], "td": -0.3 * i,
         "od": -0.1, "sr": 3.0 * i} for i in (1, OTHER)
    ]})
    _write(folder, "perturbation_response.json", {"summary": {}, "targets": [
        {"gene": "GENE0", "tf": True, "nk": 5, "nr": 1, "ns": 0,
         "top": [{"i": 1, "es": 8.7, "lb": "second term"}, {"i": OTHER, "es": -0.2, "lb": "unlabeled"}]},
        {"gene": "GENE1", "tf": False, "nk": 0, "nr": 2, "ns": 0, "top": [{"i": 2, "es": 0.6, "lb": "third term"}]},
        {"gene": "GENE2", "tf": False, "nk": 0, "nr": 0, "ns": 0, "top": []},
    ]})
    _write(folder, "layer_00_annotations.json", {str(i): _annotations(i) for i in range(3)})
    return folder


def _feature(i: int, layer: int) -> dict[str, Any]:
    """Layers differ in feature `OTHER`."""
    label = {0: ("GO_BP", "first term"), 1: ("Reactome", "second term"), 2: ("STRING_edges", "pairwise_enrichment")}
    source, term = label.get(i, ("none", ""))
    if i == DEAD:
        return {"i": i, "d": True, "f": 0.0, "ma": 0.0, "fc": 0, "na": 0, "m": -1, "lb": "", "to": "none", "tg": []}
    other = layer == 1 and i == OTHER
    fired = 1000 * (i + 1) * (1 + other)
    return {
        "i": i, "d": False, "f": fired / POSITIONS, "ma": 2.5 * fired / POSITIONS, "fc": fired,
        "na": 1 if i < 3 or other else 0, "m": 0 if i < 3 else -1, "lb": term, "to": source,
        "tg": [{"n": gene, "a": 9.0 - rank} for rank, gene in enumerate(GENES[i:i + 5])],
    }


def _annotations(i: int) -> dict[str, Any]:
    edges = {"o": "STRING_edges", "t": "pairwise_enrichment", "p": 0.0158, "or": 0, "n": 0, "g": []}
    test = {"o": "GO_BP", "t": "first term", "p": 0 if i == 0 else 0.03, "or": 8.0, "n": 2, "g": list(GENES[i:i + 2])}
    worse = {"o": "KEGG", "t": "another", "p": 0.04, "or": 4.0, "n": 2, "g": list(GENES[i + 1:i + 3])}
    return {
        "genes": [{"n": gene, "a": 9.0 - rank / 2, "fc": 40 - rank} for rank, gene in enumerate(GENES[i:i + 10])],
        "anns": [edges] if i == 2 else [edges, worse, test],
    }


def _write(folder: Path, name: str, value: object) -> None:
    (folder / name).write_text(json.dumps(value))
