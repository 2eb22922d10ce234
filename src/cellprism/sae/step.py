"""The fast training step: one dense product, everything else on the firings alone.

`cellprism.sae.reference` has the same step in autograd. Of its six dense products only the encoder's is left; decoding,
the gradient of the activations and both weight gradients touch ``k`` rows a position (docs/autoencoders.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import embedding_bag

from cellprism.models.processor import fastest_products
from cellprism.sae.kernels import by_feature, dots, top_k
from cellprism.sae.reference import (
    AUX_ACTIVE,
    AUX_SLICE,
    AUX_WEIGHT,
    DEAD_WINDOW,
    THRESHOLD_MEMORY,
    batch_threshold,
)
from cellprism.sae.select import Selector

if TYPE_CHECKING:
    from cellprism.models.processor import Precision
    from cellprism.sae.topk import SparseAutoencoder

@dataclass(frozen=True)
class Gradients:
    """Gradients of the parameters, and the loss without AuxK; ``fired`` is true for features that fired."""

    W_enc: torch.Tensor
    b_enc: torch.Tensor
    W_dec: torch.Tensor
    loss: float
    fired: torch.Tensor


class FastStep:
    """Gradient steps on one autoencoder, on the CPU, with buffers that are kept between steps.

    Parameters
    ----------
    sae
        The autoencoder; its parameters are changed in place.
    learning_rate
        Of Adam, with the default betas.
    precision
        Of the product that chooses features; default: `cellprism.models.processor.fastest_products`.
    """

    def __init__(
        self, sae: SparseAutoencoder, learning_rate: float, *, precision: Precision | None = None,
    ) -> None:
        self.sae = sae
        self.select = Selector(sae, precision or fastest_products())
        self.optimizer = torch.optim.Adam(sae.parameters(), lr=learning_rate, fused=True)
        self.idle = torch.zeros(sae.n_features, dtype=torch.int64)

    @torch.no_grad()
    def __call__(self, x: torch.Tensor, learning_rate: float) -> float:
        """Take one step on raw residuals ``(N, d_model)``. Returns the share of variance lost before it.

        A loss or gradient that is not finite is returned as NaN, and nothing is changed.
        """
        sae = self.sae
        gradients = self.gradients(x)
        parts = gradients.W_enc, gradients.b_enc, gradients.W_dec
        sae.W_enc.grad, sae.b_enc.grad, sae.W_dec.grad = parts
        sae.project_gradient()
        norm = float(torch.stack([torch.linalg.vector_norm(part) for part in parts]).norm())
        if not math.isfinite(norm + gradients.loss):
            return math.nan
        if norm > 1:
            for part in parts:
                part.mul_(1 / (norm + 1e-6))
        self.optimizer.param_groups[0]["lr"] = learning_rate
        self.optimizer.step()
        sae.normalise_atoms()
        self.idle += 1
        self.idle[gradients.fired] = 0
        return gradients.loss

    @torch.no_grad()
    def gradients(self, x: torch.Tensor) -> Gradients:
        """Gradients of the reference loss at raw residuals ``(N, d_model)``, before projection and clipping."""
        sae = self.sae
        normalised = sae.normalise(x)
        value, index = self.select(normalised)
        if sae.activation == "batchtopk":
            self._cut(value)
        error = normalised - embedding_bag(index, sae.W_dec, per_sample_weights=value, mode="sum")
        loss = float(error.square().mean())
        upstream = error * (-2 / error.numel())
        w_enc, b_enc, w_dec, fired = self._back(normalised, upstream, index, value)
        dead = (self.idle >= DEAD_WINDOW).nonzero().squeeze(1)
        if len(dead):
            part = max(1, len(x) // AUX_SLICE)
            self._add_auxiliary(normalised[:part], error[:part], dead, (w_enc, b_enc, w_dec))
        return Gradients(w_enc, b_enc, w_dec, loss, fired)

    def _cut(self, value: torch.Tensor) -> None:
        """Keep ``k`` values a position on average over the batch, and remember where the cut was."""
        cut = batch_threshold(value, self.sae.k)
        value.mul_(value >= cut)
        known = self.sae.threshold
        known.copy_(cut if known == 0 else THRESHOLD_MEMORY * known + (1 - THRESHOLD_MEMORY) * cut)

    def _back(
        self, x: torch.Tensor, upstream: torch.Tensor, index: torch.Tensor, value: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Gradients from ``upstream``, that of the reconstruction; firings sorted by feature make bags of positions."""
        n_features = self.sae.n_features
        place, offset = by_feature(index, value, n_features)
        by_value = dots(upstream, self.sae.W_dec, index).flatten()[place]
        positions = place // index.shape[1]
        w_enc, w_dec = (
            embedding_bag(positions, rows, offset[:-1], per_sample_weights=weights, mode="sum")
            for rows, weights in ((x, by_value), (upstream, value.flatten()[place]))
        )
        b_enc = torch.zeros(n_features).index_add_(0, index.flatten()[place], by_value)
        return w_enc, b_enc, w_dec, offset[1:] > offset[:-1]

    def _add_auxiliary(
        self, x: torch.Tensor, error: torch.Tensor, dead: torch.Tensor, into: tuple[torch.Tensor, ...],
    ) -> None:
        """Add the gradient of the weighted auxiliary loss to those of ``W_enc``, ``b_enc`` and ``W_dec``."""
        encoder, atoms = self.sae.W_enc[dead], self.sae.W_dec[dead]
        value, index = top_k(torch.addmm(self.sae.b_enc[dead], x, encoder.T), min(AUX_ACTIVE * self.sae.k, len(dead)))
        left = error - embedding_bag(index, atoms, per_sample_weights=value, mode="sum")
        upstream = left * (-2 * AUX_WEIGHT / error.square().sum().clamp_min(1e-12))
        place, offset = by_feature(index, value, len(dead))
        by_value = dots(upstream, atoms, index).flatten()[place]
        positions = place // index.shape[1]
        for target, rows, weights in ((into[0], x, by_value), (into[2], upstream, value.flatten()[place])):
            target.index_add_(0, dead, embedding_bag(
                positions, rows, offset[:-1], per_sample_weights=weights, mode="sum",
            ))
        into[1].index_add_(0, dead[index.flatten()[place]], by_value)
