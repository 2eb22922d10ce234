"""Effects of editing source features in one cell: what changes in later layers where the source fires."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from cellprism.causal.intervention import Edits, clean_cell, edited, propagate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cellprism.cells.tokens import TokenizedCells
    from cellprism.models.base import Batch, CellModel
    from cellprism.sae.topk import SparseAutoencoder, TopKCodes


@dataclass(frozen=True)
class CleanState:
    """What tracing keeps of a cell that nobody interferes with.

    Attributes
    ----------
    batch
        The cell alone, one row of T tokens.
    places
        Where in the row its n gene positions are, shape ``(n,)`` int64.
    layer
        The source layer.
    residual
        Residual after it, shape ``(T, d_model)``.
    source
        Codes of the gene positions in the source layer.
    targets
        Target layer -> codes of the gene positions there.
    """

    batch: Batch
    places: torch.Tensor
    layer: int
    residual: torch.Tensor
    source: TopKCodes
    targets: dict[int, TopKCodes]

    def nbytes(self) -> int:
        """Memory that it takes."""
        codes = [tensor for c in (self.source, *self.targets.values()) for tensor in (c.index, c.value)]
        return sum(tensor.numel() * tensor.element_size() for tensor in (self.residual, self.batch.tokens, *codes))


def clean_state(
    model: CellModel, saes: Mapping[int, SparseAutoencoder], tokens: TokenizedCells, cell: int, *, source: int,
    targets: Sequence[int],
) -> CleanState:
    """Run one cell once and encode its gene positions in the source layer and in the target layers."""
    clean = clean_cell(model, tokens, cell, layers=[source, *targets])
    with torch.inference_mode():
        codes = {layer: saes[layer].encode(h[clean.places]) for layer, h in clean.residual.items()}
    own = codes.pop(source)
    return CleanState(clean.batch, clean.places, source, clean.residual[source], own, codes)


def cell_effects(
    model: CellModel, saes: Mapping[int, SparseAutoencoder], state: CleanState, edits: Edits, *,
    token_budget: int,
) -> dict[int, torch.Tensor]:
    """Mean change of every target feature over the positions that an edit touches.

    For edit ``b`` at positions ``P_b`` and target ``t``: ``mean over p in P_b of z_t(p | edit b) - z_t(p)``. Only the
    layers after the source are run, the last one for ``P_b`` alone, and only ``P_b`` are encoded. Changes are added
    up in float64, so that a target whose activations all stay what they were has an effect of exactly 0.

    Parameters
    ----------
    model, saes
        The model, and the autoencoder of every target layer.
    state
        The cell.
    edits
        B edits of it in the source layer, each at one position or more.
    token_budget
        Tokens of a batch, at most, unless one row has more.

    Returns
    -------
    Target layer -> effects, shape ``(B, features of that layer)``, float32.
    """
    layers = sorted(state.targets)
    count = torch.bincount(edits.row, minlength=len(edits))
    effects = {
        layer: torch.empty((len(edits), saes[layer].n_features), device=state.residual.device) for layer in layers
    }
    # rows of like numbers of positions go together, which wastes least in the last layer
    for rows in count.argsort().split(max(1, token_budget // len(state.residual))):
        part = edits.take(rows)
        places, valid = padded_places(part)
        touched = gene_positions(state)[places[valid]]
        row = valid.nonzero()[:, 0]
        h = edited(state.residual, part)
        for layer, after in propagate(model, state.batch, h, after=state.layer, layers=layers, places=places):
            with torch.inference_mode():
                codes = saes[layer].encode(after[valid])
                effects[layer][rows] = mean_change(
                    codes, state.targets[layer].at(touched), row, count[rows], saes[layer].n_features,
                )
    return effects


def padded_places(edits: Edits) -> tuple[torch.Tensor, torch.Tensor]:
    """The edited places of every row, ``(B, most)`` int64, filled up with 0, and a mask of those that count."""
    order = edits.row.argsort(stable=True)
    row, place = edits.row[order], edits.place[order]
    count = torch.bincount(row, minlength=len(edits))
    column = torch.arange(len(row), device=row.device) - (count.cumsum(0) - count)[row]
    places = torch.zeros((len(edits), int(count.max())), dtype=torch.int64, device=row.device)
    places[row, column] = place
    valid = torch.arange(places.shape[1], device=row.device) < count[:, None]
    return places, valid


def gene_positions(state: CleanState) -> torch.Tensor:
    """Which gene position each place of the row is, shape ``(T,)``; -1 for special tokens."""
    number = torch.full((len(state.residual),), -1, device=state.places.device)
    number[state.places] = torch.arange(len(state.places), device=state.places.device)
    return number


def mean_change(
    codes: TopKCodes, clean: TopKCodes, row: torch.Tensor, count: torch.Tensor, n_features: int,
) -> torch.Tensor:
    """Sum of ``codes - clean`` over the positions of each row, divided by their ``count``: ``(B, n_features)``."""
    wide = torch.float32 if row.device.type == "mps" else torch.float64  # Apple's GPUs have no float64
    total = torch.zeros(len(count) * n_features, dtype=wide, device=row.device)
    start = row[:, None] * n_features
    total.scatter_add_(0, (start + codes.index).flatten(), codes.value.to(wide).flatten())
    total.scatter_add_(0, (start + clean.index).flatten(), -clean.value.to(wide).flatten())
    return (total.view(len(count), n_features) / count[:, None]).float()
