from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from cellprism.errors import UserError
from cellprism.runs.config import SAEConfig
from cellprism.sae import train as module
from cellprism.sae.train import Trained, train

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.sae.topk import SparseAutoencoder, TopKCodes


def planted(n: int, seed: int, *, mean: float, active: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions that are sparse sums of 512 known atoms in 128 dimensions, ``mean`` deviations off the origin."""
    generator = torch.Generator().manual_seed(seed)
    atoms = torch.nn.functional.normalize(torch.randn(512, 128, generator=torch.Generator().manual_seed(9)), dim=1)
    index = torch.rand(n, 512, generator=generator).topk(active, dim=1).indices
    value = 1 + torch.rand(n, active, generator=generator)
    x = torch.nn.functional.embedding_bag(index, atoms, per_sample_weights=value, mode="sum")
    return x + mean * x.std(), atoms


def ignore(_n: int) -> None:
    return None


def firing(sae: SparseAutoencoder, x: torch.Tensor) -> TopKCodes:
    with torch.inference_mode():
        return sae.encode(x)


def same(first: Trained, second: Trained) -> bool:
    tensors = zip(first.sae.state_dict().values(), second.sae.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in tensors) and first.log.equals(second.log)


def test_training_finds_a_planted_dictionary_far_from_the_origin() -> None:
    x, atoms = planted(60_000, 0, mean=20.0)
    config = SAEConfig(expansion=4, k=8, steps=2500, batch_size=1024, learning_rate=5e-3)
    trained = train(x, x[:500], config, seed=1, advance=ignore)
    found = (atoms @ trained.sae.W_dec.detach().T).max(dim=1).values
    assert float((found > 0.9).float().mean()) >= 0.95
    codes = firing(trained.sae, planted(10_000, 5, mean=20.0)[0])
    assert len(torch.unique(codes.index[codes.value > 0])) > 0.99 * 512


def test_batchtopk_spends_its_features_where_they_are_needed() -> None:
    few, _ = planted(8000, 0, mean=0.0, active=2)
    many, _ = planted(8000, 1, mean=0.0, active=14)
    x = torch.cat([few, many])
    config = SAEConfig(activation="batchtopk", expansion=4, k=8, steps=250, batch_size=1024, learning_rate=3e-3)
    sae = train(x, x[:500], config, seed=1, advance=ignore).sae
    active = [float((firing(sae, part).value > 0).sum(dim=1).double().mean()) for part in (few, many)]
    assert sum(active) / 2 == pytest.approx(8, rel=0.1)
    assert active[0] < 6
    assert active[1] > 10


@pytest.mark.parametrize("activation", ["topk", "batchtopk"])
def test_a_killed_training_ends_as_if_nothing_had_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, activation: str,
) -> None:
    monkeypatch.setattr(module, "SAVE_EVERY", 25)
    for where in ("train", "step"):
        monkeypatch.setattr(f"cellprism.sae.{where}.DEAD_WINDOW", 3)
    x, _ = planted(3000, 0, mean=2.0)
    config = SAEConfig(activation=activation, expansion=4, k=4, steps=110, batch_size=64)
    quiet = train(x, x[:200], config, seed=3, advance=ignore)
    assert quiet.log["dead"].max() > 0
    path = tmp_path / "training.checkpoint"
    for moment, kept in ((20, 0), (60, 50), (102, 100)):
        done = 0

        def kill(n: int, moment: int = moment) -> None:
            nonlocal done
            done += n
            if done == moment:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(x, x[:200], config, seed=3, advance=kill, checkpoint=path, training_set="x")
        assert path.exists() == (kept > 0)
    heard: list[int] = []
    assert same(train(x, x[:200], config, seed=3, advance=heard.append, checkpoint=path, training_set="x"), quiet)
    assert heard[0] == 100
    assert sum(heard) == 110


def test_a_checkpoint_of_another_task_or_a_damaged_one_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SAVE_EVERY", 20)
    x, _ = planted(2000, 0, mean=0.0)
    config = SAEConfig(expansion=2, k=4, steps=40, batch_size=128)
    path = tmp_path / "training.checkpoint"
    for seed, training_set in ((3, "x"), (4, "x"), (4, "y")):
        heard: list[int] = []
        train(x, x[:100], config, seed=seed, advance=heard.append, checkpoint=path, training_set=training_set)
        assert heard[0] == 0
    path.write_bytes(path.read_bytes()[:1000])
    train(x, x[:100], config, seed=4, advance=heard.append, checkpoint=path, training_set="y")
    assert sum(heard) == 80


def test_the_same_seed_gives_the_same_result() -> None:
    x, _ = planted(2000, 0, mean=5.0)
    config = SAEConfig(expansion=2, k=4, steps=60, batch_size=512)
    first, second, other = (train(x, x[:500], config, seed=seed, advance=ignore) for seed in (3, 3, 4))
    assert same(first, second)
    assert not same(first, other)


def test_batches_go_through_all_rows_in_an_order_that_changes() -> None:
    rows = torch.arange(100)[:, None].float()
    batches = module._Batches(rows, 20, torch.Generator().manual_seed(0))
    epochs = [torch.cat([batches.next() for _ in range(5)]).flatten().tolist() for _ in range(3)]
    assert all(sorted(epoch) == list(range(100)) for epoch in epochs)
    assert all(epoch != sorted(epoch) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_divergence_is_a_sentence(tmp_path: Path) -> None:
    x, _ = planted(500, 0, mean=0.0)
    config = SAEConfig(expansion=2, k=4, steps=50, batch_size=100)
    path = tmp_path / "training.checkpoint"
    broken = x.clone()
    broken[3] = float("nan")
    with pytest.raises(UserError, match="diverged at step 1: the loss or its gradient is not finite; lower"):
        train(broken, x[:50], config, seed=0, advance=ignore, checkpoint=path)
    assert not path.exists()


def test_the_last_good_state_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, _ = planted(500, 0, mean=0.0)
    config = SAEConfig(expansion=2, k=4, steps=50, batch_size=100)
    path = tmp_path / "training.checkpoint"
    own = module._Batches.next
    calls = 0

    def poisoned(self: module._Batches) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return own(self) * (float("inf") if calls == 31 else 1)

    monkeypatch.setattr(module._Batches, "next", poisoned)
    with pytest.raises(UserError, match=f"at step 31: .* the state after step 30 is kept in {path}; lower"):
        train(x, x[:50], config, seed=0, advance=ignore, checkpoint=path)
    calls = 100
    heard: list[int] = []
    trained = train(x, x[:50], config, seed=0, advance=heard.append, checkpoint=path)
    assert heard[0] == 30
    assert all(torch.isfinite(tensor).all() for tensor in trained.sae.state_dict().values())
