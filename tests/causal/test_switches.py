from __future__ import annotations

import numpy as np
import pandas as pd

from cellprism.causal.switches import choose_switches, switch_table, two_sample_g
from cellprism.stats.fdr import bh


def test_g_is_that_of_a_slow_formula_and_0_without_spread() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((9, 3)) + np.array([0, 1, 0]), rng.standard_normal((12, 3))
    a[:, 2] = b[:, 2] = 2.0
    pooled = np.sqrt((8 * a[:, 1].var(ddof=1) + 11 * b[:, 1].var(ddof=1)) / 19)
    expected = (1 - 3 / (4 * 21 - 9)) * (a[:, 1].mean() - b[:, 1].mean()) / pooled
    np.testing.assert_allclose(two_sample_g(a, b)[1], expected)
    assert two_sample_g(a, b)[2] == 0


def test_the_family_is_every_feature_that_fires_and_middle_cells_are_not_compared() -> None:
    rng = np.random.default_rng(0)
    means = rng.random((60, 40)) * (rng.random((60, 40)) < 0.5)
    means[:, 5] = 0
    early, late = np.arange(60) < 20, np.arange(60) >= 40
    means[late, 7] += 2
    table = switch_table(means, early, late)
    assert table["feature"].tolist() == [f for f in range(40) if f != 5]
    np.testing.assert_allclose(table["q"], bh(table["p"].to_numpy()))
    row = table.set_index("feature").loc[7]
    assert row["q"] < 0.001
    assert row["g"] > 2
    np.testing.assert_allclose([row["early"], row["late"]], [means[early, 7].mean(), means[late, 7].mean()])
    changed = means.copy()
    changed[20:40] += 1  # middle cells
    pd.testing.assert_frame_equal(
        switch_table(changed, early, late).set_index("feature").loc[table["feature"], ["g", "p"]],
        table.set_index("feature")[["g", "p"]],
    )


def test_switches_are_the_strongest_that_can_be_steered_and_controls_serve_once() -> None:
    table = pd.DataFrame({
        "feature": np.arange(10), "share_cells": 0.5, "early": 0.0, "late": 0.0, "p": 0.01,
        "g": [2.0, 1.0, 0.6, -0.7, -3.0, 0.1, -0.1, 0.0, 0.15, 0.4], "q": 0.01,
    })
    table.loc[2, "q"] = 0.2
    table.loc[7, "share_cells"] = 0.01
    frequency = np.array([0.1, 0.2, 0.1, 0.3, 0.01, 0.11, 0.012, 0.1, 0.25, 0.2])
    chosen, found = choose_switches(table, frequency, np.arange(10) != 0, 5)
    assert found == {"on": 2, "off": 2}  # with the one that cannot be steered
    rows = [tuple(row) for row in chosen.astype(object).where(chosen.notna(), None).itertuples(index=False)]
    # 7 fires in too few cells and 9 is neither still nor a switch: three controls
    assert rows == [
        (1, "on", None), (4, "off", None), (3, "off", None), (8, "matched", 1), (6, "matched", 4), (5, "matched", 3),
    ]
    one, _ = choose_switches(table, frequency, np.ones(10, bool), 1)
    assert one["feature"].tolist()[:2] == [0, 4]
