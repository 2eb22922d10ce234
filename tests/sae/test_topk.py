from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cellprism.errors import UserError
from cellprism.runs.config import SAEConfig
from cellprism.sae.files import load, save
from cellprism.sae.metrics import explained_variance, largest_cosine, mean_active
from cellprism.sae.topk import SparseAutoencoder, auxiliary_loss
from cellprism.sae.train import train

if TYPE_CHECKING:
    from pathlib import Path


def autoencoder(d: int = 16, n: int = 40, k: int = 5) -> tuple[SparseAutoencoder, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, d, generator=generator) * 3 + 5
    sae = SparseAutoencoder(d, n, k)
    sae.initialise(x, generator)
    with torch.no_grad():
        sae.b_enc.normal_(0, 0.1, generator=generator)
    return sae, x


def test_encode_and_decode_equal_numpy() -> None:
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


def test_auxiliary_loss_equals_its_formula() -> None:
    sae, x = autoencoder()
    dead = torch.tensor([3, 9, 20])
    normal = sae.normalise(x[:10])
    error = torch.randn(10, 16, generator=torch.Generator().manual_seed(1))
    loss = float(auxiliary_loss(sae, normal, error, dead).detach())
    pre = np.maximum(normal.numpy() @ sae.W_enc[dead].detach().numpy().T + sae.b_enc[dead].detach().numpy(), 0)
    rest = error.numpy() - pre @ sae.W_dec[dead].detach().numpy()
    assert loss == pytest.approx((rest**2).sum() / (error.numpy() ** 2).sum(), rel=1e-5)


def test_auxiliary_loss_moves_dead_features_only() -> None:
    sae, x = autoencoder()
    dead = torch.tensor([3, 9, 20])
    error = torch.randn(10, 16, generator=torch.Generator().manual_seed(1), requires_grad=True)
    auxiliary_loss(sae, sae.normalise(x[:10]), error, dead).backward()
    moved = sae.W_enc.grad.norm(dim=1) + sae.W_dec.grad.norm(dim=1)
    assert set(moved.nonzero().flatten().tolist()) <= set(dead.tolist())
    assert moved[dead].sum() > 0
    assert error.grad is None


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


def planted(n: int, seed: int, *, mean: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions that are sparse sums of 256 known atoms in 64 dimensions, ``mean`` deviations off the origin."""
    generator = torch.Generator().manual_seed(seed)
    atoms = torch.nn.functional.normalize(torch.randn(256, 64, generator=torch.Generator().manual_seed(9)), dim=1)
    index = torch.rand(n, 256, generator=generator).topk(4, dim=1).indices
    value = 1 + torch.rand(n, 4, generator=generator)
    x = torch.nn.functional.embedding_bag(index, atoms, per_sample_weights=value, mode="sum")
    return x + mean * x.std(), atoms


def test_training_finds_a_planted_dictionary_far_from_the_origin_and_repeats_itself() -> None:
    x, atoms = planted(40_000, 0, mean=20.0)
    config = SAEConfig(expansion=4, k=4, steps=1500, batch_size=1024, learning_rate=3e-3)
    trained = train(x, x[:500], config, seed=1, advance=lambda _n: None)
    found = (atoms @ trained.sae.W_dec.detach().T).max(dim=1).values
    assert float((found > 0.9).float().mean()) >= 0.95
    fresh, _ = planted(5000, 5, mean=20.0)
    with torch.no_grad():
        codes = trained.sae.encode(fresh)
    alive = torch.unique(codes.index[codes.value > 0])
    assert len(alive) >= 0.97 * 256
    short = SAEConfig(expansion=2, k=4, steps=60, batch_size=512)
    first, second = (train(x, x[:500], short, seed=3, advance=lambda _n: None) for _ in range(2))
    assert torch.equal(first.sae.W_dec, second.sae.W_dec)
    assert first.log.equals(second.log)


def test_divergence_is_a_sentence() -> None:
    x, _ = planted(500, 0, mean=0.0)
    x[3] = float("nan")
    with pytest.raises(UserError, match="diverged at step"):
        train(x, x[:50], SAEConfig(expansion=2, k=4, steps=50), seed=0, advance=lambda _n: None)


def test_files_are_strict(tmp_path: Path) -> None:
    sae, x = autoencoder()
    path = tmp_path / "sae.safetensors"
    save(sae, path, {"layer": 2})
    again = SparseAutoencoder.load(path)
    assert again.k == sae.k
    assert torch.equal(again.encode(x).index, sae.encode(x).index)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="not a whole safetensors file"):
        load(path)
    path.write_bytes(whole.replace(b'\\"architecture\\": \\"topk\\"', b'\\"architecture\\": \\"jump\\"'))
    with pytest.raises(UserError, match="no TopK autoencoder"):
        load(path)
    with pytest.raises(UserError, match="no autoencoder"):
        load(tmp_path / "absent")
