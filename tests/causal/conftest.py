"""A small model with autoencoders of its own, and two of its cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from cellprism.cells.expression import read_expression
from cellprism.models import load_model
from cellprism.sae.topk import SparseAutoencoder

if TYPE_CHECKING:
    from cellprism.cells.tokens import TokenizedCells
    from cellprism.models.base import CellModel


@dataclass(frozen=True)
class World:
    model: CellModel
    tokens: TokenizedCells
    saes: dict[int, SparseAutoencoder]


@pytest.fixture(scope="session")
def world() -> World:
    """The demo's model on its first cells; the autoencoders are untrained, on the true centre and scale."""
    model = load_model("demo", device="cpu", dtype="float32")
    tokens = model.tokenize(read_expression("demo").take(np.arange(12)))
    batch = model.pad(tokens, np.arange(12))
    generator = torch.Generator().manual_seed(0)
    saes = {}
    for layer, h in model.residuals(batch):
        saes[layer] = SparseAutoencoder(model.d_model, 96, 6)
        saes[layer].initialise(h[batch.gene], generator)
    return World(model, tokens, saes)
