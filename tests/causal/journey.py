"""Cells on the way from early to late, and a model in which known features move them; its wiring is written by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from tests.handmade import Unpadded

from cellprism.causal.markers import expression_levels
from cellprism.causal.ordering import EARLY, Ordering, ordering
from cellprism.causal.parts import CHOOSE, READ, STEER, split_cells
from cellprism.causal.profiles import Said, cells_said
from cellprism.causal.setting import Site
from cellprism.cells.tokens import TokenizedCells
from cellprism.sae.topk import SparseAutoencoder

if TYPE_CHECKING:
    from cellprism.models.base import Batch

N = 8
ON, OFF, STILL = np.arange(N), np.arange(N, 2 * N), np.arange(2 * N, 9 * N)
"""Axes that rise along the way and push cells on, that fall and hold them back, and that do neither."""
AHEAD, ELSEWHERE, WIDTH = 9 * N, 9 * N + 1, 9 * N + 2
"""The axes that these write to."""
GENES, READS = 60, 20
DRIVE = 0.05


class Journey(Unpadded):
    """Block 0 passes on; block 1 writes the mean over positions of each axis to one of two others."""

    n_layers, d_model, max_length = 2, WIDTH, 100

    def __init__(self, time: np.ndarray, rng: np.random.Generator) -> None:
        self.device = torch.device("cpu")
        self.vocabulary = {f"G{gene}": gene for gene in range(GENES)}
        table = rng.uniform(0.5, 1.5, (GENES, WIDTH)) * (rng.random((GENES, WIDTH)) < 0.4)
        table[:, AHEAD:] = 3.0
        level = rng.uniform(0.7, 1.3, (len(time), WIDTH))
        level[:, ON] *= 0.25 + 1.5 * time[:, None]
        level[:, OFF] *= 1.75 - 1.5 * time[:, None]
        level[:, AHEAD:] = 1
        self.table, self.level = torch.from_numpy(table).float(), torch.from_numpy(level).float()
        head = rng.standard_normal((WIDTH, GENES)) * 0.01
        head[AHEAD] = np.where(np.arange(GENES) < GENES // 2, -1.0, 1.0)
        self.head, self.bias = torch.from_numpy(head).float(), torch.from_numpy(rng.standard_normal(GENES) * 3).float()

    def embed(self, batch: Batch) -> torch.Tensor:
        return self.table[batch.tokens] * self.level[torch.from_numpy(batch.cells)][:, None]

    def block(self, layer: int, h: torch.Tensor, batch: Batch) -> torch.Tensor:
        added = torch.zeros_like(h)
        if layer == 1:
            mean = h.mean(dim=1, keepdim=True)
            added[..., AHEAD] = DRIVE * (mean[..., ON].sum(dim=2) - mean[..., OFF].sum(dim=2))
            added[..., ELSEWHERE] = DRIVE * mean[..., STILL].sum(dim=2)
        return h + added

    def readout(self, h: torch.Tensor, batch: Batch) -> torch.Tensor:
        return h @ self.head + self.bias


@dataclass(frozen=True)
class Way:
    """Cells in order, divided, with what the model makes of those that read and those that are steered."""

    site: Site
    order: Ordering
    part: np.ndarray
    means: np.ndarray
    known: Said
    levels: np.ndarray
    other: Said

    @property
    def early(self) -> np.ndarray:
        return np.flatnonzero((self.part == STEER) & (self.order.group == EARLY))

    def choosing(self) -> np.ndarray:
        return np.asarray(self.part == CHOOSE)

    def orders(self, part: int) -> tuple[np.ndarray, np.ndarray]:
        own = self.part == part
        return self.order.group[own], self.order.place[own]


def journey(n_cells: int, seed: int, *, layer: int = 0, shuffled: bool = False) -> Way:
    """Cells of ``READS`` genes; late cells read more of the later half. ``shuffled`` orders them by chance."""
    rng = np.random.default_rng(seed)
    time = rng.random(n_cells)
    model = Journey(time, rng)
    later = np.arange(GENES) >= GENES // 2
    gene = []
    for t in time:
        weight = np.where(later, 0.2 + t, 1.2 - t)
        gene.append(rng.choice(GENES, READS, replace=False, p=weight / weight.sum()))
    genes = pd.DataFrame({"token": np.arange(GENES), "id": "", "symbol": [f"G{g}" for g in range(GENES)]})
    offsets = np.arange(0, READS * n_cells + 1, READS)
    tokens = TokenizedCells(np.concatenate(gene).astype(np.int32), offsets, genes, pd.DataFrame(index=range(n_cells)))
    sae = SparseAutoencoder(WIDTH, WIDTH, WIDTH).requires_grad_(False)
    sae.W_enc.copy_(torch.eye(WIDTH))
    sae.W_dec.copy_(torch.eye(WIDTH))
    site = Site(model, tokens, layer, sae, 400)
    order = ordering("time", rng.permutation(time) if shuffled else time)
    part, _ = split_cells(order, np.full(n_cells, -1), rng)
    with torch.inference_mode():
        h = next(h for at, h in model.residuals(model.pad(tokens, np.arange(n_cells))) if at == layer)
        codes = sae.encode(h.flatten(0, 1))
        dense = torch.zeros(len(codes.value), WIDTH).scatter_(1, codes.index.long(), codes.value)
    fit, test = (np.flatnonzero(part == own) for own in (READ, STEER))
    return Way(
        site, order, part, dense.view(n_cells, READS, WIDTH).mean(dim=1).numpy(),
        cells_said(site, fit, lambda _n: None), expression_levels(tokens, fit), cells_said(site, test, lambda _n: None),
    )
