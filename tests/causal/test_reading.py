"""What a reader finds in several traces, and in the effects that a trace kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from tests.atlas.fabricated import write_run

from cellprism.causal import requests
from cellprism.causal.notes import write_trace_table
from cellprism.causal.requests import FORMAT
from cellprism.causal.workfiles import CellEffects, kept_of, write_effects
from cellprism.errors import UserError
from cellprism.reader import RunReader, open_run
from cellprism.runs.schemas import TABLES

if TYPE_CHECKING:
    from pathlib import Path

SILENT = 7
FEATURES = [0, 3, 4, 6, SILENT]
"""Sources of the trace with effects, in blocks of two."""


def filled(name: str, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with 0 in every column of the table that they lack."""
    table = TABLES[name]
    return rows.assign(**{column: 0 for column in table.columns if column not in rows})[list(table.columns)]


def write(run: Path, name: str, source: int, edges: list[tuple[int, int, int, float]], *, n_cells: int = 20) -> Path:
    """A finished trace with edges ``(source, target layer, target, g)``; ten features of every layer can have one."""
    folder = run / "causal" / name
    folder.mkdir(parents=True)
    targets = sorted({edge[1] for edge in edges})
    (folder / "trace.json").write_text(json.dumps({
        "format": FORMAT, "source": source, "targets": targets, "features": FEATURES, "cells": list(range(n_cells)),
        "method": "ablation", "alpha": 0.0, "control": "none", "replicate": 0, "key": "k",
    }))
    (folder / "facts.json").write_text("{}")
    found = pd.DataFrame(edges, columns=["source", "target_layer", "target", "g"]).assign(n_cells=n_cells)
    found["sign"] = np.where(found["g"] < 0, 1, -1)
    write_trace_table(folder, "edges", filled("edges", found.assign(published=False, replicated=True)))
    ends = [("out", source), *(("in", layer) for layer in targets)]
    degrees = pd.concat([pd.DataFrame({"side": side, "layer": layer, "feature": range(10)}) for side, layer in ends])
    write_trace_table(folder, "degrees", filled("degrees", degrees))
    return folder


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunReader:
    monkeypatch.setattr(requests, "run_key", lambda _run, _layers: "k")
    path = write_run(tmp_path / "run", traced=False)
    write(path, "first", 0, [(0, 1, 0, -2.0), (0, 1, 1, 0.6), (0, 2, 0, -0.55)])
    write(path, "second", 1, [(0, 2, 0, 1.5), (1, 2, 0, 0.7)])
    return open_run(path)


def test_paths_lead_through_several_traces(run: RunReader) -> None:
    paths = run.paths((0, 0), (2, 0))
    assert paths["path"].tolist() == [[(0, 0), (1, 0), (2, 0)], [(0, 0), (2, 0)], [(0, 0), (1, 1), (2, 0)]]
    assert paths["sign"].tolist() == [-1, 1, 1]
    assert len(run.paths((0, 0), (2, 0), k=1)) == 1
    assert run.paths((0, 0), (2, 0), traces=["first"])["path"].tolist() == [[(0, 0), (2, 0)]]
    write(run.path, "better", 0, [(0, 1, 0, -4.0)], n_cells=50)
    assert run.paths((0, 0), (2, 0))["resistance"].iloc[0] == pytest.approx(1 / 4 + 1 / 1.5)
    with pytest.raises(UserError, match="feature 9 of layer 1 has no edge"):
        run.paths((0, 0), (1, 9))


def test_intermediates_stand_beside_chance_among_features_that_could_be_one(run: RunReader) -> None:
    found = run.intermediates((0, 0), (2, 0))
    assert found["layer"].tolist() == [1]
    row = found.iloc[0]
    assert (row["features"], row["n_features"], row["expected"]) == ([0, 1], 10, pytest.approx(0.4))
    assert row["p"] == pytest.approx(1 / 45)
    assert run.intermediates((0, 0), (2, 0), traces=["first"]).empty


def test_the_neighbourhood_holds_edges_of_all_traces(run: RunReader) -> None:
    around = run.neighbourhood((1, 0))
    assert around["trace"].tolist() == ["first", "second"]
    assert len(run.neighbourhood((0, 0), steps=2)) == 5
    assert len(run.neighbourhood((0, 0), steps=2, traces=["first"])) == 3


def test_kept_effects_come_back_whole(run: RunReader) -> None:
    folder, rng = run.path / "causal" / "first", np.random.default_rng(0)
    written: dict[int, dict[int, np.ndarray]] = {source: {} for source in FEATURES}
    for number, block in enumerate([[0, 3], [4, 6], [SILENT]]):
        for cell in (2, 5, 12):
            own = [source for source in block if source != SILENT and (source + cell) % 3]
            dense = np.where(rng.random((len(own), 6)) < 0.5, rng.normal(size=(len(own), 6)), 0).astype(np.float32)
            effect = {1: sparse.csr_matrix(dense[:, :4]), 2: sparse.csr_matrix(dense[:, 4:])}
            path = folder / "effects" / f"{number:05d}" / f"{cell}.npz"
            write_effects(path, CellEffects(np.array(own, int), effect), half=True)
            written = {source: {**kept, **({cell: dense[own.index(source)]} if source in own else {})}
                       for source, kept in written.items()}
    for source, cells in written.items():
        if source == SILENT:
            with pytest.raises(UserError, match="feature 7 fires in none of the cells"):
                run.trace("first").effects(source)
            continue
        effects = run.trace("first").effects(source)
        assert effects.index.tolist() == sorted(cells)
        assert effects.columns.tolist() == [(1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1)]
        np.testing.assert_array_equal(effects, np.stack([cells[cell] for cell in sorted(cells)]).astype(np.float16))
        for near in (0.0, 1.0):
            assert kept_of(folder / "effects", source, near=near)[0].tolist() == sorted(cells)
    with pytest.raises(UserError, match="feature 5 is no source"):
        run.trace("first").effects(5)
    with pytest.raises(UserError, match="kept no effects: trace again with `--keep-effects`"):
        run.trace("second").effects(0)
