from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch

from cellprism.causal.masking import answers, hide
from cellprism.causal.responses import respond
from cellprism.cells.binned_tokens import SymbolVocabulary
from cellprism.cells.tokens import TokenizedCells
from cellprism.errors import UserError
from cellprism.models.scgpt import ScGPT
from cellprism.models.scgpt_network import Network, Sizes
from cellprism.sae.topk import SparseAutoencoder

if TYPE_CHECKING:
    from tests.causal.conftest import World


@pytest.fixture
def values() -> tuple[ScGPT, TokenizedCells]:
    """A small scGPT with random weights, and three cells."""
    torch.manual_seed(0)
    names = ["<pad>", "<cls>", *(f"g{i}" for i in range(20))]
    sizes = Sizes(
        n_layers=3, d_model=16, n_heads=2, d_feedforward=16, n_bins=51, max_length=40, pad_token="<pad>",
        pad_value=-2.0, mask_value=-1.0,
    )
    network = Network(len(names), sizes)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    vocabulary = SymbolVocabulary({name: i for i, name in enumerate(names)}, "toy")
    rng = np.random.default_rng(0)
    gene = np.concatenate([rng.permutation(20)[:n] for n in (12, 15, 9)]).astype(np.int32)
    tokens = TokenizedCells(
        gene, np.array([0, 12, 27, 36]), pd.DataFrame({"token": np.arange(20) + 2}), pd.DataFrame(index=range(3)),
        rng.integers(1, 50, 36).astype(np.float32),
    )
    return ScGPT(network, vocabulary, sizes, name="toy", device=torch.device("cpu")), tokens


def test_a_mask_token_hides_the_gene_and_answers_are_softmax_of_the_logits(world: World) -> None:
    model = world.model
    truth = model.pad(world.tokens, np.array([0, 1]))
    places = torch.zeros_like(truth.gene)
    places[0, 5] = places[1, [3, 8]] = True
    seen = hide(model, truth, places)
    assert (seen.tokens[places] == model.vocabulary["<mask>"]).all()
    assert torch.equal(seen.tokens[~places], truth.tokens[~places])
    h = dict(model.residuals(seen))[model.n_layers - 1]
    with torch.inference_mode():
        said = answers(model, h[places], seen, truth, places.nonzero())
        logits = model.readout(h, seen)[places]
    expected = torch.log_softmax(logits, dim=1)[torch.arange(3), truth.tokens[places]]
    assert torch.allclose(said.score, expected, atol=1e-5)
    assert torch.allclose(said.loss, -expected, atol=1e-5)
    assert torch.equal(said.hit, (logits.argmax(dim=1) == truth.tokens[places]).float())
    assert torch.allclose(said.raw, logits[torch.arange(3), truth.tokens[places]])


def test_a_mask_value_hides_the_expression_and_the_answer_is_the_expression(
    values: tuple[ScGPT, TokenizedCells],
) -> None:
    model, tokens = values
    truth = model.pad(tokens, np.array([0, 2]))
    places = torch.zeros_like(truth.gene)
    places[0, [2, 6]] = places[1, 4] = True
    seen = hide(model, truth, places)
    assert seen.values is not None
    assert truth.values is not None
    assert (seen.values[places] == -1).all()
    assert torch.equal(seen.tokens, truth.tokens)
    h = dict(model.residuals(seen))[2]
    with torch.inference_mode():
        said = answers(model, h[places], seen, truth, places.nonzero())
        expression = model.readout(h, seen)[places]
    assert torch.allclose(said.score, expression)
    assert torch.allclose(said.loss, (expression - truth.values[places]) ** 2)
    assert said.hit.isnan().all()


def test_ablation_changes_the_expression_that_a_model_of_values_predicts(
    values: tuple[ScGPT, TokenizedCells],
) -> None:
    model, tokens = values
    truth = model.pad(tokens, np.array([0, 1]))
    sae = SparseAutoencoder(16, 24, 3)
    sae.initialise(dict(model.residuals(truth))[0][truth.gene], torch.Generator().manual_seed(0))
    places = torch.zeros_like(truth.gene)
    places[:, 3] = True
    seen = hide(model, truth, places)
    fired = sae.encode(dict(model.residuals(seen))[0][truth.gene]).index.ravel().bincount().argmax()
    direction = torch.nn.functional.normalize(torch.ones(16), dim=0)
    got = respond(model, sae, seen, truth, layer=0, feature=int(fired), direction=direction, places=places)
    assert got.score.shape == (2,)
    assert (got.score != 0).any()
    assert (got.random_score != got.score).any()


def test_a_model_that_can_hide_nothing_is_refused(values: tuple[ScGPT, TokenizedCells]) -> None:
    model, tokens = values
    model.mask_value = None
    batch = model.pad(tokens, np.array([0]))
    with pytest.raises(UserError, match="toy has neither a mask token nor a mask value"):
        hide(model, batch, batch.gene)
