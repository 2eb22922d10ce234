"""A transformer whose wiring is known because it was written by hand, and dictionaries that read its axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from tests.handmade import Unpadded

from cellprism.cells.tokens import TokenizedCells
from cellprism.sae.topk import SparseAutoencoder

if TYPE_CHECKING:
    from cellprism.models.base import Batch

SUPPORTER, OPPOSER, BROADCASTER, TARGET, EVERYWHERE, FICKLE, SECOND, MOOD = range(8)
"""Axes of the residual. The first three fire on some genes; the mood is the same at all positions of a cell."""
EDGES = {
    1: {
        (SUPPORTER, SUPPORTER): 1, (OPPOSER, OPPOSER): 1, (BROADCASTER, BROADCASTER): 1,
        (SUPPORTER, TARGET): 1, (OPPOSER, TARGET): -1, (BROADCASTER, EVERYWHERE): 1,
    },
}
EDGES[2] = {**EDGES[1], (SUPPORTER, SECOND): -1, (OPPOSER, SECOND): 1}
"""Target layer -> (source, target) -> sign. The supporter drives the fickle axis too, with a sign that cells draw."""


class Planted(Unpadded):
    """Block 0 passes on; block 1 wires axes within positions, through the mean over positions and by mood; block 2
    lets the target oppose the second."""

    n_layers, d_model, max_length = 3, 8, 100

    def __init__(self, n_genes: int, rng: np.random.Generator) -> None:
        self.device = torch.device("cpu")
        self.vocabulary = {f"G{gene}": gene for gene in range(n_genes)}
        table = np.zeros((n_genes, 8), np.float32)
        table[:, :3] = rng.uniform(0.5, 1.5, (n_genes, 3)) * (rng.random((n_genes, 3)) < 0.4)
        table[:, 3:7] = rng.uniform(4, 6, (n_genes, 4))
        self.table = torch.from_numpy(table)
        self.moods: dict[int, float] = {}

    def embed(self, batch: Batch) -> torch.Tensor:
        h = self.table[batch.tokens].clone()
        h[:, :, MOOD] = torch.tensor([self.moods[int(cell)] for cell in batch.cells])[:, None]
        return h

    def block(self, layer: int, h: torch.Tensor, batch: Batch) -> torch.Tensor:
        added = torch.zeros_like(h)
        if layer == 1:
            added[..., TARGET] = 0.6 * h[..., SUPPORTER] - 0.6 * h[..., OPPOSER]
            added[..., EVERYWHERE] = 2 * h[..., BROADCASTER].mean(dim=1, keepdim=True)
            added[..., FICKLE] = h[..., MOOD] * h[..., SUPPORTER]
        if layer == 2:
            added[..., SECOND] = -0.5 * h[..., TARGET]
        return h + added

    def readout(self, h: torch.Tensor, batch: Batch) -> torch.Tensor:
        return h


def planted_world(
    n_cells: int, rng: np.random.Generator,
) -> tuple[Planted, TokenizedCells, dict[int, SparseAutoencoder]]:
    """The model, cells of 20 of its 60 genes, half of them in either mood, and a dictionary of the axes per layer."""
    model = Planted(60, rng)
    model.moods = {cell: (-1.0) ** cell * rng.uniform(0.5, 1.5) for cell in range(n_cells)}
    gene = np.concatenate([rng.choice(60, 20, replace=False) for _ in range(n_cells)]).astype(np.int32)
    genes = pd.DataFrame({"token": np.arange(60), "id": "", "symbol": ""})
    tokens = TokenizedCells(gene, np.arange(0, 20 * n_cells + 1, 20), genes, pd.DataFrame(index=range(n_cells)))
    saes = {layer: SparseAutoencoder(8, 8, 8).requires_grad_(False) for layer in range(3)}
    for sae in saes.values():
        sae.W_enc.copy_(torch.eye(8))
        sae.W_dec.copy_(torch.eye(8))
    return model, tokens, saes
