"""The one primitive of this room: edit the residual of a cell and run only the layers after it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from cellprism.models.base import gather

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cellprism.cells.tokens import TokenizedCells
    from cellprism.models.base import Batch, CellModel
    from cellprism.sae.topk import SparseAutoencoder, TopKCodes


@dataclass(frozen=True)
class CleanCell:
    """A cell as the model leaves it when nobody interferes.

    Attributes
    ----------
    batch
        The cell alone, one row of T tokens.
    places
        Where in the row its n gene positions are, shape ``(n,)`` int64, in the order of the tokenised cell.
    residual
        Layer -> residual after it, shape ``(T, d_model)``, for the layers that were asked for.
    """

    batch: Batch
    places: torch.Tensor
    residual: dict[int, torch.Tensor]


@dataclass(frozen=True)
class Edits:
    """Rank-one edits of one cell, one in each of B rows.

    At ``place[j]`` of row ``row[j]`` the edit adds ``strength[j] * direction[row[j]]`` to the residual: the atom of a
    feature by what it fires (`scale_features`), or any unit direction by a given norm. Whatever the autoencoder does
    not explain of the residual stays as it is.

    Attributes
    ----------
    row, place
        Shape ``(m,)``, int64; no pair occurs twice.
    strength
        Shape ``(m,)``, float32, in units of the residual.
    direction
        Shape ``(B, d_model)``, float32.
    """

    row: torch.Tensor
    place: torch.Tensor
    strength: torch.Tensor
    direction: torch.Tensor

    def __len__(self) -> int:
        return len(self.direction)

    def along(self, direction: torch.Tensor) -> Edits:
        """The same edits along other directions, shape ``(B, d_model)``: a control, norm-matched if these are unit."""
        return replace(self, direction=direction)

    def take(self, rows: torch.Tensor) -> Edits:
        """The edits of the distinct ``rows``, in that order."""
        place_of = torch.full((len(self),), -1, device=self.row.device)
        place_of[rows] = torch.arange(len(rows), device=rows.device)
        chosen = place_of[self.row] >= 0
        return Edits(place_of[self.row[chosen]], self.place[chosen], self.strength[chosen], self.direction[rows])


def clean_cell(model: CellModel, tokens: TokenizedCells, cell: int, *, layers: Sequence[int]) -> CleanCell:
    """Run one cell up to the last of ``layers`` and keep the residual after each of them."""
    batch = model.pad(tokens, np.array([cell]))
    kept = {}
    for layer, h in model.residuals(batch):
        if layer in layers:
            kept[layer] = h[0]
        if layer == max(layers):
            break
    return CleanCell(batch, batch.gene[0].nonzero()[:, 0], kept)


def scale_features(
    sae: SparseAutoencoder, codes: TopKCodes, places: torch.Tensor, features: torch.Tensor, *, alpha: float = 0.0,
) -> Edits:
    """Scale each of ``features`` wherever it fires in a cell: ``h' = h + (alpha - 1) * z_f * atom_f``.

    Parameters
    ----------
    sae
        Autoencoder of the layer that is edited.
    codes
        Codes of the cell's n gene positions in that layer.
    places
        Where those positions are in the row, shape ``(n,)``.
    features
        Distinct features, shape ``(B,)`` int64: one edit each. A feature that does not fire gives a row without edits.
    alpha
        0 ablates, above 1 amplifies.
    """
    row_of = torch.full((sae.n_features,), -1, device=features.device)
    row_of[features] = torch.arange(len(features), device=features.device)
    chosen = (codes.value > 0) & (row_of[codes.index] >= 0)
    position = chosen.nonzero()[:, 0]
    return Edits(
        row_of[codes.index[chosen]], places[position], (alpha - 1) * codes.value[chosen] * sae.scale,
        sae.W_dec.detach()[features],
    )


def edited(residual: torch.Tensor, edits: Edits) -> torch.Tensor:
    """Residuals ``(B, T, d_model)``: the clean one ``(T, d_model)`` in every row, with the row's edit."""
    rows = residual.expand(len(edits), *residual.shape).clone()
    changed = residual[edits.place] + edits.strength[:, None] * edits.direction[edits.row]
    rows[edits.row, edits.place] = changed.to(rows.dtype)
    return rows


def propagate(
    model: CellModel, batch: Batch, h: torch.Tensor, *, after: int, layers: Sequence[int],
    places: torch.Tensor | None = None,
) -> Iterator[tuple[int, torch.Tensor]]:
    """Run the layers after layer ``after`` and yield the residual after each of ``layers``, which ascend.

    Parameters
    ----------
    model, batch
        The model, and the one-row batch of the cell.
    h
        Residuals after layer ``after``, shape ``(B, T, d_model)``: rows of the same cell.
    after, layers
        The edited layer, and the layers to read, all beyond it.
    places
        The positions to read in every row, shape ``(B, P)`` int64; other positions of the last layer are not computed.
        Default: all.

    Yields
    ------
    Layer and residuals, ``(B, P, d_model)`` or ``(B, T, d_model)``.
    """
    rows = repeat(batch, len(h))
    with torch.inference_mode():
        for layer in range(after + 1, layers[-1]):
            h = model.block(layer, h, rows)
            if layer in layers:
                yield layer, h if places is None else gather(h, places)
        last = layers[-1]
        yield last, model.block(last, h, rows) if places is None else model.block_at(last, h, rows, places)


def repeat(batch: Batch, n: int) -> Batch:
    """A one-row batch as ``n`` equal rows, without copying."""

    def rows(x: torch.Tensor) -> torch.Tensor:
        return x.expand(n, *x.shape[1:])

    return replace(
        batch, tokens=rows(batch.tokens), mask=rows(batch.mask), gene=rows(batch.gene),
        cells=np.repeat(batch.cells, n), values=None if batch.values is None else rows(batch.values),
    )
