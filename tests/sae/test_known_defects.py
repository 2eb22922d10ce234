"""What went wrong elsewhere and is not tested beside what it concerns: see each test's first line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from cellprism.runs.config import SAEConfig
from cellprism.sae import train as module
from cellprism.sae.files import load, save
from cellprism.sae.interchange import export_saelens, import_saelens
from cellprism.sae.metrics import explained_variance, mean_squared_error
from cellprism.sae.reference import AUX_WEIGHT, DEAD_WINDOW, auxiliary_loss, reference_loss
from cellprism.sae.stages import evaluate
from cellprism.sae.step import FastStep
from cellprism.sae.train import train

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.sae.select import Precision

CONFIG = SAEConfig(expansion=3, k=3, steps=25, batch_size=64)


def ignore(_n: int) -> None:
    return None


def residuals(n: int = 500) -> torch.Tensor:
    return torch.randn(n, 12, generator=torch.Generator().manual_seed(0)) * 3 + 4


def test_metrics_compare_raw_with_raw(autoencoder) -> None:
    """SAELens compared scaled reconstructions with unscaled residuals, and divided the error by the tokens."""
    sae, x = autoencoder()
    assert not np.isclose(float(sae.scale), 1, atol=0.1)
    table = evaluate(sae, x)[0].set_index("metric")["value"]
    with torch.inference_mode():
        back = sae.decode(sae.encode(x))
    error = (x - back).double().numpy() ** 2
    total = ((x - x.mean(dim=0)) ** 2).double().numpy()
    assert table["explained_variance"] == pytest.approx(1 - error.sum() / total.sum(), rel=1e-6)
    assert table["mean_squared_error"] == pytest.approx(error.mean(), rel=1e-6)
    assert explained_variance(x * 7 - 3, back * 7 - 3) == pytest.approx(explained_variance(x, back), abs=1e-6)
    twice = torch.cat([x, x]), torch.cat([back, back])
    assert mean_squared_error(*twice) == pytest.approx(mean_squared_error(x, back), rel=1e-9)


def test_the_auxiliary_loss_counts_once(autoencoder) -> None:
    """dictionary_learning applied its coefficient twice."""
    sae, x = autoencoder()
    dead = torch.arange(5, 12)
    total, error, _ = reference_loss(sae, x, dead)
    with torch.no_grad():
        normal = sae.normalise(x)
        difference = normal - sae.combine(sae.encode(x))
        own = auxiliary_loss(sae, normal[: len(x) // 8], difference[: len(x) // 8], dead)
    assert float(total.detach()) == pytest.approx(float(error.detach() + own / 32), rel=1e-5)
    assert AUX_WEIGHT == 1 / 32


def test_bfloat16_residuals_train_float32_weights() -> None:
    """SAELens skipped steps in bfloat16; dictionary_learning let a float32 model meet a batch of bfloat16."""
    x = residuals().bfloat16()
    narrow, wide = (train(rows, rows[:50], CONFIG, seed=1, advance=ignore) for rows in (x, x.float()))
    for (name, ours), theirs in zip(narrow.sae.state_dict().items(), wide.sae.state_dict().values(), strict=True):
        assert ours.dtype == torch.float32
        assert torch.equal(ours, theirs), name
    lost, there = narrow.log["loss"].iloc[-1], float(x.float().var(dim=0).mean() / narrow.sae.scale**2)
    assert lost < 0.9 * there


def test_order_is_drawn_once_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """dictionary_learning permutes its whole buffer for every batch."""
    drawn = []
    own = torch.randperm
    monkeypatch.setattr(module.torch, "randperm", lambda n, **rest: drawn.append(n) or own(n, **rest))
    batches = module._Batches(residuals(100), 10, torch.Generator().manual_seed(0))
    for _ in range(25):
        batches.next()
    assert drawn == [100, 100, 100]


def test_consecutive_positions_are_mixed() -> None:
    """BioNeMo's shards in the order of the corpus gave a cliff: a batch must not be one stretch of the file."""
    rows = torch.arange(1000)[:, None].float()
    batch = module._Batches(rows, 100, torch.Generator().manual_seed(0)).next().flatten()
    for decile in range(10):
        assert 1 <= int(((batch >= 100 * decile) & (batch < 100 * (decile + 1))).sum()) <= 30


def test_parameters_lie_feature_by_feature(autoencoder, tmp_path: Path) -> None:
    """BioNeMo's kernel reads a strided transpose: rows of atoms must be contiguous, wherever they come from."""
    sae, x = autoencoder()
    save(sae, tmp_path / "sae.safetensors", {})
    export_saelens(sae, tmp_path / "theirs")
    stepped = FastStep(sae, 1e-3)
    stepped(x, 1e-3)
    for one in (sae, load(tmp_path / "sae.safetensors"), import_saelens(tmp_path / "theirs")):
        assert one.W_enc.shape == one.W_dec.shape == (40, 16)
        assert one.W_enc.is_contiguous()
        assert one.W_dec.is_contiguous()


class Made(TorchDispatchMode):
    """Counts the tensors of ``numel`` entries that get memory of their own."""

    def __init__(self, numel: int) -> None:
        super().__init__()
        self.numel, self.known, self.count = numel, set(), 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = {t.data_ptr() for t in tree_flatten((args, kwargs))[0] if isinstance(t, torch.Tensor)}
        out = func(*args, **(kwargs or {}))
        for tensor in tree_flatten(out)[0]:
            if isinstance(tensor, torch.Tensor) and tensor.numel() == self.numel and tensor.data_ptr() not in given:
                self.count += 1
        return out


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_the_memory_of_the_products_is_kept_between_steps(autoencoder, precision: Precision) -> None:
    """SAELens allocated fresh zeros for every batch."""
    sae, x = autoencoder(d=16, n=300, k=5)
    step = FastStep(sae, 1e-3, precision=precision)
    step.idle[::4] = DEAD_WINDOW
    with Made(len(x) * 300) as first:
        step(x, 1e-3)
    with Made(len(x) * 300) as second:
        step(x, 1e-3)
    assert first.count >= 1
    assert second.count == 0
