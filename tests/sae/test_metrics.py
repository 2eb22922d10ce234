from __future__ import annotations

import math

import pytest
import torch

from cellprism.sae.metrics import (
    explained_variance,
    firing_frequency,
    frequency_histogram,
    largest_cosine,
    loss_recovered,
    mean_active,
    mean_squared_error,
    rare_share,
    silent_share,
)
from cellprism.sae.topk import TopKCodes


def test_explained_variance_of_mean_perfect_and_shifted() -> None:
    x = torch.randn(50, 8, generator=torch.Generator().manual_seed(0)) + 20
    noisy = x + 0.1
    assert explained_variance(x, x.mean(dim=0).expand_as(x)) == pytest.approx(0, abs=1e-6)
    assert explained_variance(x, x) == 1
    assert explained_variance(x + 7, noisy + 7) == pytest.approx(explained_variance(x, noisy), abs=1e-6)


def test_counts_of_active_features_and_cosines() -> None:
    assert mean_active(torch.tensor([[1.0, 0.0], [0.5, 0.1]])) == 1.5
    atoms = torch.tensor([[1.0, 0], [0, 1], [-1, 0]])
    assert largest_cosine(atoms) == pytest.approx(2 / 3)


def test_mean_squared_error_equals_numpy_and_ignores_a_common_shift() -> None:
    x, x_hat = torch.randn(2, 30, 8, generator=torch.Generator().manual_seed(0))
    expected = ((x.numpy() - x_hat.numpy()) ** 2).mean()
    assert mean_squared_error(x, x_hat) == pytest.approx(expected, rel=1e-6)
    assert mean_squared_error(x + 3, x_hat + 3) == pytest.approx(expected, rel=1e-5)
    assert mean_squared_error(x, x) == 0


def test_frequencies_and_their_histogram() -> None:
    index = torch.stack([torch.arange(20_000) % 2, torch.full((20_000,), 2), torch.full((20_000,), 3)], dim=1)
    value = torch.ones(20_000, 3)
    value[1:, 1] = 0
    value[:, 2] = 0
    frequency = firing_frequency(TopKCodes(index, value), 5)
    assert frequency.tolist() == [0.5, 0.5, 1 / 20_000, 0, 0]
    assert silent_share(frequency) == 0.4
    assert rare_share(frequency) == 0.2
    assert frequency_histogram(frequency) == [2, 0, 1, 0, 0, 0, 2]


def test_loss_recovered() -> None:
    assert loss_recovered(2.0, 2.0, 5.0) == 1
    assert loss_recovered(2.0, 5.0, 5.0) == 0
    assert loss_recovered(2.0, 3.5, 5.0) == 0.5
    assert loss_recovered(2.0, 8.0, 5.0) == -1
    assert math.isnan(loss_recovered(2.0, 2.0, 2.0))
