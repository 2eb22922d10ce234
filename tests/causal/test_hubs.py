"""Degrees that firing explains, and hubs beyond it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cellprism.causal.hubs import annotated_rate, degree_rates, degree_residuals


def planted(rng: np.random.Generator, n: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Degrees that grow with frequency and cells, and ten hubs among the features that fire little."""
    frequency = np.exp(rng.uniform(np.log(1e-3), np.log(0.2), n))
    n_cells = np.minimum(200, np.ceil(800 * frequency * rng.uniform(0.5, 1, n)) + 10)
    degree = rng.poisson(300 * frequency**0.7 * np.exp(rng.normal(0, 0.1, n)))
    degree[np.argsort(frequency)[20:30]] += 60
    return degree, frequency, n_cells


def test_hubs_are_found_by_residual_and_not_by_degree() -> None:
    degree, frequency, n_cells = planted(np.random.default_rng(0))
    hubs = np.argsort(frequency)[20:30]
    found = degree_residuals(degree, frequency, n_cells)
    assert set(np.flatnonzero(found["q"] < 0.05)) == set(hubs)
    assert not set(np.argsort(-degree)[:20]) & set(hubs)
    assert abs(np.median(found["expected"][degree > 10] / degree[degree > 10]) - 1) < 0.15


def test_studentised_residual_is_the_t_of_an_extra_term() -> None:
    """Against a regression with an indicator of the feature, whose t statistic it is."""
    rng = np.random.default_rng(1)
    degree, frequency, n_cells = rng.poisson(20, 30), rng.uniform(0.01, 0.2, 30), rng.integers(10, 90, 30)
    z = degree_residuals(degree, frequency, n_cells)["z"]
    f, c = np.log(frequency), np.log(n_cells)
    y = np.log1p(degree)
    for i in (0, 7, 29):
        x = np.stack([np.ones(30), f, f**2, c, c**2, np.arange(30) == i], axis=1)
        beta, rss, *_ = np.linalg.lstsq(x, y, rcond=None)
        se = np.sqrt(rss[0] / (30 - 6) * np.linalg.inv(x.T @ x)[-1, -1])
        np.testing.assert_allclose(z[i], beta[-1] / se, rtol=1e-6)


def test_p_is_uniform_where_firing_explains_everything() -> None:
    rng = np.random.default_rng(2)
    frequency = np.exp(rng.uniform(-6, -2, 3000))
    degree = np.round(np.exp(5 + np.log(frequency) * 0.5 + rng.normal(0, 0.3, 3000)) * 10)
    found = degree_residuals(degree, frequency, np.full(3000, 40))
    for level in (0.01, 0.05, 0.5):
        assert abs((found["p"] < level).mean() - level) < 4 * np.sqrt(level / 3000)


def test_nothing_to_explain_is_no_error() -> None:
    for n in (0, 1, 4):
        found = degree_residuals(np.full(n, 5), np.full(n, 0.1), np.full(n, 20))
        assert all(len(values) == n for values in found.values())
        np.testing.assert_allclose(found["residual"], 0, atol=1e-12)
    assert degree_rates(pd.DataFrame({name: [] for name in ("degree", "frequency", "n_cells", "residual")}), "out",
                        np.random.default_rng(0)) == []


def test_rates_say_that_degree_is_firing() -> None:
    degree, frequency, n_cells = planted(np.random.default_rng(3))
    table = pd.DataFrame({
        "degree": degree, "frequency": frequency, "n_cells": n_cells,
        "residual": degree_residuals(degree, frequency, n_cells)["residual"],
    })
    rates = pd.DataFrame(degree_rates(table, "out", np.random.default_rng(0))).set_index("rate")
    assert rates.loc["out_degree_by_frequency", "value"] == pytest.approx(degree_spearman(table))
    assert rates.loc["out_degree_by_frequency", "value"] > 0.8
    assert rates.loc["out_degree_by_frequency", "null_q95"] < 0.15
    top = rates.loc["out_top_by_residual"]
    by_hand = set(np.argsort(-degree, kind="stable")[:20]) & set(np.argsort(-table["residual"], kind="stable")[:20])
    assert top["value"] == len(by_hand) / 20
    assert abs(top["null_mean"] - 20 / 400) < 0.02


def labelled_world(rng: np.random.Generator, *, by_degree: bool) -> tuple[pd.DataFrame, np.ndarray]:
    """Frequent features have more edges, and more labels; and of those that fire as often the ones with more edges."""
    frequency = np.sort(np.exp(rng.uniform(np.log(1e-3), np.log(0.2), 400)))
    more = rng.normal(0, 0.5, 400)
    table = pd.DataFrame({"frequency": frequency, "degree": np.round(300 * frequency**0.7 * np.exp(more))})
    return table, rng.random(400) < np.clip(0.1 + 3 * frequency + by_degree * 0.6 * (more > 0.3), 0, 1)


def test_labels_of_top_features_are_held_against_features_that_fire_as_often() -> None:
    rng = np.random.default_rng(4)
    found = [annotated_rate(*labelled_world(rng, by_degree=False), "out", rng)[0] for _ in range(30)]
    assert np.mean([row["value"] for row in found]) > 0.3  # a fifth of all features have a label
    assert sum(row["p"] <= 0.05 for row in found) <= 5  # 5 % of 30 are 1.5; P(more than 5) < 0.01
    planted = [annotated_rate(*labelled_world(rng, by_degree=True), "out", rng)[0]["p"] for _ in range(10)]
    assert sum(p <= 0.05 for p in planted) >= 7
    table, labelled = labelled_world(rng, by_degree=True)
    [row] = annotated_rate(table, labelled, "in", rng, target_layer=7)
    assert (row["rate"], row["target_layer"], row["n"]) == ("in_top_annotated", 7, 20)
    assert row["value"] == labelled[np.argsort(-table["degree"], kind="stable")[:20]].mean()
    assert row["null_mean"] < row["value"]


def test_few_features_have_none_that_fire_as_often() -> None:
    table, labelled = labelled_world(np.random.default_rng(5), by_degree=True)
    assert annotated_rate(table[:24], labelled[:24], "out", np.random.default_rng(0)) == []


def degree_spearman(table: pd.DataFrame) -> float:
    return float(table[["degree", "frequency"]].corr("spearman").iloc[0, 1])
