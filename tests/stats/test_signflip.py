"""Sign-flip tests: against all sign vectors, against loops, and under their null."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from cellprism.stats.signflip import (
    EXACT,
    effect_sizes,
    exact_p,
    exceedances,
    hedges,
    shared_signs,
    signflip_p,
    unit_columns,
)


def every_sign(n: int) -> np.ndarray:
    return np.array(list(product([-1.0, 1.0], repeat=n)))


def unused() -> np.ndarray:
    msg = "no more flips were needed"
    raise AssertionError(msg)


@pytest.mark.parametrize("n", [1, 2, 7, 10])
def test_exact_p_counts_all_sign_vectors(n: int) -> None:
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, 40))
    x[: n // 2, :10] = 0
    x[:, 10:15] = 1.5
    x[:, 15] = 0
    reaches = np.abs(every_sign(n) @ x) >= np.abs(x.sum(axis=0)) - 1e-9
    np.testing.assert_allclose(exact_p(x), reaches.mean(axis=0), rtol=1e-12)


def test_zeros_do_not_matter_to_the_exact_p() -> None:
    x = np.random.default_rng(0).standard_normal((12, 5))
    np.testing.assert_array_equal(exact_p(np.concatenate([x, np.zeros((180, 5))])), exact_p(x))


def test_exceedances_equal_a_loop() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((15, 6)).astype(np.float32)
    signs = shared_signs(np.arange(15), 50, seed=3)
    unit = unit_columns(x)
    loop = [
        sum(abs(float((row * x[:, t]).sum())) >= abs(float(x[:, t].sum())) - 1e-5 for row in signs) for t in range(6)
    ]
    np.testing.assert_array_equal(exceedances(np.abs(signs @ unit), unit), loop)


def test_the_sum_orders_flips_as_d_does() -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((9, 1)) + 0.5
    flipped = every_sign(9)[:, :, None] * x
    d = np.array([effect_sizes(one).d[0] for one in flipped])
    sums = np.abs(flipped.sum(axis=1)[:, 0])
    by_d, by_sum = (np.argsort(values.round(9), kind="stable") for values in (np.abs(d), sums))
    np.testing.assert_array_equal(by_d, by_sum)


def test_p_of_many_units_is_near_the_normal_one_and_never_zero() -> None:
    from scipy.stats import norm

    rng = np.random.default_rng(3)
    x = (rng.standard_normal((150, 300)) + np.linspace(0, 0.5, 300)).astype(np.float32)
    signs = shared_signs(np.arange(150), 500, seed=0)
    p = signflip_p(x, signs, lambda: shared_signs(np.arange(150), 10_000, seed=0, stream=1))
    z = np.abs(x.sum(axis=0)) / np.sqrt((x.astype(float) ** 2).sum(axis=0))
    expected = 2 * norm.sf(z)
    assert p.min() == 1 / 10_001
    np.testing.assert_allclose(p[expected > 0.05], expected[expected > 0.05], atol=0.08)
    small = (expected < 0.01) & (expected > 0.001)
    assert small.sum() > 10
    np.testing.assert_allclose(np.log10(p[small]), np.log10(expected[small]), atol=0.35)


def test_small_p_is_enumerated_and_the_rest_is_sampled() -> None:
    rng = np.random.default_rng(4)
    x = (rng.standard_normal((18, 200)) + np.linspace(0, 1.5, 200)).astype(np.float32)
    p = signflip_p(x, shared_signs(np.arange(18), 500, seed=1), unused)
    exact = exact_p(x)
    assert EXACT >= 18
    np.testing.assert_array_equal(p[p < 11 / 501], exact[p < 11 / 501])
    np.testing.assert_allclose(p, exact, atol=0.08)


def test_few_units_are_enumerated_at_once() -> None:
    x = np.random.default_rng(5).standard_normal((6, 30)).astype(np.float32)
    np.testing.assert_array_equal(signflip_p(x, shared_signs(np.arange(6), 500, seed=1), unused), exact_p(x))


@pytest.mark.parametrize("n", [8, 14, 40])
def test_p_holds_its_level_under_the_null(n: int) -> None:
    """Skewed sizes, many zeros, symmetric signs; every column has its own flips, so that the tests are independent."""
    rng = np.random.default_rng(n)
    sizes = rng.gamma(0.5, size=(n, 4000)) * (rng.random((n, 4000)) < 0.7)
    x = (sizes * rng.choice([-1, 1], size=sizes.shape)).astype(np.float32)
    p = np.concatenate([
        signflip_p(
            x[:, part], shared_signs(np.arange(n), 200, seed=int(part[0])),
            lambda seed=int(part[0]): shared_signs(np.arange(n), 4000, seed=seed, stream=1),
        )
        for part in np.array_split(np.arange(4000), 200)
    ])
    for level in (0.05, 0.01, 0.001):
        assert (p <= level).mean() <= level + 3.5 * np.sqrt(level / 4000)
    assert p.min() > 0


def test_tests_are_symmetric_in_sign() -> None:
    rng = np.random.default_rng(6)
    x = (rng.standard_normal((20, 100)) * (rng.random((20, 100)) < 0.6) + 0.2).astype(np.float32)
    signs = shared_signs(np.arange(20), 300, seed=0)
    np.testing.assert_array_equal(signflip_p(x, signs, unused), signflip_p(-x, signs, unused))
    one, other = effect_sizes(x), effect_sizes(-x)
    np.testing.assert_array_equal(one.g, -other.g)
    np.testing.assert_array_equal(one.agreement, other.agreement)


def test_signs_belong_to_units() -> None:
    a = shared_signs(np.array([3, 8, 11]), 64, seed=5)
    b = shared_signs(np.array([11, 3]), 64, seed=5)
    np.testing.assert_array_equal(a[:, [2, 0]], b)
    assert set(np.unique(a)) == {-1.0, 1.0}
    assert (a != shared_signs(np.array([3, 8, 11]), 64, seed=5, stream=1)).any()


def test_effect_sizes_by_hand() -> None:
    x = np.array([[1.0, 0.0, 2.0], [3.0, -1.0, 2.0], [0.0, 0.0, 2.0], [-1.0, -1.0, 2.0]], np.float32)
    sizes = effect_sizes(x)
    np.testing.assert_allclose(sizes.mean, [0.75, -0.5, 2.0])
    np.testing.assert_allclose(sizes.sd[:2], [np.std([1, 3, 0, -1], ddof=1), np.std([0, -1, 0, -1], ddof=1)])
    np.testing.assert_allclose(sizes.g[:2], (1 - 3 / 11) * sizes.d[:2])
    np.testing.assert_allclose(sizes.agreement, [2 / 3, 1.0, 1.0])
    np.testing.assert_array_equal(sizes.n_nonzero, [3, 2, 4])
    assert np.isfinite(sizes.g[2])
    assert sizes.g[2] > 1e5


def test_hedges_is_the_ratio_of_gammas() -> None:
    from scipy.special import gammaln

    for n in (10, 20, 100):
        df = n - 1
        exact = np.exp(gammaln(df / 2) - gammaln((df - 1) / 2)) / np.sqrt(df / 2)
        assert hedges(n) == pytest.approx(exact, abs=1e-3)
