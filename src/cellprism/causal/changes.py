"""Effects of edits by carrying the changes alone through the later layers: the fast way, held to `cell_effects`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import linear

from cellprism.causal.cost import CHANGES_BYTES, EDITED, ENCODED
from cellprism.causal.effects import gene_positions, mean_change
from cellprism.causal.intervention import Edits
from cellprism.models.base import BUSY, BUSY_ELSEWHERE
from cellprism.models.differences import ChangingBlock
from cellprism.sae.topk import TopKCodes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cellprism.causal.effects import CleanState
    from cellprism.models.base import CellModel
    from cellprism.sae.topk import SparseAutoencoder


def changing_blocks(model: CellModel, source: int, last: int, number_format: str) -> dict[int, ChangingBlock]:
    """The blocks after layer ``source`` up to layer ``last``, with weights for `changed_effects`."""
    return {layer: ChangingBlock(model.parts(layer), number_format) for layer in range(source + 1, last + 1)}


@torch.inference_mode()
def changed_effects(
    blocks: Mapping[int, ChangingBlock], saes: Mapping[int, SparseAutoencoder], state: CleanState, edits: Edits, *,
    token_budget: int,
) -> dict[int, torch.Tensor]:
    """As `cellprism.causal.effects.cell_effects`, but for what is left out where no edit touches the residual.

    Parameters and result are the same, but for the `changing_blocks` of a model in float32. Layers are the outer loop:
    each is run once for the clean cell, and then for the changes of many edits.
    """
    busy = BUSY.get(state.residual.device.type, BUSY_ELSEWHERE)  # larger batches are no faster
    n, d = state.residual.shape
    at_once = max(1, min(token_budget, busy) // n)
    effects = {
        layer: torch.empty((len(edits), saes[layer].n_features), device=state.residual.device)
        for layer in state.targets
    }
    for rows in _together(edits, max(1, CHANGES_BYTES // (4 * n * d))):
        part = _by_row(edits.take(rows))
        count = torch.bincount(part.row, minlength=len(part))
        for layer, codes, clean in _layers(blocks, saes, state, part, at_once):
            effects[layer][rows] = mean_change(codes, clean, part.row, count, saes[layer].n_features)
    return effects


def _together(edits: Edits, most: int) -> Iterator[torch.Tensor]:
    """Rows that go through the layers together: at most so many, and `EDITED` positions."""
    start, room = 0, EDITED
    for row, count in enumerate(torch.bincount(edits.row, minlength=len(edits)).tolist()):
        if row > start and (count > room or row - start == most):
            yield torch.arange(start, row, device=edits.row.device)
            start, room = row, EDITED
        room -= count
    yield torch.arange(start, len(edits), device=edits.row.device)


def _by_row(edits: Edits) -> Edits:
    order = edits.row.argsort(stable=True)
    return Edits(edits.row[order], edits.place[order], edits.strength[order], edits.direction)


def _layers(
    blocks: Mapping[int, ChangingBlock], saes: Mapping[int, SparseAutoencoder], state: CleanState, edits: Edits,
    at_once: int,
) -> Iterator[tuple[int, TopKCodes, TopKCodes]]:
    """Every target layer with the codes of the edited positions, edited and clean."""
    h, last, touched = state.residual, max(state.targets), gene_positions(state)[edits.place]
    change = torch.zeros((len(edits), *h.shape), device=h.device)
    change[edits.row, edits.place] = edits.strength[:, None] * edits.direction[edits.row]
    for layer in range(state.layer + 1, last + 1):
        block = blocks[layer].around(h)
        block.change(
            change, edits.row, edits.place, at_once=at_once, first=layer == state.layer + 1, last=layer == last,
        )
        h = block.out
        del block  # before the next, which takes as much memory
        if layer in state.targets:
            sae = saes[layer]
            clean = linear(sae.normalise(h[state.places]), sae.W_enc, sae.b_enc)
            codes = [
                sae.choose((clean[at] + linear(moved / sae.scale, sae.W_enc)).relu())
                for at, moved in zip(
                    touched.split(ENCODED), change[edits.row, edits.place].split(ENCODED), strict=True,
                )
            ]
            yield layer, TopKCodes.joined(codes), sae.choose(clean.relu()).at(touched)
