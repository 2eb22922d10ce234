"""All layers in one loop end where each alone would, whatever interrupts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from cellprism.errors import UserError
from cellprism.runs.config import SAEConfig
from cellprism.sae import train as module
from cellprism.sae.together import train_together
from cellprism.sae.train import Job, State, is_finished, train

if TYPE_CHECKING:
    from pathlib import Path

CPU = torch.device("cpu")
CONFIG = SAEConfig(expansion=3, k=3, steps=60, batch_size=64, learning_rate=3e-3)


def jobs(folder: Path) -> list[Job]:
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randn(500, 12, generator=generator) * (layer + 1) + 4 for layer in range(3)]
    return [Job(x, x[:50], layer, folder / f"{layer}.checkpoint", f"set {layer}") for layer, x in enumerate(rows)]


def near(states: list[State], folder: Path) -> bool:
    alone = [
        train(job.residuals, job.held_out, CONFIG, seed=job.seed, advance=lambda _n: None) for job in jobs(folder)
    ]
    tensors = [
        (ours, theirs) for state, trained in zip(states, alone, strict=True)
        for ours, theirs in zip(state.sae.state_dict().values(), trained.sae.state_dict().values(), strict=True)
    ]
    apart = [
        abs(state.log[-1]["explained"] - one.log["explained"].iloc[-1])
        for state, one in zip(states, alone, strict=True)
    ]
    return all((a - b).abs().max() < 1e-4 for a, b in tensors) and max(apart) < 1e-4


def test_together_is_near_to_alone(tmp_path: Path) -> None:
    told: list[int] = []
    states = train_together(jobs(tmp_path), CONFIG, CPU, told.append)
    assert sum(told) == 180
    assert near(states, tmp_path)
    assert all(is_finished(job, CONFIG) for job in jobs(tmp_path))
    again: list[int] = []
    for job in jobs(tmp_path):
        train(
            job.residuals, job.held_out, CONFIG, seed=job.seed, advance=again.append, checkpoint=job.checkpoint,
            training_set=job.training_set,
        )
    assert again == [60, 60, 60]


def test_an_interrupted_loop_goes_on_with_every_layer_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SAVE_EVERY", 20)
    own, written = module.State.save, []

    def kill_between_two_files(self: State) -> None:
        if len(written) == 4:
            raise KeyboardInterrupt
        written.append(self.step)
        own(self)

    monkeypatch.setattr(module.State, "save", kill_between_two_files)
    with pytest.raises(KeyboardInterrupt):
        train_together(jobs(tmp_path), CONFIG, CPU, lambda _n: None)
    monkeypatch.setattr(module.State, "save", own)
    assert [State(job, CONFIG).step for job in jobs(tmp_path)] == [40, 20, 20]
    assert not any(is_finished(job, CONFIG) for job in jobs(tmp_path))
    states = train_together(jobs(tmp_path), CONFIG, CPU, lambda _n: None)
    assert [state.step for state in states] == [60, 60, 60]
    assert near(states, tmp_path)


def test_a_layer_that_diverges_leaves_all_at_their_last_good_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, calls = module._Batches.next, []

    def poisoned(self: module._Batches) -> torch.Tensor:
        calls.append(1)
        return own(self) * (float("nan") if len(calls) == 3 * 30 + 2 else 1)

    monkeypatch.setattr(module._Batches, "next", poisoned)
    with pytest.raises(UserError, match=r"at step 31: .* the state after step 30 is kept in .*1\.checkpoint; lower"):
        train_together(jobs(tmp_path), CONFIG, CPU, lambda _n: None)
    assert [State(job, CONFIG).step for job in jobs(tmp_path)] == [30, 30, 30]
