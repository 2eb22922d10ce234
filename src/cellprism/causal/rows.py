"""Batches whose rows are different cells, or one cell in different states, each with an edit of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from cellprism.models.base import gather

if TYPE_CHECKING:
    from cellprism.models.base import Batch, CellModel
    from cellprism.sae.topk import SparseAutoencoder


def take(batch: Batch, rows: torch.Tensor) -> Batch:
    """The given rows of a batch, in that order; a row may occur several times."""
    return replace(
        batch, tokens=batch.tokens[rows], mask=batch.mask[rows], gene=batch.gene[rows],
        cells=batch.cells[rows.cpu().numpy()], values=None if batch.values is None else batch.values[rows],
    )


def strengths(
    sae: SparseAutoencoder, h: torch.Tensor, gene: torch.Tensor, features: torch.Tensor, *, alpha: float = 0.0,
) -> torch.Tensor:
    """How far to go along each row's atoms to scale its features: ``(alpha - 1) * z_f * scale``.

    Parameters
    ----------
    sae
        Autoencoder of the layer.
    h
        Residuals, shape ``(B, T, d_model)``; every row is encoded as it is.
    gene
        Gene positions, shape ``(B, T)``; the edit is 0 elsewhere.
    features
        Features of each row, shape ``(B, s)`` int64; -1 stands for none.

    Returns
    -------
    Shape ``(B, T, s)``, float32, in units of the residual.
    """
    codes = sae.encode(h[gene])
    wanted = features[gene.nonzero()[:, 0]]
    value = ((codes.index[:, None] == wanted[:, :, None]) * codes.value[:, None]).sum(dim=2)
    out = torch.zeros((*gene.shape, features.shape[1]), device=h.device)
    out[gene] = (alpha - 1) * value * sae.scale
    return out


def moved(h: torch.Tensor, strength: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    """Residuals ``h (B, T, d_model)`` plus ``strength (B, T, s)`` times the row's ``directions (B, s, d_model)``."""
    return (h.float() + strength @ directions).to(h.dtype)


def ablated(sae: SparseAutoencoder, h: torch.Tensor, gene: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """Residuals in which the features ``(B, s)`` of each row do not fire; see `strengths`."""
    return moved(h, strengths(sae, h, gene, features), sae.W_dec.detach()[features.clamp_min(0)])


def last_at(
    model: CellModel, h: torch.Tensor, batch: Batch, places: torch.Tensor, *, after: int,
) -> torch.Tensor:
    """Run the layers after ``after`` and give the last one's output at ``places (B, P)``, ``(B, P, d_model)``.

    With ``after`` the last layer nothing is run.
    """
    last = model.n_layers - 1
    with torch.inference_mode():
        if after == last:
            return gather(h, places)
        for layer in range(after + 1, last):
            h = model.block(layer, h, batch)
        return model.block_at(last, h, batch, places)


def packed(wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Places of each row's true entries, padded with place 0, and which of them are not padding; both ``(B, P)``."""
    order = wanted.to(torch.int8).argsort(dim=1, descending=True, stable=True)
    places = order[:, : int(wanted.sum(dim=1).max())]
    there = wanted.gather(1, places)
    return places.where(there, 0), there
