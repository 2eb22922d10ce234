"""What a model makes of whole cells: the mean of their last residual, and what it says of every gene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from cellprism.models.base import gene_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cellprism.causal.setting import Site
    from cellprism.models.base import Batch, CellModel


@dataclass(frozen=True)
class Said:
    """Of n cells, or of n states of one cell.

    Attributes
    ----------
    pooled
        Mean residual after the last layer over gene positions, shape ``(n, d_model)``, float64.
    profile
        Of every gene of the run its mean logit over gene positions, shape ``(n, genes)``, float64; of a model of
        values the value that it predicts where it reads the gene, and NaN elsewhere.
    """

    pooled: np.ndarray
    profile: np.ndarray

    def __len__(self) -> int:
        return len(self.pooled)

    def take(self, rows: np.ndarray) -> Said:
        return Said(self.pooled[rows], self.profile[rows])


def join(parts: Sequence[Said]) -> Said:
    """The cells of all parts, in their order."""
    return Said(np.concatenate([p.pooled for p in parts]), np.concatenate([p.profile for p in parts]))


def said(model: CellModel, h: torch.Tensor, batch: Batch, genes: np.ndarray) -> Said:
    """Read rows of the last layer.

    Parameters
    ----------
    h
        Residuals after the last layer, shape ``(B, T, d_model)``.
    genes
        Tokens of the run's genes, shape ``(genes,)``.
    """
    with torch.inference_mode():
        pooled = gene_mean(h.float(), batch)
        if model.mask_value is None:
            profile = model.mean_logits(h, batch)[:, torch.from_numpy(genes).to(h.device)]
        else:
            profile = _values(model, h, batch, genes)
    return Said(pooled.cpu().numpy().astype(np.float64), profile.float().cpu().numpy().astype(np.float64))


def cells_said(site: Site, cells: np.ndarray, advance: Callable[[int], None]) -> Said:
    """Read whole cells that nobody interferes with, in the order of ``cells``; ``advance`` is told the cells done."""
    model, genes = site.model, site.tokens.genes["token"].to_numpy()
    parts, order = [], []
    for batch in model.batches(site.tokens, cells, token_budget=site.token_budget):
        for layer, h in model.residuals(batch):
            if layer == model.n_layers - 1:
                parts.append(said(model, h, batch, genes))
        order.append(batch.cells)
        advance(len(batch.cells))
    place = {int(cell): row for row, cell in enumerate(np.concatenate(order))}
    return join(parts).take(np.array([place[int(cell)] for cell in cells]))


def _values(model: CellModel, h: torch.Tensor, batch: Batch, genes: np.ndarray) -> torch.Tensor:
    """Predicted values, ``(B, genes)``, NaN where a cell does not read the gene."""
    number = torch.full((max(int(genes.max()), int(batch.tokens.max())) + 1,), -1, device=h.device)
    number[torch.from_numpy(genes).to(h.device)] = torch.arange(len(genes), device=h.device)
    row, place = batch.gene.nonzero(as_tuple=True)
    out = torch.full((len(h), len(genes)), torch.nan, device=h.device)
    out[row, number[batch.tokens[row, place]]] = model.readout(h, batch).float()[row, place]
    return out
