"""The tables of the graph of a made-up trace, and the traces as the reader gives them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.atlas.fabricated import DEAD, N_FEATURES, write_run
from tests.causal.traced import NAME, SOURCE, TARGET, write_trace

from cellprism.causal import requests, tails
from cellprism.causal.calibration import SourceEffects, calibrate
from cellprism.causal.finish import finish, write_tables
from cellprism.causal.summary import describe, tail_rows
from cellprism.codes.store import CodeStore
from cellprism.errors import UserError
from cellprism.reader import open_run
from cellprism.runs.directory import open_directory
from cellprism.runs.schemas import read_notes


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_run(tmp_path_factory.mktemp("summary") / "run", traced=False)
    folder = write_trace(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tails, "BOOTSTRAPS", 20)
        describe(open_directory(path), folder, source_layer=SOURCE)
    return path


@pytest.fixture(autouse=True)
def _same_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "run_key", lambda _run, _layers: "k")


def test_degrees_count_the_edges(run: Path) -> None:
    trace = open_run(run).trace(NAME)
    edges, degrees = trace.edges(), trace.degrees().set_index(["side", "feature"])
    for side, end in (("out", "source"), ("in", "target")):
        counts = edges.groupby(end)["sign"].agg(["size", lambda sign: (sign > 0).sum()])
        for feature, row in degrees.loc[side].iterrows():
            expected = tuple(counts.loc[feature]) if feature in counts.index else (0, 0)
            assert (row["degree"], row["supports"]) == expected
    assert set(degrees.loc["out"]["layer"]) == {SOURCE}
    assert set(degrees.loc["in"]["layer"]) == {TARGET}
    assert degrees["degree"].max() > 5


def described(run: Path, folder: Path, n_cells: int, source: int = 4) -> pd.DataFrame:
    """Degrees of a trace of one source in the first cells of the run, made anew in ``folder``."""
    folder.mkdir()
    said = json.loads((run / "causal" / NAME / "trace.json").read_text())
    (folder / "trace.json").write_text(json.dumps({**said, "cells": list(range(n_cells))}))
    x = np.random.default_rng(0).normal(-2, 1, (n_cells, N_FEATURES)).astype(np.float32)
    write_tables(folder, finish([calibrate(SourceEffects(source, np.arange(n_cells), {TARGET: x}), flips=100)]))
    describe(open_directory(run), folder, source_layer=SOURCE)
    return pd.read_parquet(folder / "degrees.parquet")


def test_sources_that_cannot_have_an_edge_are_left_out(run: Path, tmp_path: Path) -> None:
    assert described(run, tmp_path / "few", 9).empty
    assert set(described(run, tmp_path / "enough", 12)["side"]) == {"out", "in"}


def test_targets_that_fire_in_few_of_the_traced_cells_are_left_out(run: Path, tmp_path: Path) -> None:
    degrees = described(run, tmp_path / "trace", 12).query("side == 'in'").set_index("feature")
    fires = np.zeros((12, N_FEATURES), bool)
    for shard in CodeStore(open_directory(run), TARGET).shards():
        for cell, feature, value in zip(shard.cell, shard.codes.index, shard.codes.value, strict=True):
            if cell < 12:
                fires[cell, feature[value > 0]] = True
    able = np.setdiff1d(np.flatnonzero(fires.sum(axis=0) >= 10), DEAD)
    assert 0 < len(able) < (open_directory(run).read("features", TARGET)["n_cells"] > 0).sum()
    assert degrees.index.tolist() == able.tolist()
    assert degrees["n_cells"].tolist() == fires.sum(axis=0)[able].tolist()
    edges = pd.read_parquet(tmp_path / "trace" / "edges.parquet")
    left_out = read_notes(tmp_path / "trace" / "degrees.parquet")["edges_to_left_out"]
    assert left_out == len(edges) - degrees["degree"].sum() > 0


def test_targets_of_factors_count_apart_from_other_gene_sets(run: Path, tmp_path: Path) -> None:
    """Every source shares a factor with the target of its number, and no other gene set with any."""
    path = Path(shutil.copytree(run, tmp_path / "run"))
    directory = open_directory(path)
    for layer in (SOURCE, TARGET):
        rows = directory.read("annotations", layer).head(1)
        own = [
            rows.assign(feature=feature, term=term, q=0.01) for feature in range(N_FEATURES)
            for term in (f"F{feature // 4} targets", f"set {feature} of layer {layer}")
        ]
        directory.write("annotations", pd.concat(own), layer)
    describe(directory, path / "causal" / NAME, source_layer=SOURCE)
    rates = open_run(path).trace(NAME).rates().set_index("rate")
    edges = open_run(path).trace(NAME).edges()
    assert rates.loc["edges_sharing_a_term", "value"] == 0
    apart = rates.loc["edges_sharing_a_factor"]
    assert apart["value"] == pytest.approx((edges["source"] // 4 == edges["target"] // 4).mean())
    assert apart["value"] > apart["null_q95"]
    assert apart["p"] < 0.02


def test_every_rate_has_a_null(run: Path) -> None:
    rates = open_run(run).trace(NAME).rates()
    assert {"edges_per_source", "edge_rate", "supports", "found_again", "size_kept"} <= set(rates["rate"])
    assert {"in_degree_by_frequency", "in_top_by_residual", "edges_sharing_a_term"} <= set(rates["rate"])
    assert {"in_top_annotated", "out_top_annotated"} <= set(rates["rate"])
    assert rates[["null_mean", "null_q05", "null_q95", "p"]].notna().all(axis=None)
    assert rates["null"].str.len().min() > 20
    assert (rates["n_permutations"] >= 20).all()


def test_tails_compare_four_distributions_with_the_power_law() -> None:
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"side": "out", "layer": 5, "degree": tails.power_law(2.5, 2, 150, rng)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tails, "BOOTSTRAPS", 20)
        rows = tail_rows(table, rng)
    assert [row["distribution"] for row in rows] == ["power_law", *tails.ALTERNATIVES, "truncated_power_law"]
    assert all(0 < float(str(row["p"])) <= 1 for row in rows)
    assert tail_rows(table.head(20), rng) == []
    assert tail_rows(table.assign(degree=7), rng) == []
    assert tail_rows(table.assign(degree=0), rng) == []


def test_the_reader_gives_traces_and_their_edges(run: Path) -> None:
    write_trace(run, name="02-random", control="random")
    write_trace(run, name="03-begun", done=False)
    reader = open_run(run)
    table = reader.traces().set_index("trace")
    assert table["done"].to_dict() == {NAME: True, "02-random": True, "03-begun": False}
    assert table.loc[NAME, "target_layers"] == (TARGET,)
    edges = reader.edges()
    assert set(edges["trace"]) == {NAME}
    assert set(edges["source_layer"]) == {SOURCE}
    assert len(edges) == len(reader.trace(NAME).edges())
    assert set(reader.edges("02-random")["trace"]) == {"02-random"}
    trace = reader.trace(NAME)
    for name in ("published_edges", "sources", "fdr", "degrees", "domains", "domain_edges"):
        assert len(getattr(trace, name)()) > 0, name
    assert NAME in repr(trace)


def test_the_reader_says_what_is_wrong(run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_trace(run, name="03-begun", done=False)
    reader = open_run(run)
    with pytest.raises(UserError, match=r"no trace 'nothing' \(there is 00-ablation"):
        reader.trace("nothing")
    with pytest.raises(UserError, match="is not done"):
        reader.trace("03-begun")
    write_trace(run, name="04-older", format=0)
    with pytest.raises(UserError, match=r"04-older/trace.json was written by another version of cellprism: delete "):
        reader.traces()
    shutil.rmtree(reader.path / "causal" / "04-older")
    monkeypatch.setattr(requests, "run_key", lambda _run, _layers: "another")
    with pytest.raises(UserError, match="before the run changed"):
        reader.edges()
    bare = open_run(write_run(tmp_path / "bare", traced=False))
    assert bare.traces().empty
    with pytest.raises(UserError, match="no finished trace"):
        bare.edges()
