"""Train the autoencoder of one layer on a sample of its residuals."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from cellprism.errors import UserError
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


@dataclass(frozen=True)
class Trained:
    """An autoencoder and its log, a frame with the columns of the table ``training``."""

    sae: SparseAutoencoder
    log: pd.DataFrame


def train(
    residuals: torch.Tensor, held_out: torch.Tensor, config: SAEConfig, *, seed: int, advance: Callable[[int], None],
    checkpoint: Path | None = None, training_set: str = "",
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
    checkpoint
        File that keeps the state every 500 steps, and when training stops before its end. If it is there and was
        written for the same task, training goes on from it, to the very same result. The caller deletes it.
    training_set
        What tells one set of residuals from another, for the checkpoint.

    Raises
    ------
    UserError
        The loss or a gradient became NaN or infinite; the last good state is in ``checkpoint``.
    """
    task = {"seed": seed, "training_set": training_set, "rows": len(residuals), **config.model_dump(mode="json")}
    state = _State(residuals, config, seed)
    saved = Checkpoint(checkpoint, task) if checkpoint else None
    if saved:
        state.restore(saved)
        advance(state.step)
    while state.step < config.steps:
        learning_rate = config.learning_rate * _schedule(state.step, config.steps)
        loss = state.descend(state.batches.next(), learning_rate)
        if math.isnan(loss):
            raise UserError(_divergence(state, saved))
        state.step += 1
        advance(1)
        if state.step % LOG_EVERY == 0 or state.step == config.steps:
            state.note(loss, held_out[:HELD_OUT_SHOWN])
        if saved and state.step % SAVE_EVERY == 0:
            state.save(saved)
    return Trained(state.sae.eval(), pd.DataFrame(state.log))


@dataclass
class _State:
    """Everything that decides how training goes on."""

    residuals: torch.Tensor
    config: SAEConfig
    seed: int
    step: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(self.seed)
        d_model = self.residuals.shape[1]
        self.sae = SparseAutoencoder(
            d_model, self.config.expansion * d_model, min(self.config.k, self.config.expansion * d_model),
            self.config.activation,
        )
        self.sae.initialise(self.residuals[:: max(1, len(self.residuals) // 100_000)], generator)
        self.descend = FastStep(self.sae, self.config.learning_rate)
        self.batches = _Batches(self.residuals, self.config.batch_size, generator)

    def note(self, loss: float, held_out: torch.Tensor) -> None:
        with torch.no_grad():
            explained = explained_variance(held_out, self.sae.decode(self.sae.encode(held_out)))
        dead = float((self.descend.idle >= DEAD_WINDOW).float().mean())
        self.log.append({"step": self.step, "loss": loss, "explained": explained, "dead": dead})

    def save(self, saved: Checkpoint) -> None:
        moments = self.descend.optimizer.state_dict()["state"]
        saved.write(self.step, self.log, {
            **{f"sae.{name}": tensor for name, tensor in self.sae.state_dict().items()},
            **{f"adam.{i}.{name}": tensor for i, state in moments.items() for name, tensor in state.items()},
            "idle": self.descend.idle, "order": self.batches.order, "generator": self.batches.generator.get_state(),
        })

    def restore(self, saved: Checkpoint) -> None:
        """Go back to what was saved, if anything was."""
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


def _divergence(state: _State, saved: Checkpoint | None) -> str:
    kept = ""
    if saved and state.step:
        state.save(saved)
        kept = f"; the state after step {state.step} is kept in {saved.path}"
    return (
        f"training diverged at step {state.step + 1}: the loss or its gradient is not finite{kept}; lower "
        "`sae.learning_rate`, or look for NaN in the residuals."
    )


def _schedule(step: int, steps: int) -> float:
    warm, cool = max(1, steps // 20), max(1, steps // 5)
    return min((step + 1) / warm, 1.0, (steps - step) / cool)


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
