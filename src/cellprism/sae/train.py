"""Train the autoencoder of one layer on a sample of its residuals."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from cellprism.errors import UserError
from cellprism.runs.files import write_text
from cellprism.sae.checkpoint import Checkpoint
from cellprism.sae.metrics import explained_variance
from cellprism.sae.reference import DEAD_WINDOW
from cellprism.sae.step import FastStep
from cellprism.sae.topk import SparseAutoencoder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cellprism.runs.config import SAEConfig

LOG_EVERY = 50
SAVE_EVERY = 500
HELD_OUT_SHOWN = 4096
INITIAL = 100_000
"""Positions by which centre and scale are set, about."""


@dataclass(frozen=True)
class Trained:
    """An autoencoder and its log, a frame with the columns of the table ``training``."""

    sae: SparseAutoencoder
    log: pd.DataFrame


def train(
    residuals: torch.Tensor, held_out: torch.Tensor, config: SAEConfig, *, seed: int, advance: Callable[[int], None],
    say: Callable[[str], None] = lambda _text: None, checkpoint: Path | None = None, training_set: str = "",
) -> Trained:
    """Fit a sparse autoencoder by Adam on the mean squared error and AuxK.

    Parameters
    ----------
    residuals, held_out
        Raw residuals, shape ``(N, d_model)`` and ``(M, d_model)``, any float type; ``held_out`` is for the log only.
    config
        Sizes and schedule: 5 % warm-up, constant, linear decay over the last fifth; gradients clipped to norm 1.
    seed
        Seeds initialisation and order; the same seed gives the same result on the same machine.
    advance
        Told the number of steps done.
    say
        Told the metrics whenever they are logged.
    checkpoint
        File that keeps the state every 500 steps, and when training stops before its end. If it is there and was
        written for the same task, training goes on from it, to the very same result. The caller deletes it. A file
        beside it, with the suffix ``.jsonl``, gets the metrics as a line of JSON whenever they are logged.
    training_set
        What tells one set of residuals from another, for the checkpoint.

    Raises
    ------
    UserError
        The loss or a gradient became NaN or infinite; the last good state is in ``checkpoint``.
    """
    state = State(Job(residuals, held_out, seed, checkpoint, training_set), config, say=say)
    advance(state.step)
    while state.step < config.steps:
        state.after(state.descend(state.batches.next(), learning_rate(state.step, config)))
        advance(1)
    return Trained(state.sae.eval(), pd.DataFrame(state.log))


@dataclass(frozen=True)
class Job:
    """What one layer is trained on; see `train`."""

    residuals: torch.Tensor
    held_out: torch.Tensor
    seed: int
    checkpoint: Path | None = None
    training_set: str = ""


class State:
    """Everything that decides how training goes on: new, or from the job's checkpoint.

    Parameters
    ----------
    job, config, say
        What is trained on what; see `train`.
    device
        Where the metrics of the log are computed.
    """

    def __init__(
        self, job: Job, config: SAEConfig, *, say: Callable[[str], None] = lambda _text: None,
        device: torch.device | None = None,
    ) -> None:
        self.step = 0
        self.log: list[dict[str, Any]] = []
        self.config, self.say = config, say
        self.journal = job.checkpoint.with_suffix(".jsonl") if job.checkpoint else None
        self.device = device or torch.device("cpu")
        self.held_out = job.held_out[:HELD_OUT_SHOWN].to(self.device)
        generator = torch.Generator().manual_seed(job.seed)
        d_model = job.residuals.shape[1]
        n_features = config.expansion * d_model
        self.sae = SparseAutoencoder(d_model, n_features, min(config.k, n_features), config.activation)
        self.sae.initialise(job.residuals[:: max(1, len(job.residuals) // INITIAL)], generator)
        self.descend = FastStep(self.sae, config.learning_rate)
        self.batches = _Batches(job.residuals, config.batch_size, generator)
        self.saved = _checkpoint(job, config)
        if self.saved:
            self._restore(self.saved)
        if self.journal:
            write_text(self.journal, "".join(map(_line, self.log)))

    def after(self, loss: float) -> None:
        """Count a step: log and save when it is time.

        Raises
        ------
        UserError
            The step could not be taken, because ``loss`` is NaN.
        """
        if math.isnan(loss):
            raise UserError(self._divergence())
        self.step += 1
        if is_noted(self.step, self.config):
            self.note(loss)
        if is_saved(self.step, self.config):
            self.save()

    def note(self, loss: float) -> None:
        """Log the metrics."""
        sae = self.sae if self.device.type == "cpu" else copy.deepcopy(self.sae).to(self.device)
        with torch.no_grad():
            explained = explained_variance(self.held_out, sae.decode(sae.encode(self.held_out)))
        dead = float((self.descend.idle >= DEAD_WINDOW).float().mean())
        self.log.append({"step": self.step, "loss": loss, "explained": explained, "dead": dead})
        self.say(f"loss {loss:.4f}, explained {explained:.4f}, dead {dead:.1%}")
        if self.journal:
            with self.journal.open("a", encoding="utf-8") as file:
                file.write(_line(self.log[-1]))

    def save(self) -> None:
        """Write the checkpoint, if there is to be one."""
        if self.saved:
            moments = self.descend.optimizer.state_dict()["state"]
            self.saved.write(self.step, self.log, {
                **{f"sae.{name}": tensor for name, tensor in self.sae.state_dict().items()},
                **{f"adam.{i}.{name}": tensor for i, state in moments.items() for name, tensor in state.items()},
                "idle": self.descend.idle, "order": self.batches.order,
                "generator": self.batches.generator.get_state(),
            })

    def _restore(self, saved: Checkpoint) -> None:
        found = saved.read()
        if found is None:
            return
        self.step, self.log, tensors = found
        self.sae.load_state_dict({name: tensors[f"sae.{name}"] for name in self.sae.state_dict()})
        optimizer = self.descend.optimizer
        moments = {
            i: {name: tensors[f"adam.{i}.{name}"] for name in ("step", "exp_avg", "exp_avg_sq")}
            for i in range(len(optimizer.param_groups[0]["params"]))
        }
        optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
        self.descend.idle = tensors["idle"]
        self.batches.order = tensors["order"]
        self.batches.generator.set_state(tensors["generator"])

    def _divergence(self) -> str:
        kept = ""
        if self.saved and self.step:
            self.save()
            kept = f"; the state after step {self.step} is kept in {self.saved.path}"
        return (
            f"training diverged at step {self.step + 1}: the loss or its gradient is not finite{kept}; lower "
            "`sae.learning_rate`, or look for NaN in the residuals."
        )


def is_finished(job: Job, config: SAEConfig) -> bool:
    """Whether the job's checkpoint is that of the last step."""
    saved = _checkpoint(job, config)
    found = saved.read() if saved else None
    return found is not None and found[0] == config.steps


def _checkpoint(job: Job, config: SAEConfig) -> Checkpoint | None:
    facts = {"seed": job.seed, "training_set": job.training_set, "rows": len(job.residuals)}
    task = {**facts, **config.model_dump(mode="json", exclude={"keep_residuals", "seeds", "layers"})}
    return Checkpoint(job.checkpoint, task) if job.checkpoint else None


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry) + "\n"


def is_noted(step: int, config: SAEConfig) -> bool:
    return step % LOG_EVERY == 0 or step == config.steps


def is_saved(step: int, config: SAEConfig) -> bool:
    return step % SAVE_EVERY == 0 or step == config.steps


def learning_rate(step: int, config: SAEConfig) -> float:
    """5 % warm-up, constant, linear decay over the last fifth."""
    warm, cool = max(1, config.steps // 20), max(1, config.steps // 5)
    return config.learning_rate * min((step + 1) / warm, 1.0, (config.steps - step) / cool)


class _Batches:
    """Rows in a seeded random order, shuffled again whenever they are used up."""

    def __init__(self, residuals: torch.Tensor, size: int, generator: torch.Generator) -> None:
        self.residuals = residuals
        self.size = min(size, len(residuals))
        self.generator = generator
        self.order = torch.empty(0, dtype=torch.int64)

    def next(self) -> torch.Tensor:
        if len(self.order) < self.size:
            self.order = torch.randperm(len(self.residuals), generator=self.generator)
        chosen, self.order = self.order[: self.size], self.order[self.size :]
        return self.residuals[chosen]
