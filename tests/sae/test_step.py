"""The fast step does what the step written with autograd does."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from cellprism.sae.reference import DEAD_WINDOW, reference_loss, reference_step
from cellprism.sae.step import FastStep
from cellprism.sae.topk import SparseAutoencoder

if TYPE_CHECKING:
    from cellprism.sae.select import Precision

PARAMETERS = ("W_enc", "b_enc", "W_dec")
PRECISIONS = ("float32", "bfloat16", "int8")


def twin(sae: SparseAutoencoder) -> SparseAutoencoder:
    other = SparseAutoencoder(sae.d_model, sae.n_features, sae.k, sae.activation)
    other.load_state_dict(sae.state_dict())
    return other


@pytest.mark.parametrize("activation", ["topk", "batchtopk"])
@pytest.mark.parametrize("n_dead", [0, 3, 25])
def test_gradients_equal_autograd(autoencoder, activation: str, n_dead: int) -> None:
    sae, x = autoencoder(activation=activation)
    fast = FastStep(sae, 1e-3, precision="float32")
    fast.idle[5 : 5 + n_dead] = DEAD_WINDOW
    slow = twin(sae)
    total, error, kept = reference_loss(slow, x, torch.arange(5, 5 + n_dead))
    total.backward()
    found = fast.gradients(x)
    assert found.loss == pytest.approx(float(error.detach()), rel=1e-6)
    assert torch.equal(found.fired, (kept > 0).any(dim=0))
    for name in PARAMETERS:
        expected = getattr(slow, name).grad
        assert (getattr(found, name) - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize("activation", ["topk", "batchtopk"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_steps_equal_autograd(autoencoder, activation: str, precision: Precision) -> None:
    sae, x = autoencoder(activation=activation)
    x = x * 30
    slow, idle = twin(sae), torch.zeros(sae.n_features, dtype=torch.int64)
    optimizer = torch.optim.Adam(slow.parameters(), lr=1e-2)
    fast = FastStep(sae, 1.0, precision=precision)
    idle[::4] = fast.idle[::4] = DEAD_WINDOW
    revived = 0
    for number in range(12):
        batch = x[torch.randperm(200, generator=torch.Generator().manual_seed(number))[:120]]
        revived += int((idle >= DEAD_WINDOW).any())
        loss = reference_step(slow, batch, idle, optimizer)
        assert fast(batch, 1e-2) == pytest.approx(loss, rel=1e-5)
        assert torch.equal(fast.idle, idle)
    assert revived
    for name in PARAMETERS:
        assert (getattr(sae, name) - getattr(slow, name)).abs().max() < 1e-5
    assert torch.allclose(sae.W_dec.norm(dim=1), torch.ones(sae.n_features), atol=1e-6)


def test_a_threshold_is_remembered(autoencoder) -> None:
    sae, x = autoencoder(activation="batchtopk")
    FastStep(sae, 1e-3)(x, 1e-3)
    with torch.inference_mode():
        codes = sae.encode(x)
    assert (codes.value > 0).sum(dim=1).double().mean() == pytest.approx(sae.k, abs=0.5)


class Largest(TorchDispatchMode):
    """Numbers in the largest tensor that is made."""

    made = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.made = max([self.made, *(t.numel() for t in tree_flatten(out)[0] if isinstance(t, torch.Tensor))])
        return out


@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_row_is_made_for_every_firing(autoencoder, precision: Precision) -> None:
    """Outer products of every firing would be the largest thing of a step."""
    sae, x = autoencoder(d=64, n=80, k=20)
    step = FastStep(sae, 1e-3, precision=precision)
    step.idle[::4] = DEAD_WINDOW
    with Largest() as largest:
        step(x, 1e-3)
    assert 200 * 80 <= largest.made < 200 * 20 * 64 / 4


def test_what_is_not_finite_changes_nothing(autoencoder) -> None:
    sae, x = autoencoder()
    before = twin(sae)
    x[3, 2] = math.inf
    assert math.isnan(FastStep(sae, 1e-3)(x, 1e-3))
    for name, tensor in sae.state_dict().items():
        assert torch.equal(tensor, before.state_dict()[name])
