"""Linear maps in few bits against the map itself."""

from __future__ import annotations

import pytest
import torch

from cellprism.models import coarse
from cellprism.models.coarse import FORMATS, Exact, product, quantise


@pytest.mark.parametrize(("number_format", "error"), [("int8", 0.02), ("bfloat16", 0.005)])
def test_the_error_is_a_part_of_each_row(number_format: str, error: float) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(48, 64, generator=generator) * torch.logspace(-3, 3, 48)[:, None]
    x = torch.randn(2, 30, 64, generator=generator) * torch.logspace(-6, 2, 30)[:, None]
    found, exact = FORMATS[number_format](weight).of(x), x.double() @ weight.double().T
    assert found.shape == (2, 30, 48) and found.dtype == torch.float32
    size = x.norm(dim=2)[..., None] * weight.norm(dim=1) / 64**0.5  # standard deviation of a random product
    assert ((found - exact) / size).square().mean(dim=2).sqrt().max() < error
    assert torch.allclose(Exact(weight).of(x), exact.float(), rtol=1e-4, atol=1e-4 * float(exact.abs().max()))


def test_rows_of_zeros_stay_zeros() -> None:
    x = torch.zeros(3, 16)
    rows, scale = quantise(x)
    assert rows.abs().max() == 0 and scale.min() > 0
    x[1] = torch.linspace(-2, 1, 16)
    rows, scale = quantise(x)
    assert torch.allclose(rows * scale, x, atol=float(scale[1]) / 2 + 1e-7)


def test_products_are_those_of_integers_on_every_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    for rows in (3, 40):
        x, weight = (torch.randint(-127, 128, (n, 64), dtype=torch.int8, generator=generator) for n in (rows, 24))
        exact = (x.long() @ weight.long().T).float()
        for there in {coarse.multiplies_int8(), False}:
            monkeypatch.setattr(coarse, "multiplies_int8", lambda there=there: there)
            assert torch.equal(product(x, weight), exact)


def test_weights_leave_no_graph() -> None:
    weight = torch.nn.Parameter(torch.randn(8, 16))
    assert not any(one(weight).of(torch.randn(2, 16)).requires_grad for one in (Exact, *FORMATS.values()))
