from __future__ import annotations

import numpy as np
import pytest
import torch

from cellprism.sae.reference import auxiliary_loss, batch_threshold


def test_auxiliary_loss_equals_its_formula(autoencoder) -> None:
    sae, x = autoencoder()
    dead = torch.tensor([3, 9, 20])
    normal = sae.normalise(x[:10])
    error = torch.randn(10, 16, generator=torch.Generator().manual_seed(1))
    loss = float(auxiliary_loss(sae, normal, error, dead).detach())
    pre = np.maximum(normal.numpy() @ sae.W_enc[dead].detach().numpy().T + sae.b_enc[dead].detach().numpy(), 0)
    rest = error.numpy() - pre @ sae.W_dec[dead].detach().numpy()
    assert loss == pytest.approx((rest**2).sum() / (error.numpy() ** 2).sum(), rel=1e-5)


def test_auxiliary_loss_moves_dead_features_only(autoencoder) -> None:
    sae, x = autoencoder()
    dead = torch.tensor([3, 9, 20])
    error = torch.randn(10, 16, generator=torch.Generator().manual_seed(1), requires_grad=True)
    auxiliary_loss(sae, sae.normalise(x[:10]), error, dead).backward()
    moved = sae.W_enc.grad.norm(dim=1) + sae.W_dec.grad.norm(dim=1)
    assert set(moved.nonzero().flatten().tolist()) <= set(dead.tolist())
    for weights in (sae.W_enc, sae.W_dec):
        assert (weights.grad[dead].norm(dim=1) > 0).any()
    assert error.grad is None


def test_batch_threshold_is_the_value_of_the_last_that_stays() -> None:
    value = torch.tensor([[9.0, 8, 1], [7, 2, 0], [6, 5, 4]])
    assert float(batch_threshold(value, 2)) == 4
    assert float(batch_threshold(value, 3)) == 0
