"""The training step as one would write it down, with autograd: what the fast step is held equal to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from cellprism.sae.topk import SparseAutoencoder

AUX_WEIGHT = 1 / 32
AUX_SLICE = 8
"""The auxiliary loss is taken on one in so many positions of a batch."""
AUX_ACTIVE = 2
"""It activates so many times ``k`` of the dead features."""
DEAD_WINDOW = 256
"""A feature is dead if it did not fire in so many batches."""
THRESHOLD_MEMORY = 0.99
"""BatchTopK's threshold is an exponential mean over batches with this weight on the past."""


def reference_loss(
    sae: SparseAutoencoder, x: torch.Tensor, dead: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What a step descends: mean squared error in normalised units, plus AuxK if there are ``dead`` features.

    Returns
    -------
    total, error, pre
        The loss to differentiate, its part without AuxK, and the pre-activations that were kept, ``(N, n_features)``.
    """
    normalised = sae.normalise(x)
    pre = sae.pre_activations(normalised)
    value, index = pre.topk(sae.width, dim=-1)
    if sae.activation == "batchtopk":
        value = value * (value >= batch_threshold(value.detach(), sae.k))
    difference = normalised - torch.nn.functional.embedding_bag(
        index, sae.W_dec, per_sample_weights=value, mode="sum",
    )
    error = difference.square().mean()
    total = error
    if len(dead):
        part = slice(0, max(1, len(x) // AUX_SLICE))
        total = total + AUX_WEIGHT * auxiliary_loss(sae, normalised[part], difference[part], dead)
    return total, error, torch.zeros_like(pre).scatter(1, index, value)


def reference_step(
    sae: SparseAutoencoder, x: torch.Tensor, idle: torch.Tensor, optimizer: torch.optim.Optimizer,
) -> float:
    """One gradient step; updates ``idle``, the batches since each feature fired. Returns the share of variance lost."""
    total, error, kept = reference_loss(sae, x, (idle >= DEAD_WINDOW).nonzero().squeeze(1))
    optimizer.zero_grad()
    total.backward()
    sae.project_gradient()
    torch.nn.utils.clip_grad_norm_(sae.parameters(), 1.0)
    optimizer.step()
    sae.normalise_atoms()
    idle += 1
    idle[(kept > 0).any(dim=0)] = 0
    return float(error.detach())


def auxiliary_loss(
    sae: SparseAutoencoder, normalised: torch.Tensor, error: torch.Tensor, dead: torch.Tensor,
) -> torch.Tensor:
    """AuxK: let dead features explain the error that the living leave (Gao et al. 2024, arXiv 2406.04093, A.2).

    ``sum ||e - e_hat||^2 / sum ||e||^2`` with ``e`` the detached error and ``e_hat`` the reconstruction from the
    ``2 k`` largest pre-activations among the dead features, without bias or centre.

    Parameters
    ----------
    sae
        The autoencoder.
    normalised, error
        Shape ``(N, d_model)``: inputs and errors of a slice of the batch, in normalised units.
    dead
        Indices of dead features, not empty.
    """
    target = error.detach()
    pre = torch.nn.functional.linear(normalised, sae.W_enc[dead], sae.b_enc[dead]).relu()
    value, index = pre.topk(min(AUX_ACTIVE * sae.k, len(dead)), dim=-1)
    revived = torch.nn.functional.embedding_bag(dead[index], sae.W_dec, per_sample_weights=value, mode="sum")
    return (target - revived).square().sum() / target.square().sum().clamp_min(1e-12)


def batch_threshold(value: torch.Tensor, k: int) -> torch.Tensor:
    """The smallest of the ``N k`` largest of all entries of ``value``, which is ``(N, width)``."""
    flat = value.flatten()
    return flat.kthvalue(len(flat) - min(k * len(value), len(flat)) + 1).values
