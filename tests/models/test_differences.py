"""A block of changes against the block itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from cellprism.cells.rank_tokens import GeneVocabulary
from cellprism.models import differences, low_rank
from cellprism.models.base import Batch
from cellprism.models.differences import KINDS, ChangedBlock, ChangingBlock, changes_format
from cellprism.models.geneformer import Geneformer
from cellprism.models.low_rank import FORMATS
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


def difference(model: Any, h: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
    """Of two passes through the second block, in float64."""
    double(model)
    clean = model.block(1, h.double()[None], one_cell())
    found: torch.Tensor = model.block(1, h.double() + change.double(), one_cell()) - clean
    return found


def entries(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What edits touch: two positions of the first row, three of the second and so on."""
    row = torch.repeat_interleave(torch.arange(n), torch.arange(n) + 2)
    return row, torch.cat([torch.randperm(T)[: i + 2] for i in range(n)])


def block_around(model: Any, h: torch.Tensor, number_format: str, layer: int = 1) -> ChangedBlock:
    return ChangingBlock(model.parts(layer), number_format).around(h)


@torch.no_grad()
@pytest.mark.parametrize(("number_format", "rounding"), [("float32", 3e-3), ("bfloat16", 0.03)])
@pytest.mark.parametrize("size", [1.0, 1e-2, 1e-4])
@pytest.mark.parametrize("at_once", [1, 2])
def test_with_all_directions_it_is_the_difference_of_two_passes_whatever_its_size(
    model: Any, monkeypatch: pytest.MonkeyPatch, size: float, number_format: str, rounding: float, at_once: int,
) -> None:
    """Against float64; the error is a part of the change, also of one that bfloat16 residuals would not show."""
    monkeypatch.setattr(low_rank, "RANK", D)
    monkeypatch.setitem(low_rank.CACHED, "cpu", 7 * 96)
    h, change, (row, place) = torch.randn(T, D), size * torch.randn(3, T, D), entries(3)
    block = block_around(model, h, number_format)
    everywhere, there = change.clone(), change.clone()
    block.change(everywhere, row, place, at_once=at_once)
    block.change(there, row, place, at_once=at_once, last=True)
    assert torch.allclose(block.out, model.block(1, h[None], one_cell())[0], atol=1e-5)
    exact = difference(model, h, change)
    assert off(everywhere, exact) < rounding
    assert off(everywhere[row, place], exact[row, place]) < rounding
    assert torch.equal(there[row, place], everywhere[row, place])


@torch.no_grad()
def test_what_comes_back_from_elsewhere_is_nearer_with_more_directions(
    model: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two layers after an edit at few places, against float64; these random weights leave changes of full rank."""
    h, (row, place) = torch.randn(T, D), entries(3)
    change = torch.zeros(3, T, D)
    change[row, place] = 0.1 * torch.randn(3, D)[row]
    monkeypatch.setattr(differences, "LEFT_OUT", 1.0)
    monkeypatch.setattr(differences, "CUT_OFF", 1.0)
    traced = []
    for rank in (1, 8, 32, 64):
        monkeypatch.setattr(low_rank, "RANK", rank)
        traced.append(change.clone())
        block = block_around(model, h, "float32", layer=0)
        block.change(traced[-1], row, place, at_once=2, first=True)
        block_around(model, block.out, "float32").change(traced[-1], row, place, at_once=2)
    double(model)
    one, other = h.double()[None], h.double() + change.double()
    for layer in (0, 1):
        one, other = (model.block(layer, x, one_cell()) for x in (one, other))
    errors = [off(found[row, place], (other - one)[row, place]) for found in traced]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-3 < errors[0]


@torch.no_grad()
@pytest.mark.parametrize("number_format", FORMATS)
def test_right_after_the_edit_what_is_read_is_exact(model: Any, number_format: str) -> None:
    h, change, (row, place) = torch.randn(T, D), torch.zeros(3, T, D), entries(3)
    change[row, place] = torch.randn(len(row), D)
    first, later = change.clone(), change.clone()
    block = block_around(model, h, number_format)
    block.change(first, row, place, at_once=2, first=True)
    block.change(later, row, place, at_once=2)
    assert torch.allclose(first, later, atol=1e-5)
    exact = difference(model, h, change)
    assert off(first[row, place], exact[row, place]) < 1e-5


@torch.no_grad()
def test_what_an_edit_touches_takes_no_directions_from_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where positions attend to themselves, a clean one that attends to its own edit would outweigh all others."""
    torch.manual_seed(3)
    model: Any = geneformer()
    attention = model.bert.bert.encoder.layer[0].attention.self
    for one in (attention.query, attention.key):
        one.weight.copy_(0.8 * torch.eye(D))
        one.bias.zero_()
    h, place = torch.nn.functional.layer_norm(torch.randn(T, D), (D,)), torch.arange(6)
    change = torch.zeros(1, T, D)
    change[0, place] = 0.5 * torch.randn(6, D)
    monkeypatch.setattr(low_rank, "RANK", 8)
    monkeypatch.setattr(low_rank, "WIDEST", 1)
    found, row = change.clone(), torch.zeros(6, dtype=torch.int64)
    block_around(model, h, "float32", layer=0).change(found, row, place, at_once=1, first=True)
    double(model)
    clean = model.block(0, h.double()[None], one_cell())
    exact = model.block(0, h.double() + change.double(), one_cell()) - clean
    assert exact[0, :6].norm() > 20 * exact[0, 6:].norm() > 0
    assert off(found[0, 6:], exact[0, 6:]) < 0.6


@torch.no_grad()
@pytest.mark.parametrize(("t", "place"), [(1, [0]), (2, [1]), (5, [0, 1, 2, 3, 4]), (5, [3])])
def test_short_cells_and_edits_of_all_of_one_are_as_any_other(model: Any, t: int, place: list[int]) -> None:
    h, row = torch.randn(t, D), torch.zeros(len(place), dtype=torch.int64)
    change = torch.zeros(1, t, D)
    change[0, place] = torch.randn(len(place), D)
    found, everything = change.clone(), torch.ones((1, t), dtype=torch.bool)
    cell = Batch(torch.ones((1, t), dtype=torch.int64), everything, everything, np.array([0]), padded=False)
    first = block_around(model, h, "float32", layer=0)
    first.change(found, row, torch.tensor(place), at_once=1, first=True)
    block_around(model, first.out, "float32").change(found, row, torch.tensor(place), at_once=1)
    double(model)
    clean, other = h.double()[None], h.double() + change.double()
    for layer in (0, 1):
        clean, other = (model.block(layer, x, cell) for x in (clean, other))
    assert off(found[0, place], (other - clean)[0, place]) < 0.02


@torch.no_grad()
@pytest.mark.parametrize("number_format", FORMATS)
def test_no_change_changes_nothing(model: Any, number_format: str) -> None:
    change = torch.zeros(2, T, D)
    block_around(model, torch.randn(T, D), number_format, layer=0).change(change, *entries(2), at_once=2)
    assert change.abs().max() < 1e-5


def test_the_kinds_that_offer_their_parts_are_named(model: Any) -> None:
    assert model.describe()["kind"] in KINDS


@pytest.mark.parametrize("fast", [True, False])
def test_it_pays_for_wide_models_on_processors_and_cuda(monkeypatch: pytest.MonkeyPatch, fast: bool) -> None:
    number_format = "bfloat16" if fast else "float32"
    monkeypatch.setattr(differences, "multiplies_bfloat16", lambda: fast)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: fast)
    for device in ("cpu", "cuda"):
        for kind in KINDS:
            assert changes_format(kind, 512, torch.device(device)) == number_format
        assert changes_format("geneformer", 511, torch.device(device)) is None
        assert changes_format("other", 1152, torch.device(device)) is None
    assert changes_format("geneformer", 1152, torch.device("mps")) is None
