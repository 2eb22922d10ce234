"""The training step of several layers at once: layers are a leading dimension, and every operation is one call.

For a GPU, where at these sizes starting operations costs more than they do. It is plain PyTorch, runs anywhere, and is
held equal to `cellprism.sae.step`, layer by layer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import embedding_bag

from cellprism.sae.reference import (
    AUX_ACTIVE,
    AUX_SLICE,
    AUX_WEIGHT,
    DEAD_WINDOW,
    THRESHOLD_MEMORY,
    batch_threshold,
)
from cellprism.sae.select import CANDIDATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cellprism.sae.step import FastStep

PARAMETERS = ("W_enc", "b_enc", "W_dec")
MOMENTS = ("exp_avg", "exp_avg_sq")
CHUNK = 2048
"""Positions whose atoms are gathered at once."""


@dataclass(frozen=True)
class BatchedGradients:
    """As `cellprism.sae.step.Gradients`, with a leading dimension of layers; ``loss`` has shape ``(L,)``."""

    W_enc: torch.Tensor
    b_enc: torch.Tensor
    W_dec: torch.Tensor
    loss: torch.Tensor
    fired: torch.Tensor


class BatchedStep:
    """Gradient steps on autoencoders of one size, one for each of L layers.

    Parameters
    ----------
    steps
        A step for each layer: its autoencoder, moments and counts are copied to ``device`` and go on from there;
        `write_back` brings the originals up to date.
    device
        Where the steps are taken.
    narrow
        Choose 1.25 k candidates in bfloat16; default: on CUDA.
    """

    def __init__(self, steps: Sequence[FastStep], device: torch.device, *, narrow: bool | None = None) -> None:
        self.steps = steps
        self.narrow = device.type == "cuda" if narrow is None else narrow
        self.k, self.width, self.activation = steps[0].sae.k, steps[0].sae.width, steps[0].sae.activation
        states = [step.sae.state_dict() for step in steps]
        stacked = {name: torch.stack([state[name] for state in states]).to(device) for name in states[0]}
        self.W_enc, self.b_enc, self.W_dec = (stacked[name].requires_grad_() for name in PARAMETERS)
        self.centre, self.scale = stacked["centre"][:, None], stacked["scale"][:, None, None]
        self.threshold = stacked["threshold"]
        self.idle = torch.stack([step.idle for step in steps]).to(device)
        self.optimizer = torch.optim.Adam([self.W_enc, self.b_enc, self.W_dec], fused=True)
        for name in PARAMETERS:
            self._take_moments(name)
        self._first = torch.arange(len(steps), device=device)[:, None, None] * self.b_enc.shape[1]

    @torch.no_grad()
    def __call__(self, x: torch.Tensor, learning_rate: float) -> torch.Tensor:
        """Take one step on raw residuals ``(L, N, d_model)``. Returns the share of variance lost before it, ``(L,)``.

        Where a loss or gradient is not finite, it is NaN, and nothing is changed in any layer.
        """
        gradients = self.gradients(x)
        parts = [gradients.W_enc, gradients.b_enc, gradients.W_dec]
        parts[2] -= (parts[2] * self.W_dec).sum(dim=2, keepdim=True) * self.W_dec
        norm = torch.stack([part.flatten(1).norm(dim=1) for part in parts]).norm(dim=0)
        bad = ~torch.isfinite(norm + gradients.loss)
        if bad.any():
            return gradients.loss.masked_fill(bad, math.nan)
        factor = torch.where(norm > 1, 1 / (norm + 1e-6), 1.0)
        for parameter, part in zip((self.W_enc, self.b_enc, self.W_dec), parts, strict=True):
            parameter.grad = part.mul_(factor.view(-1, *[1] * (part.dim() - 1)))
        self.optimizer.param_groups[0]["lr"] = learning_rate
        self.optimizer.step()
        self.W_dec.div_(self.W_dec.norm(dim=2, keepdim=True).clamp_min(1e-12))
        self.idle += 1
        self.idle[gradients.fired] = 0
        return gradients.loss

    @torch.no_grad()
    def gradients(self, x: torch.Tensor) -> BatchedGradients:
        """What `FastStep.gradients` gives, with a leading dimension of layers; ``x`` is ``(L, N, d_model)``."""
        x = (x.float() - self.centre) / self.scale
        value, index = self._select(x)
        if self.activation == "batchtopk":
            self._cut(value)
        error = x - self._combine(value, index)
        upstream = error * (-2 / error[0].numel())
        w_enc, b_enc, w_dec = self._back(x, upstream, value, index)
        fired = torch.zeros(self.idle.shape, dtype=torch.bool, device=x.device)
        fired.flatten()[(index + self._first)[value > 0]] = True
        part = max(1, x.shape[1] // AUX_SLICE)
        dead = self.idle >= DEAD_WINDOW
        for layer in dead.any(dim=1).nonzero().flatten().tolist():
            own = dead[layer].nonzero().squeeze(1)
            added = self._auxiliary(layer, x[layer, :part], error[layer, :part], own)
            for gradient, more in zip((w_enc, b_enc, w_dec), added, strict=True):
                gradient[layer].index_add_(0, own, more)
        return BatchedGradients(w_enc, b_enc, w_dec, error.square().mean(dim=(1, 2)), fired)

    @torch.no_grad()
    def write_back(self) -> None:
        """Copy parameters, thresholds, moments and counts into the steps that this one was made of."""
        for layer, step in enumerate(self.steps):
            step.sae.threshold.copy_(self.threshold[layer])
            step.idle.copy_(self.idle[layer])
            for name in PARAMETERS:
                own, stacked = getattr(step.sae, name), getattr(self, name)
                own.copy_(stacked[layer])
                moments = self.optimizer.state[stacked]
                step.optimizer.state[own] = {
                    "step": moments["step"].cpu().clone(), **{m: moments[m][layer].cpu() for m in MOMENTS},
                }

    def _take_moments(self, name: str) -> None:
        """Adam's state of a parameter, if the steps have taken any; all have taken equally many."""
        found = [step.optimizer.state.get(getattr(step.sae, name)) for step in self.steps]
        known = [state for state in found if state]
        if known:
            parameter = getattr(self, name)
            self.optimizer.state[parameter] = {
                "step": known[0]["step"].clone().to(parameter.device),
                **{m: torch.stack([state[m] for state in known]).to(parameter.device) for m in MOMENTS},
            }

    def _select(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Values, positive or 0, and int64 indices of the chosen features, ``(L, N, width)``."""
        width, n_features = self.width, self.b_enc.shape[1]
        if not self.narrow:
            value, index = torch.baddbmm(self.b_enc[:, None], x, self.W_enc.mT).topk(width, dim=2, sorted=False)
            return value.relu_(), index
        pre = torch.baddbmm(self.b_enc[:, None].bfloat16(), x.bfloat16(), self.W_enc.bfloat16().mT)
        n = min(math.ceil(CANDIDATES["bfloat16"] * width), n_features)
        index = pre.topk(n, dim=2, sorted=False).indices
        exact = self._dots(x, self.W_enc, index) + self.b_enc.gather(1, index.flatten(1)).view(index.shape)
        value, place = exact.topk(width, dim=2, sorted=False)
        return value.relu_(), index.gather(2, place)

    def _cut(self, value: torch.Tensor) -> None:
        """Keep ``k`` values a position on average over the batch of each layer, and remember where the cuts were."""
        cut = torch.stack([batch_threshold(own, self.k) for own in value])
        value.mul_(value >= cut[:, None, None])
        mixed = THRESHOLD_MEMORY * self.threshold + (1 - THRESHOLD_MEMORY) * cut
        self.threshold.copy_(torch.where(self.threshold == 0, cut, mixed))

    def _combine(self, value: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """Sums of active atoms, ``(L, N, d_model)``."""
        bags = (index + self._first).flatten(0, 1)
        summed = embedding_bag(bags, self.W_dec.flatten(0, 1), per_sample_weights=value.flatten(0, 1), mode="sum")
        return summed.view(*index.shape[:2], -1)

    def _dots(self, x: torch.Tensor, rows: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """``out[l, n, j] = x[l, n] . rows[l, index[l, n, j]]``."""
        flat, atoms = x.flatten(0, 1), rows.flatten(0, 1)
        chosen = (index + self._first).flatten(0, 1)
        parts = [
            torch.bmm(atoms[own], position[:, :, None]).squeeze(2)
            for own, position in zip(chosen.split(CHUNK), flat.split(CHUNK), strict=True)
        ]
        return torch.cat(parts).view(index.shape)

    def _back(
        self, x: torch.Tensor, upstream: torch.Tensor, value: torch.Tensor, index: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Gradients of ``W_enc``, ``b_enc`` and ``W_dec`` from that of the reconstruction."""
        by_value = self._dots(upstream, self.W_dec, index) * (value > 0)
        feature = (index + self._first).flatten()
        shape = self.W_enc.shape
        flat = x.flatten(0, 1), upstream.flatten(0, 1)
        w_enc, w_dec = _by_feature(feature, flat, (by_value.flatten(), value.flatten()), shape[0] * shape[1])
        b_enc = torch.zeros(shape[0] * shape[1], device=x.device).index_add_(0, feature, by_value.flatten())
        return w_enc.view(shape), b_enc.view(shape[:2]), w_dec.view(shape)

    def _auxiliary(
        self, layer: int, x: torch.Tensor, error: torch.Tensor, dead: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Gradients of the weighted auxiliary loss of a layer for its dead features' rows."""
        encoder, atoms = self.W_enc[layer, dead], self.W_dec[layer, dead]
        pre = torch.addmm(self.b_enc[layer, dead], x, encoder.T).relu_()
        value, index = pre.topk(min(AUX_ACTIVE * self.k, len(dead)), dim=1, sorted=False)
        left = error - embedding_bag(index, atoms, per_sample_weights=value, mode="sum")
        upstream = left * (-2 * AUX_WEIGHT / error.square().sum().clamp_min(1e-12))
        by_value = torch.bmm(atoms[index], upstream[:, :, None]).squeeze(2) * (value > 0)
        feature = index.flatten()
        w_enc, w_dec = _by_feature(feature, (x, upstream), (by_value.flatten(), value.flatten()), len(dead))
        return w_enc, torch.zeros(len(dead), device=x.device).index_add_(0, feature, by_value.flatten()), w_dec


def _by_feature(
    feature: torch.Tensor, rows: tuple[torch.Tensor, torch.Tensor], weights: tuple[torch.Tensor, torch.Tensor],
    n_features: int,
) -> list[torch.Tensor]:
    """For each feature the sum of the rows of its positions, weighted: ``feature`` is flat over ``(N, width)``."""
    width = len(feature) // len(rows[0])
    order = torch.argsort(feature, stable=True)
    count = torch.bincount(feature, minlength=n_features)
    position, start = order // width, count.cumsum(0) - count
    return [
        embedding_bag(position, own, start, per_sample_weights=weight[order], mode="sum")
        for own, weight in zip(rows, weights, strict=True)
    ]
