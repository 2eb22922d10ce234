"""Linear maps in few bits against the map itself."""

from __future__ import annotations

import pytest
import torch

from cellprism.models.coarse import FORMATS, Exact, quantise


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
