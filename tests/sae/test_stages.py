"""Residuals, training and fidelity as stages of small runs of the demo's model."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from cellprism.models import load_model
from cellprism.models.stages import TOKENIZE
from cellprism.reader import open_run
from cellprism.runs.config import Config, parse_config
from cellprism.runs.directory import Run, create
from cellprism.runs.files import sha256
from cellprism.runs.progress import Bar, Silent
from cellprism.runs.stage import run_stages
from cellprism.sae import fidelity
from cellprism.sae import stages as module
from cellprism.sae.fidelity import FIDELITY, measure_fidelity
from cellprism.sae.stages import RESIDUALS, TRAIN, layer_residuals, sample_residuals, train_all, train_layer

if TYPE_CHECKING:
    from collections.abc import Iterator


def config(out: Path, layers: list[int]) -> Config:
    return parse_config({
        "out": str(out), "cells": {"max_cells": 40}, "model": {"dtype": "float32"},
        "sae": {"layers": layers, "k": 4, "steps": 15, "batch_size": 512},
    })


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Run:
    target = create(config(tmp_path_factory.mktemp("runs") / "both", [1, 3]))
    run_stages((TOKENIZE, RESIDUALS, TRAIN, FIDELITY), target, Silent())
    return target


def test_layers_at_once_equal_layers_one_by_one(both: Run, tmp_path: Path) -> None:
    for layer in (1, 3):
        alone = create(config(tmp_path / str(layer), [layer]))
        run_stages((TOKENIZE, RESIDUALS, TRAIN), alone, Silent())
        for name in ("sae.safetensors", "training.parquet", "metrics.parquet"):
            assert sha256(alone.file(name, layer)) == sha256(both.file(name, layer))


def test_nothing_of_the_training_is_left(both: Run) -> None:
    assert not list(both.path.rglob("*.checkpoint"))
    assert not list(both.path.rglob("residuals"))


def test_all_layers_at_once_are_near_to_one_after_another(both: Run, tmp_path: Path) -> None:
    """What a GPU does, here on the CPU."""
    target = create(config(tmp_path / "together", [1, 3]))
    run_stages((TOKENIZE,), target, Silent())
    sample_residuals(target, None, Silent())
    train_all(target, 1, torch.device("cpu"), Silent())
    assert [target.file("training.checkpoint", layer).exists() for layer in (1, 3)] == [True, True]
    for layer in (1, 3):
        train_layer(target, layer, Silent())
        found, expected = (run.read("metrics", layer)["value"] for run in (target, both))
        assert found.to_numpy() == pytest.approx(expected.to_numpy(), rel=0.02, abs=2e-3)
    assert not list(target.path.rglob("*.checkpoint"))


def test_residuals_stay_if_asked(both: Run, tmp_path: Path) -> None:
    asked = config(tmp_path / "kept", [1, 3])
    asked = asked.model_copy(update={"sae": asked.sae.model_copy(update={"keep_residuals": True})})
    target = create(asked)
    run_stages((TOKENIZE, RESIDUALS, TRAIN), target, Silent())
    assert target.file("residuals", 3).is_dir()
    before = target.file("sae.safetensors", 3).stat().st_mtime_ns
    assert sha256(target.file("sae.safetensors", 3)) == sha256(both.file("sae.safetensors", 3))
    shutil.rmtree(target.file("residuals", 3))
    run_stages((TOKENIZE, RESIDUALS, TRAIN), target, Silent())
    assert target.file("residuals", 3).is_dir()
    assert target.file("sae.safetensors", 3).stat().st_mtime_ns == before


class Held(Silent):
    """Listens for how much of mapped files this process holds in memory, in bytes, whenever a chunk is done."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    @contextmanager
    def bar(self, label: str, total: int, unit: str) -> Iterator[Bar]:
        yield Bar(lambda _n: self.heard.append(mapped()), lambda _text: None)


def mapped() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssFile", "RssShmem")))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells what of a file is in memory")
def test_residuals_that_are_written_do_not_stay_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = config(tmp_path / "many", [0, 1, 2, 3])
    target = create(many.model_copy(update={"cells": many.cells.model_copy(update={"max_cells": 200})}))
    run_stages((TOKENIZE,), target, Silent())
    monkeypatch.setattr(module, "CHUNK", 4000)
    held = Held()
    sample_residuals(target, None, held)
    written = sum(path.stat().st_size for path in target.path.rglob("residuals/*.npy"))
    assert len(held.heard) > 5
    assert held.heard[-1] - held.heard[0] < 0.2 * written


def test_layers_after_the_last_are_not_run(both: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokens = fidelity.run_model(both), fidelity.run_tokens(both)
    own, seen = model.block, []
    monkeypatch.setattr(model, "block", lambda layer, *rest: seen.append(layer) or own(layer, *rest))
    list(layer_residuals(model, tokens, np.arange(3), layers=(1,), token_budget=100_000))
    assert set(seen) == {0, 1}


def test_the_journal_has_what_the_table_has(both: Run) -> None:
    lines = both.file("training.jsonl", 3).read_text().splitlines()
    assert [json.loads(line) for line in lines] == both.read("training", 3).to_dict("records")


def test_metrics_of_both_stages_are_read_together(both: Run) -> None:
    metrics = open_run(both.path).metrics(3).set_index("metric")
    assert metrics.loc["mean_active", "value"] == pytest.approx(4, abs=0.2)
    assert metrics.loc["mean_squared_error", "value"] > 0
    assert metrics.loc["loss_recovered", "unit"] == "masked gene"
    assert metrics.loc["masked_gene_loss_spliced", "value"] > metrics.loc["masked_gene_loss", "value"]
    silent = round(512 * metrics.loc["silent_on_held_out", "value"])
    assert both.notes("metrics", 3)["features_by_frequency"][0] == silent


def test_a_model_without_a_mask_token_has_no_such_metrics(both: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fidelity.run_model(both)
    written, notes = [], []
    real.vocabulary = {name: token for name, token in real.vocabulary.items() if name != "<mask>"}
    monkeypatch.setattr(fidelity, "run_model", lambda _run: real)
    monkeypatch.setattr(Run, "write", lambda _run, _name, table, layer, **_: written.append((layer, len(table))))
    progress = Silent()
    progress.note = notes.append  # type: ignore[method-assign]
    assert measure_fidelity(both, None, progress) == {}
    assert written == [(1, 0), (3, 0)]
    assert "no mask token" in notes[0]


def test_residuals_are_those_of_the_model_read_in_any_batches(both: Run) -> None:
    model, tokens = load_model("demo", device="cpu", dtype="float32"), fidelity.run_tokens(both)
    cells = np.arange(6)
    found = []
    for budget in (200, 100_000):
        rows = np.full((tokens.offsets[6], model.d_model), np.nan, np.float32)
        for positions, layer, h in layer_residuals(model, tokens, cells, layers=(1,), token_budget=budget):
            assert layer == 1
            rows[positions] = h.numpy()
        found.append(rows)
    assert np.allclose(*found, atol=1e-4)
