"""The statistics of joint ablations, on effects made up with known truth."""

from __future__ import annotations

import numpy as np
import pytest

from cellprism.causal.combinations import conditions
from cellprism.causal.interactions import (
    Combination,
    additivity,
    combine,
    interaction_table,
    null_shares,
    published_ratio,
)

CELLS, TARGETS = 30, 60


def additive(rng: np.random.Generator, size: int, *, noise: float = 0.05) -> np.ndarray:
    """Independent effects of the parts that add, and noise of each condition; ``(cells, conditions, targets)``."""
    mean = rng.choice([-1.0, 1.0], (size, TARGETS)) * rng.uniform(0.5, 1.5, (size, TARGETS))
    single = mean + rng.standard_normal((CELLS, size, TARGETS))
    effect = np.stack([single[:, list(chosen)].sum(axis=1) for chosen in conditions(size)], axis=1)
    return (effect + noise * rng.standard_normal(effect.shape)).astype(np.float32)


def combination(effect: np.ndarray) -> Combination:
    return combine(np.arange(len(effect)), effect, effect)


@pytest.mark.parametrize("size", [2, 3])
def test_the_contrast_is_written_out_correctly(size: int) -> None:
    effect = np.random.default_rng(0).standard_normal((5, 2**size - 1, 4)).astype(np.float32)
    e = dict(zip(conditions(size), effect.transpose(1, 0, 2), strict=True))
    if size == 2:
        expected = e[0, 1] - e[0,] - e[1,]
    else:
        expected = e[0, 1, 2] - e[0, 1] - e[0, 2] - e[1, 2] + e[0,] + e[1,] + e[2,]
    np.testing.assert_allclose(combination(effect).contrast, expected, atol=1e-5)


@pytest.mark.parametrize("size", [2, 3])
def test_additive_worlds_interact_at_the_claimed_rate(size: int) -> None:
    rng = np.random.default_rng(size)
    worlds = [combination(additive(rng, size)) for _ in range(20)]
    table = interaction_table(worlds, seed=0)
    assert len(table) == 20 * TARGETS
    assert 0.035 <= (table["p"] <= 0.05).mean() <= 0.065
    assert (table["q"] < 0.05).sum() <= 1
    covered = (table["low"] <= 0) & (table["high"] >= 0)
    assert 0.93 <= covered.mean() <= 0.97


@pytest.mark.parametrize(("size", "published"), [(2, 0.72), (3, 0.62)])
def test_the_published_ratio_calls_additive_worlds_redundant(size: int, published: float) -> None:
    world = combination(additive(np.random.default_rng(0), size))
    ratio, low, high = additivity(world, np.random.default_rng(1))
    assert low <= 1 <= high
    assert abs(ratio - 1) < 0.05
    redundant, n = published_ratio(world)
    assert n == TARGETS
    assert redundant < published  # below 0.8 was called redundant
    np.testing.assert_allclose(published_ratio(world, if_additive=True)[0], redundant, atol=0.05)


def test_planted_interactions_are_found_among_additive_targets() -> None:
    rng = np.random.default_rng(7)
    effect = additive(rng, 3)
    effect[:, -1, :6] += 0.3
    effect[:, -1, 6:10] -= 0.3
    table = interaction_table([combination(effect)], seed=0).set_index("target")
    assert (table.loc[:9, "q"] < 0.05).all()
    assert (np.sign(table.loc[:9, "contrast"]) == [1] * 6 + [-1] * 4).all()
    assert (table.loc[10:, "q"] < 0.05).sum() <= 2


def test_the_null_of_the_rate_is_what_additive_worlds_give() -> None:
    rng = np.random.default_rng(9)
    effect = additive(rng, 2)
    effect[:, -1, :20] += 1.0
    worlds = [combination(effect), combination(additive(rng, 2))]
    shares = null_shares(worlds, ["planted", "additive"], seed=0, permutations=10)
    assert list(shares) == ["planted", "additive"]
    assert all(share.shape == (10,) for share in shares.values())
    assert np.mean(shares["additive"]) < 0.02
    assert np.median(shares["planted"]) == 0


def test_redundant_parts_do_less_together_and_dead_targets_are_no_tests() -> None:
    effect = np.zeros((CELLS, 3, TARGETS), np.float32)
    effect[:, :, 5] = -np.random.default_rng(0).uniform(0.5, 1, CELLS)[:, None]  # each does all of it alone
    effect[0, 0, 8] = 1e-7  # rounding
    world = combination(effect)
    assert world.targets.tolist() == [5]
    ratio, low, high = additivity(world, np.random.default_rng(0))
    np.testing.assert_allclose([ratio, low, high], 0.5, rtol=1e-5)
    row = interaction_table([world], seed=0).iloc[0]
    assert row["contrast"] > 0
    assert row["q"] < 1e-4
