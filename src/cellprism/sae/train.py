"""Train the autoencoder of one layer on a sample of its residuals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import torch

from cellprism.errors import UserError
from cellprism.sae.metrics import explained_variance
from cellprism.sae.topk import DEAD_WINDOW, SparseAutoencoder, auxiliary_loss

if TYPE_CHECKING:
    from collections.abc import Callable

    from cellprism.runs.config import SAEConfig

AUX_WEIGHT = 1 / 32
AUX_SLICE = 8
LOG_EVERY = 50
HELD_OUT_SHOWN = 4096


@dataclass(frozen=True)
class Trained:
    """An autoencoder and its log, a frame with the columns of the table ``training``."""

    sae: SparseAutoencoder
    log: pd.DataFrame


def train(
    residuals: torch.Tensor, held_out: torch.Tensor, config: SAEConfig, *, seed: int, advance: Callable[[int], None],
) -> Trained:
    """Fit a TopK autoencoder by Adam on the mean squared error and AuxK.

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

    Raises
    ------
    UserError
        The loss became NaN or infinite.
    """
    generator = torch.Generator().manual_seed(seed)
    d_model = residuals.shape[1]
    sae = SparseAutoencoder(d_model, config.expansion * d_model, config.k)
    sae.initialise(residuals[:: max(1, len(residuals) // 100_000)], generator)
    optimizer = torch.optim.Adam(sae.parameters(), lr=config.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _schedule(step, config.steps))
    idle = torch.zeros(sae.n_features, dtype=torch.int64)
    batches = _Batches(residuals, config.batch_size, generator)
    log = []
    for step in range(1, config.steps + 1):
        loss = _step(sae, batches.next(), idle, optimizer)
        schedule.step()
        advance(1)
        if step % LOG_EVERY == 0 or step == config.steps:
            if not math.isfinite(loss):
                msg = f"training diverged at step {step} (loss {loss}): lower `sae.learning_rate`."
                raise UserError(msg)
            shown = held_out[:HELD_OUT_SHOWN]
            with torch.no_grad():
                explained = explained_variance(shown, sae.decode(sae.encode(shown)))
            dead = float((idle >= DEAD_WINDOW).float().mean())
            log.append({"step": step, "loss": loss, "explained": explained, "dead": dead})
    return Trained(sae.eval(), pd.DataFrame(log))


def _step(sae: SparseAutoencoder, x: torch.Tensor, idle: torch.Tensor, optimizer: torch.optim.Optimizer) -> float:
    """One gradient step; updates ``idle``, the batches since each feature fired. Returns the share of variance lost."""
    normalised = sae.normalise(x)
    value, index = sae.pre_activations(normalised).topk(sae.k, dim=-1)
    error = normalised - torch.nn.functional.embedding_bag(index, sae.W_dec, per_sample_weights=value, mode="sum")
    loss = error.square().mean()
    total = loss
    dead = (idle >= DEAD_WINDOW).nonzero().squeeze(1)
    if len(dead):
        part = slice(0, max(1, len(x) // AUX_SLICE))
        total = total + AUX_WEIGHT * auxiliary_loss(sae, normalised[part], error[part], dead)
    optimizer.zero_grad()
    total.backward()
    sae.project_gradient()
    torch.nn.utils.clip_grad_norm_(sae.parameters(), 1.0)
    optimizer.step()
    sae.normalise_atoms()
    idle += 1
    idle[index[value > 0]] = 0
    return float(loss.detach())


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
