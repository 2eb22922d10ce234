from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from cellprism.stats.fdr import bh

shares = st.lists(st.floats(0, 1), min_size=1, max_size=60)


@given(shares)
def test_equals_scipy(p: list[float]) -> None:
    assert np.allclose(bh(np.array(p)), false_discovery_control(p))


@given(shares, st.integers(0, 200))
def test_tests_that_are_not_given_count_as_one(p: list[float], more: int) -> None:
    whole = false_discovery_control([*p, *[1.0] * more])
    assert np.allclose(bh(np.array(p), len(p) + more), whole[: len(p)])


def test_an_empty_family_is_empty() -> None:
    assert bh(np.empty(0), 10).size == 0


def test_a_family_cannot_be_smaller_than_its_tests() -> None:
    with pytest.raises(ValueError, match="family of 1"):
        bh(np.array([0.1, 0.2]), 1)


def test_false_discovery_rate_on_planted_truth() -> None:
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(100):
        null, true = rng.uniform(size=900), rng.beta(0.02, 1, size=100)
        hits = bh(np.concatenate([null, true])) < 0.1
        shares.append(hits[:900].sum() / max(hits.sum(), 1))
        assert hits[900:].mean() > 0.5
    assert np.mean(shares) < 0.1


@given(shares, st.integers(1, 5))
def test_counting_equal_p_values_equals_repeating_them(p: list[float], times: int) -> None:
    levels, count = np.unique(np.repeat(p, times), return_counts=True)
    q = bh(levels, 1000, count=count)
    assert np.allclose(q[np.searchsorted(levels, p)], bh(np.repeat(p, times), 1000)[::times])
