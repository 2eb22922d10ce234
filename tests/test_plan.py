"""What `plan` says of sizes is what a run writes."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from cellprism.codes.stages import ENCODE
from cellprism.errors import UserError
from cellprism.models.stages import TOKENIZE, tokenize
from cellprism.plan import Workload, check_fit, describe
from cellprism.runs.config import SAEConfig, parse_config
from cellprism.runs.directory import create
from cellprism.runs.files import size
from cellprism.runs.progress import Silent
from cellprism.runs.stage import run_stages
from cellprism.sae.batched import BatchedStep
from cellprism.sae.reference import DEAD_WINDOW
from cellprism.sae.stages import RESIDUALS, TRAIN, sample_residuals
from cellprism.sae.step import FastStep
from cellprism.sae.topk import SparseAutoencoder

if TYPE_CHECKING:
    from pathlib import Path


def work(**sae: object) -> Workload:
    return Workload(1000, 2_000_000, 1_000_000, tuple(range(18)), 18, 1152, 20_275, 8192, SAEConfig(**sae))


def test_codes_take_four_bytes_a_place_or_six_in_wide_dictionaries() -> None:
    assert work(k=32).disk()["codes"] == 2_000_000 * (18 * 128 + 8)
    assert work(k=32, activation="batchtopk").disk()["codes"] == 2_000_000 * (18 * 512 + 8)
    assert work(k=32, expansion=64).disk()["codes"] == 2_000_000 * (18 * 192 + 8)


@pytest.mark.parametrize("activation", ["topk", "batchtopk"])
def test_the_plan_is_what_a_run_writes(tmp_path: Path, activation: str) -> None:
    sae = {"layers": [0, 2], "k": 4, "steps": 3, "batch_size": 256, "activation": activation, "positions": 2000}
    target = create(parse_config({"out": str(tmp_path / "run"), "cells": {"max_cells": 30}, "sae": sae}))
    run_stages((TOKENIZE,), target, Silent())
    check_fit(target)
    positions = int(target.read("cells")["n_tokens"].sum())
    planned = Workload(30, positions, 2000, (0, 2), 4, 128, 700, 8192, target.config.sae).disk()
    sample_residuals(target, None, Silent())
    residuals = sum(path.stat().st_size for path in target.path.rglob("residuals/train.npy"))
    assert residuals == pytest.approx(planned["residual sample, while it runs"], rel=0.01)
    run_stages((TOKENIZE, RESIDUALS, TRAIN, ENCODE), target, Silent())
    codes = sum(size(target.file("codes", layer)) for layer in (0, 2)) + size(target.file("positions"))
    assert codes == pytest.approx(planned["codes"], rel=0.01)


@pytest.mark.parametrize(("planned", "held"), [
    (Workload(800, 413_561, 393_166, tuple(range(6)), 6, 256, 20_275, 8192, SAEConfig(), bytes_per_weight=2), 2.45e9),
    (Workload(12, 6523, 5973, (5, 11), 18, 1152, 20_275, 8192, SAEConfig(batch_size=2048), bytes_per_weight=2), 3.47e9),
    (Workload(1020, 1_065_887, 1_012_600, (2, 4), 6, 256, 20_275, 8192, SAEConfig(), bytes_per_weight=2), 3.2e9),
])
def test_the_plan_is_not_below_what_runs_held(planned: Workload, held: float) -> None:
    """Peaks from the manifests of runs: zheng2017_pbmc_800 and gut through geneformer-mini, 12 cells through a 316M."""
    assert held <= planned.memory() <= 1.5 * held


@pytest.mark.parametrize(("n_layers", "d_model", "n_dead"), [(3, 64, 0), (3, 64, 200), (2, 256, 0)])
def test_the_plan_bounds_a_step_of_all_layers(n_layers: int, d_model: int, n_dead: int) -> None:
    """What the step asks PyTorch for is the same on every device; a GPU's top-k needs room of its own."""
    sae = SAEConfig(expansion=4, k=16, batch_size=512)
    x = torch.randn(n_layers, 512, d_model, generator=torch.Generator().manual_seed(0))
    steps = []
    for own in x:
        one = SparseAutoencoder(d_model, 4 * d_model, 16)
        one.initialise(own, torch.Generator().manual_seed(0))
        steps.append(FastStep(one, 1e-3))
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiled:
        step = BatchedStep(steps, torch.device("cpu"), narrow=True)
        step.idle[:, :n_dead] = DEAD_WINDOW
        for _ in range(2):
            step(x.bfloat16(), 1e-3)
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    held = max(np.cumsum([event.nbytes() for event in events]))
    layers = tuple(range(n_layers))
    planned = Workload(1000, 10**6, 10**6, layers, n_layers, d_model, 100, 1, sae, on_device=True).device_memory()
    assert held < planned < 1.6 * held


def test_a_gpu_is_planned_for_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = parse_config({"out": str(tmp_path / "run"), "cells": {"max_cells": 30}, "controls": []})
    assert "GPU" not in describe(config)
    target = create(config)
    run_stages((TOKENIZE,), target, Silent())
    monkeypatch.setattr("cellprism.plan.pick_device", lambda _name: torch.device("cuda"))
    monkeypatch.setattr("cellprism.plan.free_device_memory", lambda: 5e7)
    assert re.search(r"memory  of the GPU, at the peak +\d+\.\d MB of 50\.0 MB free", describe(config))
    with pytest.raises(UserError, match=r"MB of the GPU's memory and 50\.0 MB are free: lower"):
        check_fit(target)
    monkeypatch.setattr("cellprism.plan.free_device_memory", lambda: 8e10)
    check_fit(target)


def test_blocks_after_the_deepest_layer_cost_no_time() -> None:
    shallow, deep = (replace(work(), layers=layers, spliced=False) for layers in ((0, 2), (0, 17)))
    assert deep.operations() > 3 * shallow.operations()
    assert replace(deep, spliced=True).operations() > deep.operations()


def test_what_cannot_fit_is_refused_with_the_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = create(parse_config({"out": str(tmp_path / "run"), "cells": {"max_cells": 30}}))
    run_stages((TOKENIZE,), target, Silent())
    monkeypatch.setattr("cellprism.plan.free_memory", lambda: 1e8)
    with pytest.raises(UserError, match=r"GB of memory and 100.0 MB are free: lower"):
        check_fit(target)
    monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": 1000})())
    with pytest.raises(UserError, match=r"more disk and .* has 1.0 kB free"):
        check_fit(target)
    assert "1.0 kB free" in describe(target.config)


def test_the_plan_counts_the_very_cells_of_the_run(tmp_path: Path) -> None:
    cells = {"max_cells": 30, "where": {"bulk_labels": ["Dendritic", "CD14+ Monocyte"]}}
    config = parse_config({"out": str(tmp_path / "run"), "seed": 4, "cells": cells})
    text = describe(config)
    facts = tokenize(create(config), None, Silent())
    assert f"{facts['positions']:,} positions x 4 layers" in text
