from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import cellprism
from cellprism.causal import blocks, cost
from cellprism.causal.calibration import SourceEffects, calibrate
from cellprism.causal.controls import trace_controls
from cellprism.causal.cost import trace_cost
from cellprism.causal.engine import Engine
from cellprism.causal.finish import finish
from cellprism.causal.requests import TraceRequest, resolve
from cellprism.causal.tracing import is_stale, trace
from cellprism.causal.workfiles import read_effects
from cellprism.errors import UserError
from cellprism.models.stages import run_model
from cellprism.runs.directory import Run
from cellprism.runs.lock import exclusive
from cellprism.runs.schemas import TABLES, read_notes, read_table

ASKED = TraceRequest(source=1, features="random:9", cells=14)


def test_its_edges_are_those_of_the_effects_of_every_source(run: Run) -> None:
    """Streamed through blocks and files, against all effects at once; kept effects are these within float16."""
    folder = trace(run, ASKED, keep_effects=True)
    asked = resolve(run, ASKED)
    engine = Engine(run, asked)
    whole = {cell: engine.ablate(cell, asked.features) for cell in map(int, asked.cells)}
    results = []
    for feature in asked.features:
        cells = [cell for cell, effects in whole.items() if feature in effects.source]
        effect = {
            layer: np.concatenate([
                whole[cell].effect[layer].toarray()[whole[cell].source == feature] for cell in cells
            ]) for layer in asked.targets
        }
        results.append(calibrate(SourceEffects(int(feature), np.array(cells), effect), seed=0))
    edges = read_table(folder / "edges.parquet", TABLES["edges"])
    pd.testing.assert_frame_equal(edges, finish(results)["edges"], check_dtype=False, rtol=1e-4)
    assert len(edges) > 50
    for path in folder.glob("effects/*/*.npz"):
        kept, exact = read_effects(path), whole[int(path.stem)]
        for layer in asked.targets:
            rows = np.isin(exact.source, kept.source)
            assert np.allclose(kept.effect[layer].toarray(), exact.effect[layer].toarray()[rows], rtol=2e-3, atol=1e-4)
    reader = cellprism.open_run(run.path).trace(folder.name)
    for one in results:
        effects = reader.effects(one.source)
        assert effects.index.tolist() == [cell for cell in whole if one.source in whole[cell].source]
        assert [*effects.columns.unique(0)] == [2, 3]
        own = edges[edges["source"] == one.source].set_index(["target_layer", "target"])["effect"]
        assert np.allclose(effects.mean()[own.index], own, rtol=2e-3, atol=1e-4)


def test_blocks_and_batches_do_not_matter(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trace(run, ASKED, name="whole")
    monkeypatch.setattr(blocks, "MOST_SOURCES", 2)
    monkeypatch.setattr(cost, "STATES_BYTES", 0)
    pieces = trace(run, ASKED, name="pieces")
    first, second = (read_table(folder / "edges.parquet", TABLES["edges"]) for folder in (whole, pieces))
    pd.testing.assert_frame_equal(first, second, rtol=1e-4)


def test_it_says_what_it_did(run: Run) -> None:
    folder = trace(run, ASKED)
    said = json.loads((folder / "trace.json").read_text())
    assert folder == run.path / "causal" / "01-ablation-random9"
    assert (said["source"], said["targets"], said["method"], said["dtype"]) == (1, [2, 3], "ablation", "float32")
    assert said["features"] == resolve(run, ASKED).features.tolist()
    facts = json.loads((folder / "facts.json").read_text())
    assert facts["passes"] == read_table(folder / "sources.parquet", TABLES["sources"])["n_cells"].sum() / 2
    assert not (folder / "blocks").exists()
    assert abs(trace_cost(run, resolve(run, ASKED)).passes - facts["passes"]) <= 1  # codes are kept as float16


def test_the_notes_of_its_tables_say_how_they_were_made(run: Run) -> None:
    asked = replace(ASKED, features="random:3", targets=(2,), seed=3)
    folder = trace(run, asked)
    trace_controls(run, asked, folder, replicates=1)
    notes = {path.stem: read_notes(path) for path in folder.glob("*.parquet")}
    assert set(notes) == {
        "edges", "published_edges", "sources", "fdr", "trace_rates", "degrees", "tails", "domains", "domain_edges",
        "trace_rates_graph", "direction_controls",
    }
    for own in notes.values():
        assert (own["method"], own["alpha"], own["dtype"], own["layer"]) == ("ablation", 0, "float32", 1)
        assert (own["n_cells"], own["n_sources"], own["flips"]) == (14, 3, 500)
        assert own["unit"] and own["protocol"]
    family = int(read_table(folder / "sources.parquet", TABLES["sources"])["live"].sum())
    assert notes["edges"]["family"] == notes["fdr"]["family"] == notes["trace_rates"]["family"] == family
    assert notes["edges"]["seed"] == 3
    assert notes["degrees"]["seed"] == notes["trace_rates_graph"]["seed"] == run.config.seed
    assert notes["published_edges"]["protocol"] == "published"
    assert "family" not in notes["published_edges"]
    assert notes["trace_rates"]["protocol"] == "calibrated and published: see the column protocol"
    assert notes["trace_rates_graph"]["protocol"] == "calibrated"
    assert "(in, layer 2)" in str(notes["degrees"]["family"])


def test_a_second_call_has_nothing_to_do(run: Run) -> None:
    folder = trace(run, ASKED)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert trace(run, ASKED) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_another_request_under_the_same_name_is_refused(run: Run) -> None:
    trace(run, ASKED, name="mine")
    with pytest.raises(UserError, match="with other cells: choose another"):
        trace(run, replace(ASKED, cells=13), name="mine")
    with pytest.raises(UserError, match="with other alpha, replicate: choose another"):
        trace(run, replace(ASKED, alpha=2.0, replicate=1), name="mine")


def test_a_trace_of_what_the_run_was_before_is_refused(run: Run) -> None:
    trace(run, ASKED)
    path = run.file("sae.safetensors", 2)
    assert not is_stale(run, run.path / "causal" / ASKED.name())
    path.write_bytes(run.file("sae.safetensors", 3).read_bytes())
    assert is_stale(run, run.path / "causal" / ASKED.name())
    with pytest.raises(UserError, match="before the run changed"):
        trace(run, ASKED)


def test_a_trace_of_another_version_is_stale_and_refused(run: Run) -> None:
    folder = trace(run, ASKED)
    said = json.loads((folder / "trace.json").read_text())
    (folder / "trace.json").write_text(json.dumps({k: v for k, v in said.items() if k != "replicate"}))
    assert is_stale(run, folder)
    with pytest.raises(UserError, match="was written by another version of cellprism: delete"):
        trace(run, ASKED)


def test_a_run_in_use_is_refused(run: Run) -> None:
    with exclusive(run.path), pytest.raises(UserError, match="is in use by process"):
        trace(run, ASKED)


@pytest.mark.parametrize(("need", "sentence"), [("disk", "of disk and"), ("memory", "of memory and")])
def test_what_cannot_fit_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch, need: str, sentence: str) -> None:
    real = trace_cost(run, resolve(run, ASKED))
    monkeypatch.setattr("cellprism.causal.tracing.trace_cost", lambda *_, **__: replace(real, **{need: 1e18}))
    with pytest.raises(UserError, match=sentence):
        trace(run, ASKED)


def test_amplifying_names_edges_by_what_the_source_does(run: Run) -> None:
    """More of a source that supports raises the target, taking it away lowers it: both are edges of sign 1."""
    signs = [
        read_table(trace(run, replace(ASKED, alpha=alpha), name=str(alpha)) / "edges.parquet", TABLES["edges"])
        .set_index(["source", "target_layer", "target"])["sign"] for alpha in (0.0, 2.0)
    ]
    both = pd.concat(signs, axis=1, join="inner")
    assert len(both) > 30
    assert (both.iloc[:, 0] == both.iloc[:, 1]).mean() > 0.9


def test_controls_edit_the_same_cells_by_the_same_lengths(run: Run) -> None:
    folder = trace(run, ASKED)
    table = trace_controls(run, ASKED, folder, replicates=2)
    assert table.groupby(["control", "replicate"]).ngroups == 5
    own = table[table["control"] == "none"].set_index("target_layer")
    edges = read_table(folder / "edges.parquet", TABLES["edges"])
    assert own["edges"].to_dict() == edges.groupby("target_layer").size().to_dict()
    assert (own["more"] == 0).all() and own["p"].isna().all()
    read = [read_table(run.path / "causal" / f"{folder.name}-random{i}" / "sources.parquet", TABLES["sources"])
            for i in (0, 1)]
    sources = read_table(folder / "sources.parquet", TABLES["sources"])
    assert all(control["n_cells"].equals(sources["n_cells"]) for control in read)
    assert not read[0]["edges"].equals(read[1]["edges"])


@pytest.mark.parametrize("method", ["attribution", "ig"])
def test_estimates_are_compared_with_exact_effects(run: Run, method: str) -> None:
    asked = replace(ASKED, method=method, target_features="random:4", targets=(2,), cells=10)
    folder = trace(run, asked)
    chosen = resolve(run, asked).target_features
    assert chosen is not None
    edges = read_table(folder / "edges.parquet", TABLES["edges"])
    assert set(edges["target"]) <= set(chosen[2])
    table = read_table(folder / "agreement.parquet", TABLES["agreement"])
    assert table["target_layer"].tolist() == [2]
    assert table["sources"][0] == 9
    assert 0 < table["edges"][0] <= 9 * 4
    assert table["same_sign"][0] > 0.5


def test_a_control_is_traced_on_the_control(run: Run) -> None:
    model = run.config.model.model_copy(update={"control": "random_weights"})
    control = Run(run.path, run.config.model_copy(update={"model": model}))
    own, other = (Engine(one, resolve(one, ASKED)).state(0) for one in (run, control))
    expected = dict(run_model(control, dtype="float32").residuals(other.batch))
    assert torch.equal(other.residual, expected[1][0])
    assert not torch.allclose(own.residual, other.residual, atol=0.1)


@pytest.mark.parametrize(("set_to", "used"), [("bfloat16", torch.float32), ("float32", torch.float32)])
def test_traces_are_made_in_float32_whatever_the_run_used(run: Run, set_to: str, used: torch.dtype) -> None:
    model = run.config.model.model_copy(update={"dtype": set_to})
    other = Run(run.path, run.config.model_copy(update={"model": model}))
    engine = Engine(other, resolve(other, ASKED))
    state = engine.state(0)
    assert state.residual.dtype == used
