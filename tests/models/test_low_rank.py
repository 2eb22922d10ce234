"""Matrices of low rank against singular values, and maps of them against dense ones."""

from __future__ import annotations

import pytest
import torch

from cellprism.models import low_rank as module
from cellprism.models.low_rank import FORMATS, LowRank, LowRankMap, low_rank, pieces

CPU = torch.device("cpu")


def decaying(n: int, d: int, generator: torch.Generator) -> torch.Tensor:
    """Two matrices whose singular values fall as those of changes do."""
    left, right = (torch.linalg.qr(torch.randn(2, m, 40, generator=generator))[0] for m in (n, d))
    return (left * torch.arange(1, 41) ** -1.5) @ right.mT


@pytest.mark.parametrize("size", [1.0, 1e-8, 1e8])
def test_it_is_near_the_best_of_its_rank(size: float) -> None:
    x = size * decaying(300, 64, torch.Generator().manual_seed(0))
    found = low_rank(x, 1.0)
    best = torch.linalg.svdvals(x)[:, module.RANK :].norm(dim=1)
    wrong = (found.dense(slice(None)) - x).flatten(1).norm(dim=1)
    assert found.coefficients.shape == (2, 300, module.RANK) and found.directions.shape == (2, module.RANK, 64)
    assert torch.all(wrong < 1.1 * best)
    gram = found.directions @ found.directions.mT
    assert torch.allclose(gram, torch.eye(module.RANK).expand_as(gram), atol=1e-4)


def test_directions_are_doubled_until_enough_is_kept_and_parts_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(1, 200, 64, generator=generator)
    assert low_rank(x, 1e-3).directions.shape[1] == max(module.RANK, 64 // module.WIDEST)
    monkeypatch.setattr(module, "WIDEST", 1)
    for left_out, rank in ((0.9, module.RANK), (0.4, 32), (1e-3, 64), (-1.0, 64)):
        found = low_rank(x, left_out)
        wrong = (found.dense(slice(None)) - x).square().sum() / x.square().sum()
        assert found.directions.shape[1] == rank and (rank == 64 or wrong <= left_out + 1e-5)
    both = LowRank.joined([low_rank(x, 0.9), found])
    assert torch.equal(both.dense(slice(None))[1], found.dense(slice(None))[0])
    assert torch.allclose(both.dense(slice(None))[0], low_rank(x, 0.9).dense(slice(None))[0], atol=1e-6)


@pytest.mark.parametrize(("number_format", "rounding"), [("float32", 1e-5), ("bfloat16", 0.02)])
def test_what_has_few_directions_is_kept_whole(number_format: str, rounding: float) -> None:
    generator = torch.Generator().manual_seed(1)
    for rank in (1, 5, module.RANK):
        x = torch.randn(3, 50, rank, generator=generator) @ torch.randn(3, rank, 24, generator=generator)
        found = low_rank(x.to(FORMATS[number_format]), 1.0).dense(slice(None))
        assert (found - x).norm() < rounding * x.norm()


def test_zeros_stay_zeros_beside_others() -> None:
    x = decaying(60, 64, torch.Generator().manual_seed(2))
    x[0] = 0
    found = low_rank(x, 1.0).dense(slice(None))
    assert found[0].abs().max() == 0
    assert torch.equal(found[1], low_rank(x[1:], 1.0).dense(slice(None))[0])


def test_maps_and_parts_are_those_of_the_whole() -> None:
    generator = torch.Generator().manual_seed(3)
    weight = torch.nn.Parameter(torch.randn(48, 64, generator=generator))
    x = low_rank(decaying(60, 64, generator), 1.0)
    found = LowRankMap(weight, torch.float32).of(x)
    assert not found.directions.requires_grad
    assert torch.allclose(found.dense(slice(5, 9)), (x.dense(slice(None)) @ weight.detach().T)[:, 5:9], atol=1e-5)
    again = LowRank.joined(found.split(1))
    assert len(again) == len(found) == 2
    assert torch.equal(again.dense(slice(None)), found.dense(slice(None)))


def test_pieces_are_all_rows_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module.CACHED, "cpu", 100)
    for n, size, most in ((17, 20, 5), (3, 1000, 1), (4, 1, 4)):
        found = list(pieces(n, size, CPU))
        assert [i for at in found for i in range(n)[at]] == list(range(n))
        assert max(at.stop - at.start for at in found) == most
