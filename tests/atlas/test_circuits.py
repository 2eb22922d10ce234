from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from tests.atlas.fabricated import DEAD, LAYERS, N_FEATURES, write_run

from cellprism.atlas import circuits
from cellprism.atlas.circuits import G_STEP, G_ZERO, NO_TERM, Q_STEP, circuit_files, edge_counts
from cellprism.atlas.columns import unpack_columns
from cellprism.atlas.dictionaries import dictionaries
from cellprism.atlas.geneindex import label_terms
from cellprism.atlas.packing import unpack_json
from cellprism.atlas.traces import graphs
from cellprism.reader import open_run

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.reader import RunReader

FIRST, LATER = LAYERS


def looked_up(files: dict[str, bytes], way: str, layer: int, feature: int) -> pd.DataFrame:
    """The rows of a feature, found as the browser finds them."""
    folder = f"circuit/0/{way}/L{layer:02d}"
    at = unpack_columns(files[f"{folder}/at{feature // circuits.FEATURES}.bin"])
    start, n = (int(at[name][feature % circuits.FEATURES]) for name in ("start", "n"))
    rows = []
    for i in range(start, start + n):
        columns = unpack_columns(files[f"{folder}/{i // circuits.ROWS}.bin"])
        rows.append({name: column[i % circuits.ROWS].item() for name, column in columns.items()})
    names = ["layer", "feature", "term", "g", "q", "agreement", "effect", "n_cells"]
    return pd.DataFrame(rows, columns=[*names, "flags"]).astype({**dict.fromkeys(names, float), "flags": int})


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuits, "ROWS", 16)
    monkeypatch.setattr(circuits, "FEATURES", 32)


@pytest.mark.usefixtures("small_files")
def test_every_feature_finds_its_edges(reader: RunReader) -> None:
    files = dict(circuit_files(reader, dictionaries(reader)))
    table = pd.read_parquet(reader.path / "causal/00-ablation/edges.parquet")
    assert len(table) > 150
    terms = {layer: label_terms(reader, layer, dictionaries(reader)) for layer in LAYERS}
    for way, own, other, layer, far in (("out", "source", "target", FIRST, LATER),
                                        ("in", "target", "source", LATER, FIRST)):
        for feature in range(N_FEATURES):
            found = looked_up(files, way, layer, feature)
            wanted = table[table[own] == feature].set_index(other)
            assert sorted(found["feature"]) == sorted(wanted.index)
            wanted = wanted.loc[found["feature"]]
            assert wanted["g"].abs().round(3).is_monotonic_decreasing
            assert set(found["layer"]) <= {far}
            np.testing.assert_allclose((found["g"] - G_ZERO) / G_STEP, wanted["g"], atol=6e-4)
            np.testing.assert_allclose(10.0 ** (-found["q"] / Q_STEP), wanted["q"], rtol=2e-3)
            np.testing.assert_allclose(found["agreement"] / 100, wanted["agreement"], atol=6e-3)
            np.testing.assert_allclose(found["effect"], wanted["effect"], rtol=4e-3)
            assert ((found["flags"] & 1) == 1).tolist() == (wanted["sign"] > 0).tolist()
            assert ((found["flags"] & 2) == 2).tolist() == wanted["replicated"].tolist()
            assert found["term"].tolist() == [terms[far].get(f, NO_TERM) for f in found["feature"]]


def test_the_longest_trace_of_a_kind_counts_and_no_control(reader: RunReader) -> None:
    found = graphs(reader)
    assert [[trace.folder.name for trace in graph] for graph in found] == [["00-ablation"], ["00-ig"]]
    index = unpack_json(dict(circuit_files(reader, dictionaries(reader)))["circuit/index.jz"])
    assert [graph["method"] for graph in index] == ["ablation", "ig"]
    table = pd.read_parquet(reader.path / "causal/00-ablation/edges.parquet")
    assert index[0]["traces"][0]["n_edges"] == len(table)
    assert index[0]["sides"] == {"out": [FIRST], "in": [LATER]}
    hubs = index[0]["hubs"]["in"]
    assert hubs[0][2] == table["target"].value_counts().max()
    assert [hub[2] for hub in hubs] == sorted((hub[2] for hub in hubs), reverse=True)
    assert all(len(hub) == 7 and hub[3] == 2.5 and hub[5] == (0.001 if hub[2] == 3 else 0.9) for hub in hubs)
    assert any(hub[2] == 3 for hub in hubs)


def test_the_index_says_what_a_trace_is_and_what_it_stands_for(reader: RunReader) -> None:
    exact, estimated = unpack_json(dict(circuit_files(reader, dictionaries(reader)))["circuit/index.jz"])
    (trace,) = exact["traces"]
    assert trace["dtype"] == "float32, low rank in bfloat16 elsewhere"
    assert trace["off_by"] == 0.002
    assert trace["n_targets"] is None
    assert trace["others"] == ["00-ablation-top5"]
    assert estimated["traces"][0]["others"] == []
    table = pd.read_parquet(reader.path / "causal/00-ablation/edges.parquet")
    assert trace["n_replicated"] == table["replicated"].sum()
    assert {(row["rate"], row["protocol"]) for row in trace["rates"]} >= {
        ("supports", "calibrated"), ("supports", "published"), ("edges_sharing_a_term", "calibrated"),
    }
    assert [row["control"] for row in trace["controls"]] == ["none", "random", "feature"]
    assert trace["agreement"] == []
    assert [row["recall"] for row in estimated["traces"][0]["agreement"]] == [0.8]


def test_degrees_stand_beside_what_is_expected(reader: RunReader) -> None:
    files = dict(circuit_files(reader, dictionaries(reader)))
    index = unpack_json(files["circuit/index.jz"])[0]
    assert index["expected"] == {"out": [FIRST], "in": [LATER]}
    table = pd.read_parquet(reader.path / "causal/00-ablation/edges.parquet")
    for side, layer, end in (("out", FIRST, "source"), ("in", LATER, "target")):
        columns = unpack_columns(files[f"circuit/0/degrees/{side}/L{layer:02d}.bin"])
        counts = table[end].value_counts()
        assert columns["degree"].tolist() == counts.loc[columns["feature"]].tolist()
        np.testing.assert_allclose(columns["residual"], np.log((1 + columns["degree"]) / 3.5), rtol=1e-3)
        assert (columns["expected"] == 2.5).all()


def test_counts_are_those_of_the_table(reader: RunReader) -> None:
    table = pd.read_parquet(reader.path / "causal/00-ablation/edges.parquet")
    counts = edge_counts(reader)
    assert counts["out"][FIRST].tolist() == [int((table["source"] == f).sum()) for f in range(N_FEATURES)]
    assert counts["in"][LATER].tolist() == [int((table["target"] == f).sum()) for f in range(N_FEATURES)]
    assert counts["out"][FIRST][DEAD] == 0


def test_a_run_without_traces_has_an_empty_index(tmp_path: Path) -> None:
    path = write_run(tmp_path / "bare")
    for facts in path.glob("causal/*/facts.json"):
        facts.unlink()
    reader = open_run(path)
    files = dict(circuit_files(reader, dictionaries(reader)))
    assert files.keys() == {"circuit/index.jz"}
    assert unpack_json(files["circuit/index.jz"]) == []
    assert edge_counts(reader) == {"out": {}, "in": {}}
