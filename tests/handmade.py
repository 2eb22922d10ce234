"""What models that tests make by hand share: their cells come as tokens."""

from __future__ import annotations

import numpy as np
import torch

from cellprism.models.base import Batch, CellModel


class Handmade(CellModel):
    """A model of rank tokens, 0 of which is padding; subclasses say what its blocks do."""

    device = torch.device("cpu")

    def describe(self):
        return {"name": "made by hand"}

    def tokenize(self, expression, *, min_share_mapped=0.0):
        raise NotImplementedError

    def pad(self, tokens, cells):
        lengths = tokens.lengths[cells]
        padded = torch.zeros(len(cells), int(lengths.max()), dtype=torch.int64)
        for row, cell in enumerate(cells):
            own = slice(tokens.offsets[cell], tokens.offsets[cell + 1])
            padded[row, : lengths[row]] = torch.from_numpy(tokens.token[own])
        return Batch(padded, padded > 0, padded > 0, cells, padded=True)


class Unpadded(CellModel):
    """A model of cells of equal length, in which genes are their own tokens."""

    device = torch.device("cpu")

    def describe(self):
        return {"kind": "made by hand"}

    def tokenize(self, expression, *, min_share_mapped=0.0):
        raise NotImplementedError

    def pad(self, tokens, cells):
        own = np.stack([tokens.gene[tokens.offsets[c] : tokens.offsets[c + 1]] for c in cells]).astype(np.int64)
        every = torch.ones(own.shape, dtype=torch.bool)
        return Batch(torch.from_numpy(own), every, every, cells, padded=False)
