from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from cellprism.causal.damage import Arms, Damage, choose_arms, compare_arms, measure_damage
from cellprism.causal.masking import MASKED_SHARE
from cellprism.causal.setting import Site
from cellprism.causal.work import Work

if TYPE_CHECKING:
    from pathlib import Path

    from tests.causal.conftest import World

FEATURES = np.array([2, 17, 40, 95])


@pytest.fixture
def site(world: World) -> Site:
    return Site(world.model, world.tokens, 1, world.saes[1], 700)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path / "work", {})


def test_damage_equals_a_slow_loop_on_the_same_hidden_genes(site: Site, work: Work) -> None:
    cells, done = np.array([3, 8]), list[int]()
    found = measure_damage(site, FEATURES, cells, seed=5, work=work, advance=done.append)
    model = site.model
    for i, cell in enumerate(cells):
        rng = np.random.default_rng([5, 1, 32, cell])
        batch = model.pad(site.tokens, np.array([cell]))
        genes = batch.gene[0].nonzero()[:, 0]
        n = round(MASKED_SHARE * len(genes))
        at = genes[torch.from_numpy(np.sort(rng.choice(len(genes), n, replace=False)))]
        truth, hidden = batch.tokens[0, at], batch.tokens.clone()
        hidden[0, at] = model.vocabulary["<mask>"]
        seen = type(batch)(hidden, batch.mask, batch.gene, batch.cells, batch.padded)
        assert found.n_hidden[i] == n
        for j, feature in enumerate([None, *FEATURES]):
            with torch.inference_mode():
                h = model.embed(seen)
                for layer in range(model.n_layers):
                    h = model.block(layer, h, seen).clone()
                    if layer == 1 and feature is not None:
                        codes = site.sae.encode(h[0, genes])
                        z = (codes.value * (codes.index == feature)).sum(dim=1)
                        assert bool((z > 0).any()) == found.fires[i, j - 1]
                        h[0, genes] -= z[:, None] * site.sae.scale * site.sae.W_dec[feature]
                logits = model.readout(h, seen)[0, at]
            loss = torch.nn.functional.cross_entropy(logits, truth).item()
            hit = (logits.argmax(dim=1) == truth).float().mean().item()
            if feature is None:
                np.testing.assert_allclose(found.clean[:, i], [loss, hit], atol=1e-5)
            else:
                change = [loss - found.clean[0, i], hit - found.clean[1, i]]
                np.testing.assert_allclose(found.change[:, i, j - 1], change, atol=2e-5)
    assert done == [1, 1]


def test_cells_that_are_done_are_not_run_again(site: Site, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    def measured() -> Damage:
        return measure_damage(site, FEATURES, np.array([3, 8, 5]), seed=5, work=work, advance=lambda _n: None)

    alone = measure_damage(site, FEATURES, np.array([8]), seed=5, work=work, advance=lambda _n: None)
    whole = measured()
    np.testing.assert_array_equal(whole.change[:, 1], alone.change[:, 0])
    assert whole.change.shape == (2, 3, 4) and whole.fires.shape == (3, 4) and whole.clean.shape == (2, 3)
    monkeypatch.setattr("cellprism.causal.damage.hide", None)
    again = measured()
    for name, value in vars(whole).items():
        np.testing.assert_array_equal(getattr(again, name), value)


def test_a_feature_that_does_not_fire_does_no_damage_and_its_cell_counts(site: Site, work: Work) -> None:
    with torch.no_grad():
        kept = site.sae.b_enc[17].clone()
        site.sae.b_enc[17] = -1000
    found = measure_damage(site, FEATURES, np.arange(3), seed=0, work=work, advance=lambda _n: None)
    with torch.no_grad():
        site.sae.b_enc[17] = kept
    assert not found.fires[:, 1].any()
    assert not found.change[:, :, 1].any()
    assert found.change[0][found.fires].any()
    assert found.change.shape == (2, 3, 4)


def test_matched_features_are_the_nearest_in_log_frequency_and_none_serves_twice() -> None:
    frequency = np.array([0.5, 0.01, 0.4, 0.012, 0.1, 0.09, 0.011, 0.45])
    arms = choose_arms(np.array([0, 1]), np.arange(8), frequency, np.random.default_rng(0))
    assert arms.chosen.tolist() == [0, 1]
    assert arms.matched.tolist() == [7, 6]
    assert not set(arms.random) & {0, 1}
    assert len(arms.random) == 2


def made_up(rng: np.random.Generator, shift: float) -> Damage:
    """Features differ, cells differ; the first ten features do ``shift`` more damage."""
    change = 0.5 * rng.standard_normal((1, 1, 30)) + 0.1 * rng.standard_normal((2, 25, 30))
    change[:, :, :10] += shift
    return Damage(change, np.ones((25, 30), bool), np.ones((2, 25)), np.full(25, 40))


def test_hubs_that_do_more_damage_are_found_and_luck_is_told_from_kind() -> None:
    rng = np.random.default_rng(0)
    arms = Arms(np.arange(10), np.arange(10, 20), np.arange(20, 30))
    found = compare_arms(made_up(rng, 2.0), np.arange(30), arms, np.arange(25), seed=0)
    assert found["metric"].tolist() == ["loss", "loss", "hit", "hit"]
    assert (found["difference"] > 1).all()
    assert (found["low"] > 0).all()
    assert (found["p"] < 0.01).all()
    assert (found["p_features"] < 0.01).all()
    tables = [compare_arms(made_up(rng, 0.0), np.arange(30), arms, np.arange(25), seed=s) for s in range(40)]
    p = np.array([table.loc[:1, ["p", "p_features"]] for table in tables])
    # these very features do differ, in all cells alike; such features do not
    assert (p[:, :, 0] < 0.05).mean() > 0.5
    assert (p[:, :, 1] < 0.05).mean() <= 0.12
    assert 0.35 <= p[:, :, 1].mean() <= 0.65


def test_a_metric_that_a_model_lacks_is_left_out() -> None:
    damage = made_up(np.random.default_rng(0), 0.0)
    damage.change[1] = np.nan
    arms = Arms(np.arange(10), np.arange(10, 20), np.arange(20, 30))
    found = compare_arms(damage, np.arange(30), arms, np.arange(25), seed=0)
    assert found["metric"].tolist() == ["loss", "loss"]
