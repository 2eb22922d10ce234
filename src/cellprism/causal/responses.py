"""What a model's answers lose when a feature is ablated, beside a push of the same length in another direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from cellprism.causal.masking import answers
from cellprism.causal.rows import last_at, moved, packed, strengths, take

if TYPE_CHECKING:
    from cellprism.models.base import Batch, CellModel
    from cellprism.sae.topk import SparseAutoencoder


@dataclass(frozen=True)
class Responses:
    """Changes of a model's answers at N positions; edited less clean, every array of shape ``(N,)``.

    Attributes
    ----------
    row, place
        Where the position is in the batch.
    activation
        The feature's activation there, in the cell as the model saw it.
    score, raw
        Change of the answers' ``score`` and ``raw`` (see `masking.Answers`) when the feature is ablated.
    random_score, random_raw
        The same when the residual moves equally far, at the same positions, along another direction.
    """

    row: torch.Tensor
    place: torch.Tensor
    activation: torch.Tensor
    score: torch.Tensor
    raw: torch.Tensor
    random_score: torch.Tensor
    random_raw: torch.Tensor


def respond(
    model: CellModel, sae: SparseAutoencoder, seen: Batch, truth: Batch, *, layer: int, feature: int,
    direction: torch.Tensor, places: torch.Tensor | None = None,
) -> Responses:
    """Ablate a feature in every row of a batch and read what changes.

    Parameters
    ----------
    sae, layer, feature
        Autoencoder of the layer, and the feature that is ablated wherever it fires.
    seen, truth
        What the model sees, and the same cells with nothing hidden.
    direction
        Unit vector ``(d_model,)`` to move along in place of the feature's atom.
    places
        Positions to read, shape ``(B, T)`` bool; default: those where the feature fires.
    """
    with torch.inference_mode():
        h = next(h for at, h in model.residuals(seen) if at == layer)
        features = torch.full((len(h), 1), feature, device=h.device)
        strength = strengths(sae, h, seen.gene, features)
        places = strength[:, :, 0] != 0 if places is None else places
        at = places.nonzero()
        change = torch.zeros(4, *places.shape, device=h.device)
        # a row in which the feature is silent stays as it is
        rows = ((strength != 0).any(dim=1)[:, 0] & places.any(dim=1)).nonzero()[:, 0]
        if len(rows):
            change[:, rows] = _changes(
                model, h[rows], strength[rows], torch.stack([sae.W_dec[feature], direction]), take(seen, rows),
                take(truth, rows), places[rows], layer,
            )
    row, place = at[:, 0], at[:, 1]
    score, raw, random_score, random_raw = change[:, row, place]
    activation = -strength[row, place, 0] / sae.scale
    return Responses(row, place, activation, score, raw, random_score, random_raw)


def _changes(
    model: CellModel, h: torch.Tensor, strength: torch.Tensor, directions: torch.Tensor, seen: Batch, truth: Batch,
    wanted: torch.Tensor, layer: int,
) -> torch.Tensor:
    """Change of score and raw along each of two directions, at the positions ``wanted (B, T)``: ``(4, B, T)``."""
    n, width = wanted.shape
    states = [h, *(moved(h, strength, d.expand(n, 1, -1)) for d in directions)]
    everyone = torch.arange(n, device=h.device).repeat(len(states))
    places, there = packed(wanted)
    out = last_at(model, torch.cat(states), take(seen, everyone), places[everyone], after=layer)
    at = torch.stack([everyone[:, None].expand(-1, places.shape[1]), places[everyone]], dim=2)[there[everyone]]
    said = answers(model, out[there[everyone]], seen, truth, at)
    found = torch.zeros(len(states), 2, n, width, device=h.device)
    number = torch.arange(len(states), device=h.device).repeat_interleave(int(there.sum()))
    found[number, :, at[:, 0], at[:, 1]] = torch.stack([said.score, said.raw], dim=1)
    return (found[1:] - found[0]).flatten(0, 1)
