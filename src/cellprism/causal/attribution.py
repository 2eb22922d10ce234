"""Effects estimated by gradients: one way back from a target gives the effects of all sources on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from cellprism.sae.topk import TopKCodes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cellprism.causal.effects import CleanState
    from cellprism.models.base import CellModel
    from cellprism.sae.topk import SparseAutoencoder

CHUNK = 256
"""Positions whose atoms are gathered at a time."""


@torch.no_grad()
def estimated_effects(
    model: CellModel, saes: Mapping[int, SparseAutoencoder], state: CleanState, features: np.ndarray, *,
    alpha: float, steps: int, wanted: Mapping[int, np.ndarray] | None, rng: np.random.Generator,
) -> dict[int, torch.Tensor]:
    """First-order estimate of what editing each of ``features`` does to the targets of one cell.

    With ``d_s(q) = (alpha - 1) z_s(q) scale atom_s`` the edit of source ``s`` at its positions ``P_s`` and random
    signs ``r``, the estimate is ``1 / |P_s| * sum over q in P_s of r_q d_s(q) . g_t(q)``, where ``g_t`` is the gradient
    of ``sum over positions p of r_p z_t(p)`` by the residual after the source layer, with the choice of the features
    that fire held as it is. Its expectation over the signs is the mean over ``P_s`` of what the edit at a position
    changes at the same position: a plain sum would add what attention carries to all other positions of the cell,
    most of which the exact effect does not count. Targets that fire nowhere in ``P_s`` have 0.

    Parameters
    ----------
    model, saes
        The model, and the autoencoders of the source layer and of every target layer.
    state
        The cell.
    features
        Sources that fire in it, ascending, shape ``(S,)``.
    alpha
        Factor of the edit.
    steps
        0: the gradient where the cell is. Otherwise the mean of the gradients at so many points, the middles of equal
        pieces of the straight line from there to where all of ``features`` are edited (integrated gradients,
        Sundararajan et al. 2017, with one path for all sources as in Marks et al. 2024).
    wanted
        Target layer -> targets that are estimated; default: all.
    rng
        Draws the signs.

    Returns
    -------
    Target layer -> estimates ``(S, features of that layer)``, float32.
    """
    own, codes, device = saes[state.layer], state.source, state.places.device
    row_of = torch.full((own.n_features,), -1, device=device)
    row_of[torch.from_numpy(features).to(device)] = torch.arange(len(features), device=device)
    row = torch.where(codes.value > 0, row_of[codes.index], -1)
    strength = torch.where(row >= 0, (alpha - 1) * codes.value * own.scale, 0.0)
    shift = torch.zeros_like(state.residual, dtype=torch.float32)
    shift[state.places] = own.combine(TopKCodes(codes.index, strength))
    position, slot = (row >= 0).nonzero(as_tuple=True)
    fires = torch.zeros((len(features), len(row)), dtype=torch.bool, device=device)
    fires[row[position, slot], position] = True
    signs = torch.from_numpy(rng.choice([-1.0, 1.0], len(row)).astype(np.float32)).to(device)
    points = [(step + 0.5) / steps for step in range(steps)] if steps else [0.0]
    estimates = {layer: torch.zeros((len(features), saes[layer].n_features), device=device) for layer in state.targets}
    for point in points:
        start = (state.residual + point * shift).to(state.residual.dtype)
        for layer, target, fired, gradient in _gradients(model, saes, state, start, wanted, signs):
            along = _along(own, codes.index, gradient[state.places].float()) * strength * signs[:, None]
            total = torch.zeros(len(features), device=device).index_add_(
                0, row[position, slot], along[position, slot],
            )
            estimates[layer][:, target] += total * fires[:, fired].any(dim=1)
    count = fires.sum(dim=1, keepdim=True) * len(points)
    return {layer: x / count for layer, x in estimates.items()}


def _gradients(
    model: CellModel, saes: Mapping[int, SparseAutoencoder], state: CleanState, start: torch.Tensor,
    wanted: Mapping[int, np.ndarray] | None, signs: torch.Tensor,
) -> Iterator[tuple[int, int, torch.Tensor, torch.Tensor]]:
    """Layer, target, positions where it fires and gradient ``(T, d_model)``, for all that fire from ``start`` on.

    One pass forward serves all targets.
    """
    leaf = start.clone().requires_grad_(True)
    with torch.enable_grad():
        h = leaf[None]
    layers = sorted(state.targets)
    for layer in range(state.layer + 1, layers[-1] + 1):
        with torch.enable_grad():
            h = model.block(layer, h, state.batch)
        if layer not in layers:
            continue
        sae = saes[layer]
        codes = sae.encode(h[0, state.places])
        alive = torch.unique(codes.index[codes.value > 0])
        if wanted is not None:
            alive = alive[torch.isin(alive, torch.from_numpy(wanted[layer]).to(alive.device))]
        for target in alive.tolist():
            fired = ((codes.index == target) & (codes.value > 0)).nonzero()[:, 0]
            weights = torch.zeros_like(h)
            by_residual = sae.W_enc[target] * (sae.gain[target] / sae.scale)
            weights[0, state.places[fired]] = (signs[fired, None] * by_residual).to(h.dtype)
            (gradient,) = torch.autograd.grad(h, leaf, weights, retain_graph=True)
            yield layer, target, fired, gradient


def _along(sae: SparseAutoencoder, index: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Product of the gradient at each position with the atoms that fire there, shape of ``index``."""
    parts = [
        torch.einsum("nd,nkd->nk", g, sae.W_dec[i])
        for g, i in zip(gradient.split(CHUNK), index.split(CHUNK), strict=True)
    ]
    return torch.cat(parts)
