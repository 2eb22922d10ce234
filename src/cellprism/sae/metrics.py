"""How good an autoencoder is: pure functions of residuals, reconstructions and codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def explained_variance(x: torch.Tensor, x_hat: torch.Tensor) -> float:
    """``1 - sum ||x - x_hat||^2 / sum ||x - mean(x)||^2`` over positions; both ``(N, d_model)``.

    The mean predictor has 0, a perfect one 1, and a constant added to both changes nothing.
    """
    x, x_hat = x.double(), x_hat.double()
    total = (x - x.mean(dim=0)).square().sum()
    return float(1 - (x - x_hat).square().sum() / total)


def mean_active(value: torch.Tensor) -> float:
    """L0: mean number of features that fire at a position, from activations of shape ``(N, k)``."""
    return float((value > 0).sum(dim=-1).double().mean())


def largest_cosine(atoms: torch.Tensor) -> float:
    """Mean over atoms of the largest absolute cosine with another atom, from unit rows ``(n_features, d_model)``."""
    cosine = (atoms @ atoms.T).abs()
    cosine.fill_diagonal_(0)
    return float(cosine.max(dim=1).values.mean())
