"""How good an autoencoder is: pure functions of residuals, reconstructions and codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from cellprism.sae.topk import TopKCodes

RARE = 1e-4
"""A rare feature fires, but at a smaller share of positions."""
FREQUENCY_EDGES = (0.0, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)


def explained_variance(x: torch.Tensor, x_hat: torch.Tensor) -> float:
    """``1 - sum ||x - x_hat||^2 / sum ||x - mean(x)||^2`` over positions; both ``(N, d_model)``.

    The mean predictor has 0, a perfect one 1, and a constant added to both changes nothing.
    """
    x, x_hat = x.double(), x_hat.double()
    total = (x - x.mean(dim=0)).square().sum()
    return float(1 - (x - x_hat).square().sum() / total)


def mean_squared_error(x: torch.Tensor, x_hat: torch.Tensor) -> float:
    """Mean of ``(x - x_hat)^2`` over positions and dimensions, in squared units of the residual."""
    return float((x.double() - x_hat.double()).square().mean())


def mean_active(value: torch.Tensor) -> float:
    """L0: mean number of features that fire at a position, from activations of shape ``(N, k)``."""
    return float((value > 0).sum(dim=-1).double().mean())


def firing_frequency(codes: TopKCodes, n_features: int) -> torch.Tensor:
    """Share of positions at which each feature fires, shape ``(n_features,)`` float64."""
    fired = torch.bincount(codes.index[codes.value > 0], minlength=n_features)
    return fired.double() / len(codes.index)


def silent_share(frequency: torch.Tensor) -> float:
    """Share of features that never fire."""
    return float((frequency == 0).double().mean())


def rare_share(frequency: torch.Tensor) -> float:
    """Share of features that fire, but at fewer than 1 in 10,000 positions."""
    return float(((frequency > 0) & (frequency < RARE)).double().mean())


def frequency_histogram(frequency: torch.Tensor) -> list[int]:
    """Features by decade of firing frequency: the first count is of those that never fire, then one for each interval.

    An interval between two `FREQUENCY_EDGES` has its upper edge and lacks its lower one. The counts add up to all
    features.
    """
    edges = torch.tensor(FREQUENCY_EDGES, dtype=torch.float64)
    return torch.bincount(torch.bucketize(frequency, edges), minlength=len(edges)).tolist()


def largest_cosine(atoms: torch.Tensor) -> float:
    """Coherence: mean over atoms of the largest absolute cosine with another; unit rows ``(n_features, d_model)``."""
    total = 0.0
    for start in range(0, len(atoms), 4096):
        cosine = (atoms[start : start + 4096] @ atoms.T).abs()
        cosine.diagonal(offset=start).fill_(0)
        total += float(cosine.max(dim=1).values.double().sum())
    return total / len(atoms)


def loss_recovered(clean: float, spliced: float, ablated: float) -> float:
    """``(ablated - spliced) / (ablated - clean)``: 1 if the reconstruction serves the model as well as the residual.

    0 if it serves no better than the mean residual; below 0 if worse. NaN where ablation does not hurt.
    """
    return (ablated - spliced) / (ablated - clean) if ablated > clean else float("nan")
