"""A block of changes against the block itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from cellprism.cells.rank_tokens import GeneVocabulary
from cellprism.models import differences
from cellprism.models.base import Batch, gather
from cellprism.models.differences import KINDS, ChangedBlock, changes_pay
from cellprism.models.geneformer import Geneformer
from cellprism.models.scgpt import ScGPT
from cellprism.models.scgpt_network import Network, Sizes

if TYPE_CHECKING:
    from collections.abc import Callable

    from cellprism.models.base import CellModel

T, D = 40, 64
CPU = torch.device("cpu")


def geneformer(activation: str = "gelu") -> Geneformer:
    from transformers import BertConfig, BertForMaskedLM

    bert = BertForMaskedLM(BertConfig(
        vocab_size=30, hidden_size=D, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96,
        hidden_act=activation, attn_implementation="sdpa", initializer_range=0.2,
    ))
    genes = GeneVocabulary({"<pad>": 0, "<mask>": 1, "g": 2}, {"g": 1.0}, {}, "test")
    return Geneformer(bert, genes, name="test", device=CPU)


def scgpt() -> ScGPT:
    from cellprism.cells.binned_tokens import SymbolVocabulary

    sizes = Sizes(
        n_layers=2, d_model=D, n_heads=4, d_feedforward=48, n_bins=51, max_length=60, pad_token="<pad>",
        pad_value=-2, mask_value=-1,
    )
    network = Network(30, sizes)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return ScGPT(network, SymbolVocabulary({"<pad>": 0, "<cls>": 1}, "test"), sizes, name="test", device=CPU)


MODELS: dict[str, Callable[[], CellModel]] = {
    "geneformer": geneformer, "relu": lambda: geneformer("relu"), "scgpt": scgpt,
}


@pytest.fixture(params=sorted(MODELS))
def model(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(3)
    return MODELS[request.param]()


def one_cell() -> Batch:
    everything = torch.ones((1, T), dtype=torch.bool)
    return Batch(torch.ones((1, T), dtype=torch.int64), everything, everything, np.array([0]), padded=False)


def double(model: Any) -> None:
    for name in ("bert", "network"):
        if hasattr(model, name):
            getattr(model, name).double()


def off(found: torch.Tensor, exact: torch.Tensor) -> float:
    return float((found - exact).norm() / exact.norm())


@torch.no_grad()
@pytest.mark.parametrize("size", [1.0, 1e-2, 1e-4])
def test_it_is_the_difference_of_two_passes_whatever_its_size(model: Any, size: float) -> None:
    """Against float64; the error is a part of the change, also of one that bfloat16 residuals would not show."""
    h, change = torch.randn(T, D), size * torch.randn(3, T, D)
    places = torch.stack([torch.randperm(T)[:7] for _ in range(3)])
    block = ChangedBlock(model.parts(1), h)
    everywhere, there = block.change(change), block.change(change, places)
    assert torch.allclose(block.out, model.block(1, h[None], one_cell())[0], atol=1e-5)
    double(model)
    clean = model.block(1, h.double()[None], one_cell())
    exact = model.block(1, h.double() + change.double(), one_cell()) - clean
    assert everywhere.dtype == torch.float32
    assert off(everywhere, exact) < 0.01
    assert there.shape == (3, 7, D)
    assert off(there, gather(exact, places)) < 0.01


@torch.no_grad()
def test_no_change_changes_nothing(model: Any) -> None:
    block = ChangedBlock(model.parts(0), torch.randn(T, D))
    assert block.change(torch.zeros(2, T, D)).abs().max() < 1e-5


def test_the_kinds_that_offer_their_parts_are_named(model: Any) -> None:
    assert model.describe()["kind"] in KINDS


def test_it_pays_for_wide_models_where_bfloat16_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differences, "multiplies_bfloat16", lambda: True)
    assert changes_pay("geneformer", 1152, CPU)
    assert not changes_pay("geneformer", 256, CPU)
    assert not changes_pay("other", 1152, CPU)
    assert not changes_pay("geneformer", 1152, torch.device("mps"))
    monkeypatch.setattr(differences, "multiplies_bfloat16", lambda: False)
    assert not changes_pay("geneformer", 1152, CPU)
