"""Train the autoencoders of several layers in one loop, for a GPU."""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING

import torch

from cellprism.sae.batched import BatchedStep
from cellprism.sae.train import State, is_noted, is_saved, learning_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cellprism.runs.config import SAEConfig
    from cellprism.sae.train import Job


def train_together(
    jobs: Sequence[Job], config: SAEConfig, device: torch.device, advance: Callable[[int], None],
) -> list[State]:
    """Do what `train.train` does for every job, all layers in each step; the states end at ``config.steps``.

    Every layer has its own seed, order and checkpoint, so that each ends as if it had been trained alone, but for the
    order in which numbers are added up. Layers whose checkpoints differ in their step go on in groups of equal step.

    Parameters
    ----------
    jobs
        What each layer is trained on, all of one size; ``residuals`` may be memory maps.
    config
        As in `train.train`.
    device
        Where the steps are taken.
    advance
        Told the steps done, summed over the layers.

    Raises
    ------
    UserError
        A layer diverged; the last good state of all is in their checkpoints.
    """
    states = [State(job, config, device=device) for job in jobs]
    advance(sum(state.step for state in states))
    for _, group in groupby(sorted(states, key=lambda state: state.step), key=lambda state: state.step):
        _run(list(group), config, device, advance)
    return states


def _run(states: list[State], config: SAEConfig, device: torch.device, advance: Callable[[int], None]) -> None:
    step = BatchedStep([state.descend for state in states], device)
    for number in range(states[0].step, config.steps):
        batch = torch.stack([state.batches.next() for state in states]).to(device)
        losses = step(batch, learning_rate(number, config)).tolist()
        diverged = [state for state, loss in zip(states, losses, strict=True) if math.isnan(loss)]
        if diverged or is_noted(number + 1, config) or is_saved(number + 1, config):
            step.write_back()
        if diverged:
            for state in states:
                state.save()
            diverged[0].after(math.nan)
        for state, loss in zip(states, losses, strict=True):
            state.after(loss)
        advance(len(states))
