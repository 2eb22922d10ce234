"""The step of several layers at once does in each layer what the step of one layer does."""

from __future__ import annotations

import math

import pytest
import torch

from cellprism.sae.batched import BatchedStep
from cellprism.sae.reference import DEAD_WINDOW
from cellprism.sae.step import FastStep
from cellprism.sae.topk import Activation, SparseAutoencoder

CPU = torch.device("cpu")
PARAMETERS = ("W_enc", "b_enc", "W_dec")


def layers(activation: Activation) -> tuple[list[SparseAutoencoder], torch.Tensor]:
    """Three autoencoders, and residuals of 120 positions of their layers, far from the origin and of unequal size."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 120, 16, generator=generator) * torch.tensor([1.0, 3.0, 90.0])[:, None, None] + 5
    saes = []
    for own in x:
        sae = SparseAutoencoder(16, 40, 5, activation)
        sae.initialise(own, generator)
        with torch.no_grad():
            sae.b_enc.normal_(0, 0.1, generator=generator)
            sae.W_enc.add_(torch.randn(40, 16, generator=generator) * 0.1)
        saes.append(sae)
    return saes, x


@pytest.mark.parametrize("activation", ["topk", "batchtopk"])
@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("n_dead", [(0, 0, 0), (3, 0, 25)])
def test_gradients_equal_those_of_one_layer(activation: Activation, narrow: bool, n_dead: tuple[int, ...]) -> None:
    saes, x = layers(activation)
    together = BatchedStep([FastStep(sae, 1e-3) for sae in saes], CPU, narrow=narrow)
    for idle, n in zip(together.idle, n_dead, strict=True):
        idle[5 : 5 + n] = DEAD_WINDOW
    found = together.gradients(x)
    for layer, sae in enumerate(saes):
        alone = FastStep(sae, 1e-3, precision="float32")
        alone.idle[5 : 5 + n_dead[layer]] = DEAD_WINDOW
        expected = alone.gradients(x[layer])
        assert float(found.loss[layer]) == pytest.approx(expected.loss, rel=1e-5)
        assert torch.equal(found.fired[layer], expected.fired)
        assert float(together.threshold[layer]) == pytest.approx(float(sae.threshold), rel=1e-5)
        for name in PARAMETERS:
            theirs = getattr(expected, name)
            assert (getattr(found, name)[layer] - theirs).abs().max() < 1e-5 * theirs.abs().max()


@pytest.mark.parametrize("activation", ["topk", "batchtopk"])
def test_steps_equal_those_of_one_layer(activation: Activation) -> None:
    """Steps alone, then together from where those were, then alone again."""
    saes, x = layers(activation)
    alone = [FastStep(other, 1e-2, precision="float32") for other in layers(activation)[0]]
    mixed = [FastStep(sae, 1e-2, precision="float32") for sae in saes]
    for step in (*alone, *mixed):
        step.idle[::4] = DEAD_WINDOW
    batches = [x[:, torch.randperm(120, generator=torch.Generator().manual_seed(n))[:80]] for n in range(12)]
    losses = [[step(own, 1e-2) for step, own in zip(alone, batch, strict=True)] for batch in batches]
    found = [[step(own, 1e-2) for step, own in zip(mixed, batch, strict=True)] for batch in batches[:2]]
    together = BatchedStep(mixed, CPU)
    found += [together(batch, 1e-2).tolist() for batch in batches[2:9]]
    together.write_back()
    found += [[step(own, 1e-2) for step, own in zip(mixed, batch, strict=True)] for batch in batches[9:]]
    for ours, theirs in zip(found, losses, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
    for one, other in zip(mixed, alone, strict=True):
        assert torch.equal(one.idle, other.idle)
        for name, tensor in one.sae.state_dict().items():
            assert (tensor - other.sae.state_dict()[name]).abs().max() < 1e-5


def test_one_layer_that_is_not_finite_stops_all() -> None:
    saes, x = layers("topk")
    step = BatchedStep([FastStep(sae, 1e-2) for sae in saes], CPU)
    before = step.W_enc.clone()
    x[1, 3, 2] = math.inf
    assert torch.isnan(step(x, 1e-2)).tolist() == [False, True, False]
    assert torch.equal(step.W_enc, before)
    assert not step.idle.any()
