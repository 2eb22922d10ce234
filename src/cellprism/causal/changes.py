"""Effects of edits by carrying the changes alone through the later layers: the fast way, held to `cell_effects`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import linear

from cellprism.causal.cost import CHANGES_BYTES
from cellprism.causal.effects import gene_positions, mean_change, padded_places
from cellprism.models.base import BUSY, BUSY_ELSEWHERE, gather
from cellprism.models.differences import ChangedBlock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cellprism.causal.effects import CleanState
    from cellprism.causal.intervention import Edits
    from cellprism.models.base import CellModel
    from cellprism.sae.topk import SparseAutoencoder, TopKCodes

FEW = 3
"""So many edits of a cell share too little of its clean pass: they are no slower in float32."""


@torch.inference_mode()
def changed_effects(
    model: CellModel, saes: Mapping[int, SparseAutoencoder], state: CleanState, edits: Edits, *, token_budget: int,
) -> dict[int, torch.Tensor]:
    """As `cellprism.causal.effects.cell_effects`, within the rounding of changes to bfloat16.

    Parameters and result are the same; the model is in float32 and offers the parts of its blocks. Layers are the
    outer loop: each is run once for the clean cell, and then for the changes of many edits, in batches.
    """
    busy = BUSY.get(state.residual.device.type, BUSY_ELSEWHERE)  # larger batches are no faster
    count = torch.bincount(edits.row, minlength=len(edits))
    n, d = state.residual.shape
    effects = {
        layer: torch.empty((len(edits), saes[layer].n_features), device=state.residual.device)
        for layer in state.targets
    }
    in_a_batch = max(1, min(token_budget, busy) // n)
    batches = list(count.argsort().split(in_a_batch))
    together = max(1, CHANGES_BYTES // (4 * n * d * in_a_batch))
    for first in range(0, len(batches), together):
        group = [_Batch(edits.take(rows), state, rows) for rows in batches[first : first + together]]
        for layer, read in _layers(model, saes, state, group):
            for batch, codes, clean in read:
                effects[layer][batch.rows] = mean_change(
                    codes, clean, batch.row, count[batch.rows], saes[layer].n_features,
                )
    return effects


class _Batch:
    """Changes ``(B, T, d)`` of some edits, and where they are read."""

    def __init__(self, edits: Edits, state: CleanState, rows: torch.Tensor) -> None:
        self.rows = rows
        self.change = torch.zeros((len(edits), *state.residual.shape), device=state.residual.device)
        self.change[edits.row, edits.place] = edits.strength[:, None] * edits.direction[edits.row]
        self.places, self.valid = padded_places(edits)
        self.row = self.valid.nonzero()[:, 0]


def _layers(
    model: CellModel, saes: Mapping[int, SparseAutoencoder], state: CleanState, group: list[_Batch],
) -> Iterator[tuple[int, Iterator[tuple[_Batch, TopKCodes, TopKCodes]]]]:
    """Run a group and yield every target layer with the codes of each batch, edited and clean, where it is read."""
    h, last, positions = state.residual, max(state.targets), gene_positions(state)
    for layer in range(state.layer + 1, last + 1):
        block = ChangedBlock(model.parts(layer), h)
        h = block.out
        for batch in group:
            batch.change = block.change(batch.change, batch.places if layer == last else None)
        if layer in state.targets:
            yield layer, _codes(saes[layer], h[state.places], positions, group, at_places=layer == last)


def _codes(
    sae: SparseAutoencoder, h: torch.Tensor, positions: torch.Tensor, group: list[_Batch], *, at_places: bool,
) -> Iterator[tuple[_Batch, TopKCodes, TopKCodes]]:
    """Codes by clean products in float32 plus those of the changes in bfloat16."""
    clean = linear(sae.normalise(h), sae.W_enc, sae.b_enc)
    clean_codes, coarse = sae.choose(clean.relu()), sae.W_enc.to(torch.bfloat16)
    for batch in group:
        change = batch.change if at_places else gather(batch.change, batch.places)
        touched = positions[batch.places[batch.valid]]
        pushed = linear((change[batch.valid] / sae.scale).to(torch.bfloat16), coarse)
        yield batch, sae.choose((clean[touched] + pushed).relu()), clean_codes.at(touched)
