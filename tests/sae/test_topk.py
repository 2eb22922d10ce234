from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cellprism.sae.topk import SparseAutoencoder


def test_encode_and_decode_equal_numpy(autoencoder) -> None:
    sae, x = autoencoder()
    codes = sae.encode(x)
    weights = {name: tensor.detach().double().numpy() for name, tensor in sae.state_dict().items()}
    normal = (x.double().numpy() - weights["centre"]) / weights["scale"]
    pre = np.maximum(normal @ weights["W_enc"].T + weights["b_enc"], 0)
    expected = np.zeros_like(pre)
    for row, values in enumerate(pre):
        best = np.argsort(-values)[:5]
        expected[row, best] = values[best]
    dense = np.zeros_like(pre)
    np.put_along_axis(dense, codes.index.numpy(), codes.value.detach().numpy(), axis=1)
    assert np.allclose(dense, expected, atol=1e-5)
    back = expected @ weights["W_dec"] * weights["scale"] + weights["centre"]
    assert np.allclose(sae.decode(codes).detach().numpy(), back, atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 30), st.integers(2, 60), st.integers(0, 2**31))
def test_atoms_are_unit_rows(d: int, n: int, seed: int) -> None:
    sae = SparseAutoencoder(d, n, 1)
    with torch.no_grad():
        sae.W_dec.copy_(torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) * 7)
    sae.normalise_atoms()
    assert torch.allclose(sae.W_dec.norm(dim=1), torch.ones(n), atol=1e-5)


def test_codes_with_and_without_gradients_are_the_same(autoencoder) -> None:
    sae, x = autoencoder()
    with_gradients = sae.encode(x)
    assert with_gradients.value.requires_grad
    with torch.inference_mode():
        without = sae.encode(x)
    for codes in (with_gradients, without):
        assert codes.index.dtype == torch.int64
        assert all(len(set(row)) == 5 for row in codes.index.tolist())
    dense = [torch.zeros(200, 40).scatter(1, c.index, c.value.detach()) for c in (with_gradients, without)]
    assert torch.allclose(*dense, atol=1e-6)


def test_batchtopk_keeps_what_is_above_its_threshold(autoencoder) -> None:
    sae, x = autoencoder(activation="batchtopk")
    sae.threshold.fill_(0.7)
    assert sae.width == 20
    with torch.inference_mode():
        codes = sae.encode(x)
        pre = sae.pre_activations(sae.normalise(x))
    dense = torch.zeros(200, 40).scatter(1, codes.index, codes.value)
    assert (pre > 0.7).sum(dim=1).max() <= 20
    assert torch.equal(dense, pre * (pre > 0.7))
    assert len(set((dense > 0).sum(dim=1).tolist())) > 3
