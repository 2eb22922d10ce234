from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from tests.handmade import Handmade

from cellprism.cells.tokens import TokenizedCells
from cellprism.sae.fidelity import MASKED_SHARE, masked_losses
from cellprism.sae.topk import SparseAutoencoder

GENES, D = 30, 8


class Shift(Handmade):
    """Every block adds 1 to the first dimension; the readout is the product with fixed gene vectors."""

    n_layers, d_model, max_length = 3, D, 50

    def __init__(self) -> None:
        self.vocabulary = {"<pad>": 0, "<mask>": 1, **{f"g{i}": i + 2 for i in range(GENES)}}
        self.vectors = torch.randn(GENES + 2, D, generator=torch.Generator().manual_seed(0))

    def embed(self, batch):
        return self.vectors[batch.tokens] * 3

    def block(self, layer, h, batch):
        return h + torch.eye(D)[0]

    def readout(self, h, batch):
        return h @ self.vectors.T


@pytest.fixture
def tokens() -> TokenizedCells:
    rng = np.random.default_rng(0)
    lengths = rng.integers(5, 20, size=40)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    genes = pd.DataFrame({"token": np.arange(GENES) + 2})
    gene = rng.integers(0, GENES, offsets[-1]).astype(np.int32)
    return TokenizedCells(gene, offsets, genes, pd.DataFrame(index=range(40)))


def identity(d: int) -> SparseAutoencoder:
    """Reconstructs perfectly: an atom along and against every axis."""
    sae = SparseAutoencoder(d, 2 * d, 2 * d)
    with torch.no_grad():
        sae.W_dec.copy_(torch.cat([torch.eye(d), -torch.eye(d)]))
        sae.W_enc.copy_(sae.W_dec)
    return sae


def slow_loss(model: Shift, tokens: TokenizedCells, cell: int, hidden: np.ndarray, replace_at: int, put) -> list[float]:
    own = tokens.token[tokens.offsets[cell] : tokens.offsets[cell + 1]].astype(np.int64)
    masked = np.where(hidden, 1, own)
    h = model.vectors[torch.from_numpy(masked)] * 3
    for layer in range(3):
        h = h + torch.eye(D)[0]
        if layer == replace_at:
            h = put(h)
    logp = torch.log_softmax(h @ model.vectors.T, dim=1)
    return [-float(logp[i, own[i]]) for i in np.flatnonzero(hidden)]


def test_losses_equal_a_loop_over_cells(tokens: TokenizedCells) -> None:
    model = Shift()
    sae = SparseAutoencoder(D, 12, 2)
    sae.initialise(torch.randn(50, D, generator=torch.Generator().manual_seed(3)) + 1, torch.Generator().manual_seed(3))
    cells = np.array([0, 3, 7, 20, 39])
    hidden = np.random.default_rng(5).random(len(tokens.gene)) < MASKED_SHARE
    heard: list[int] = []
    losses = masked_losses(
        model, tokens, cells, {1: sae, 2: sae}, token_budget=40, rng=np.random.default_rng(5), advance=heard.append,
    )
    assert sum(heard) == 5

    def expected(layer: int, put) -> float:
        found = []
        for cell in cells:
            own = hidden[tokens.offsets[cell] : tokens.offsets[cell + 1]]
            found += slow_loss(model, tokens, cell, own, layer, put)
        return float(np.mean(found))

    def spliced(h: torch.Tensor) -> torch.Tensor:
        return sae.decode(sae.encode(h)).detach()

    assert losses.n == sum(hidden[tokens.offsets[c] : tokens.offsets[c + 1]].sum() for c in cells)
    for layer in (1, 2):
        assert losses.spliced[layer] == pytest.approx(expected(layer, spliced), rel=1e-5)
        assert losses.ablated[layer] == pytest.approx(expected(layer, sae.centre.expand_as), rel=1e-5)
    assert losses.clean == pytest.approx(expected(-1, None), rel=1e-5)


def test_a_perfect_autoencoder_recovers_everything(tokens: TokenizedCells) -> None:
    losses = masked_losses(
        Shift(), tokens, np.arange(40), {0: identity(D)}, token_budget=200, rng=np.random.default_rng(0),
        advance=lambda _n: None,
    )
    assert losses.spliced[0] == pytest.approx(losses.clean, abs=1e-5)
    assert math.isfinite(losses.ablated[0])
    assert losses.ablated[0] != pytest.approx(losses.clean, abs=1e-3)
