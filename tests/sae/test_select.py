"""Low precision chooses what float32 chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from cellprism.models.processor import fastest_products
from cellprism.sae import select as module
from cellprism.sae.kernels import quantise, top_k, top_k_scaled
from cellprism.sae.select import Selector

if TYPE_CHECKING:
    from cellprism.models.processor import Precision
    from cellprism.sae.topk import SparseAutoencoder

LOW = ("bfloat16", "int8")


def firing(sae: SparseAutoencoder, x: torch.Tensor, precision: Precision) -> tuple[torch.Tensor, torch.Tensor]:
    """Dense activations, and how many they are."""
    with torch.no_grad():
        value, index = Selector(sae, precision)(x)
    assert all(len(set(row)) == sae.width for row in index.tolist())
    return torch.zeros(len(x), sae.n_features).scatter(1, index.long(), value), (value > 0).sum()


def positions(kind: str) -> torch.Tensor:
    """Normal, or with a few dimensions and a few positions far larger than the others, as real residuals have."""
    x = torch.randn(1500, 64, generator=torch.Generator().manual_seed(1))
    if kind == "outliers":
        x[:, 5] *= 60
        x[:, 9] += 40
        x[::50] *= 30
    return x


@pytest.mark.parametrize("kind", ["normal", "outliers"])
@pytest.mark.parametrize("precision", LOW)
@pytest.mark.parametrize("activation", ["topk", "batchtopk"])
def test_the_choice_is_that_of_float32(autoencoder, precision: Precision, kind: str, activation: str) -> None:
    sae, _ = autoencoder(d=64, n=512, k=16, activation=activation)
    x = positions(kind)
    (expected, n), (found, _) = firing(sae, x, "float32"), firing(sae, x, precision)
    missed = ((expected > 0) & (found == 0)).sum()
    assert missed <= 1e-4 * n
    both = (expected > 0) & (found > 0)
    assert torch.allclose(expected[both], found[both], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("precision", LOW)
def test_doubt_is_settled_in_float32(autoencoder, monkeypatch: pytest.MonkeyPatch, precision: Precision) -> None:
    """With no more candidates than are wanted, low precision alone would often be wrong."""
    sae, _ = autoencoder(d=64, n=512, k=16)
    x = positions("normal")
    expected, n = firing(sae, x, "float32")
    monkeypatch.setattr(module, "CANDIDATES", dict.fromkeys(LOW, 1.0))
    assert ((expected > 0) & (firing(sae, x, precision)[0] == 0)).sum() <= 1e-4 * n
    monkeypatch.setattr(module, "DOUBT", -1e9)
    assert ((expected > 0) & (firing(sae, x, precision)[0] == 0)).sum() > 1e-3 * n


def test_a_dictionary_as_small_as_its_code(autoencoder) -> None:
    sae, x = autoencoder(d=16, n=7, k=7)
    x = sae.normalise(x).detach()
    for precision in LOW:
        assert torch.allclose(firing(sae, x, precision)[0], firing(sae, x, "float32")[0], atol=1e-5)


def test_the_processor_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = {"_is_amx_tile_supported": False, "_is_avx512_supported": False, "_is_vnni_supported": False,
             "_is_avx512_bf16_supported": False}
    expected = {"float32": (), "bfloat16": ("_is_avx512_bf16_supported",),
                "int8": ("_is_avx512_supported", "_is_vnni_supported", "_is_avx512_bf16_supported")}
    for precision, there in expected.items():
        for name, value in flags.items():
            monkeypatch.setattr(torch.cpu, name, lambda value=value or name in there: value)
        assert fastest_products() == precision
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert fastest_products() == "bfloat16"


def test_quantised_rows_are_near() -> None:
    generator = torch.Generator().manual_seed(0)
    x, factor = torch.randn(40, 33, generator=generator), torch.rand(33, generator=generator) + 0.1
    x[7] = 0
    quantised, scale = quantise(x, factor)
    assert (quantised.abs().amax(dim=1)[scale > 0] == 127).all()
    assert ((quantised * scale[:, None] - x * factor).abs() <= 0.5001 * scale[:, None]).all()
    assert not quantised[7].any()


def test_top_k_of_scaled_products() -> None:
    generator = torch.Generator().manual_seed(0)
    products = torch.randint(-9000, 9000, (50, 300), generator=generator, dtype=torch.int32)
    row, column, bias = torch.rand(50, generator=generator), torch.rand(300, generator=generator), torch.randn(300)
    value, index = top_k_scaled(products, row, column, bias, 12)
    pre = products * (row[:, None] * column) + bias
    assert torch.allclose(value.sort(dim=1).values, top_k(pre, 12)[0].sort(dim=1).values)
    assert torch.allclose(pre.gather(1, index.long()), value)
