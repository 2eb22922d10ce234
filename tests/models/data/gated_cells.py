from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from cellprism.cells.rank_tokens import GeneVocabulary, rank_tokens
from cellprism.errors import UserError
from cellprism.models.base import Batch, CellModel


class GatedCells(CellModel):
    """Each block mixes a gene with the mean of its cell: ``h + sigmoid(h A) * (mean(h) B)``."""

    max_length = 1000

    def __init__(self, weights, device):
        self.weights = {name: tensor.to(device) for name, tensor in weights["tensors"].items()}
        self.genes = weights["genes"]
        self.vocabulary = {"<pad>": 0, **{name: i + 1 for i, name in enumerate(self.genes)}}
        self.n_layers = sum(name.startswith("A") for name in self.weights)
        self.d_model = self.weights["embedding"].shape[1]
        self.device = device

    def describe(self):
        return {"kind": "gated", "name": "gated cells", "n_layers": self.n_layers, "d_model": self.d_model}

    def tokenize(self, expression, *, min_share_mapped=0.0):
        known = GeneVocabulary(self.vocabulary, dict.fromkeys(self.genes, 1.0), {}, "gated cells")
        return rank_tokens(expression, known, max_genes=self.max_length, min_share_mapped=min_share_mapped)

    def pad(self, tokens, cells):
        lengths = tokens.lengths[cells]
        padded = np.zeros((len(cells), lengths.max()), np.int64)
        for row, cell in enumerate(cells):
            padded[row, : lengths[row]] = tokens.token[tokens.offsets[cell] : tokens.offsets[cell + 1]]
        ids = torch.from_numpy(padded).to(self.device)
        return Batch(tokens=ids, mask=ids > 0, gene=ids > 0, cells=cells, padded=bool((ids == 0).any()))

    def embed(self, batch):
        return self.weights["embedding"][batch.tokens]

    def block(self, layer, h, batch):
        mask = batch.mask[..., None]
        mean = (h * mask).sum(dim=1, keepdim=True) / mask.sum(dim=1, keepdim=True)
        return h + torch.sigmoid(h @ self.weights[f"A{layer}"]) * (mean @ self.weights[f"B{layer}"])

    def readout(self, h, batch):
        return h @ self.weights["embedding"].T


def load(path, *, device):
    file = Path(path, "weights.pt")
    if not file.exists():
        msg = f"no {file}: `model.path` must be a folder with weights.pt."
        raise UserError(msg)
    return GatedCells(torch.load(file, weights_only=True), device)
