from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cellprism.features.tracking import Best
from cellprism.features.unlabelled import company_rates, unlabelled_table


def table(
    labelled: list[int], modules: dict[int, int], nearest: Best, stability: dict[int, float] | None = None,
) -> pd.DataFrame:
    features = pd.DataFrame({
        "feature": range(6), "dead": [False] * 5 + [True], "rare": [False] * 4 + [True, False], "max_value": 2.0,
    })
    labels = pd.DataFrame({"feature": labelled, "term": [f"t{f}" for f in labelled]})
    top = pd.DataFrame({"feature": [1, 1, 1, 2, 3], "lower": [1.0, 0.4, 0.2, 1.5, 0.5]})
    members = pd.DataFrame({"feature": list(modules), "module": list(modules.values())})
    span, stable = pd.Series([1, 1, 1, 3, 1], index=range(5)), pd.Series(stability or {}, dtype=float)
    return unlabelled_table(features, labels, members, top, span, nearest, stable)


def test_who_is_good_at_everything_comes_first() -> None:
    nearest = Best(np.zeros(4, int), np.array([0.9, 0.2, 0.3, 0.4]), np.zeros(4, bool))
    found = table([0], {0: 0, 1: 0, 2: 1}, nearest)
    by = found.set_index("feature")
    assert by["reliability"].to_dict() == pytest.approx({2: 0.75, 3: 0.25, 1: 0.2})
    assert found["feature"].tolist() == [2, 3, 1]
    assert found["rank"].tolist() == [0, 1, 2]
    assert found["stability"].isna().all()
    company = ["module", "labelled_in_module", "nearest", "nearest_term", "cosine"]
    assert by.loc[1, company].tolist() == [0, 1, 0, "t0", 0.9]
    assert by.loc[2, ["module", "labelled_in_module"]].tolist() == [1, 0]
    assert by.loc[3, ["module", "labelled_in_module"]].isna().all()
    unstable = table([0], {}, nearest, {0: 0.5, 1: 0.6, 2: 0.0, 3: 0.9})
    assert unstable["feature"].tolist() == [3, 2, 1]
    assert unstable["stability"].tolist() == [0.9, 0.0, 0.6]


def test_a_layer_without_labels() -> None:
    found = table([], {}, Best(np.zeros(5, int), np.zeros(5), np.zeros(5, bool)))
    assert len(found) == 4
    assert found[["nearest", "nearest_term", "module"]].isna().all(axis=None)


def test_company_beside_its_null() -> None:
    rng = np.random.default_rng(0)
    members = pd.DataFrame({"feature": np.arange(300), "module": np.arange(300) // 30})
    apart = company_rates(np.arange(300), np.arange(150), members, permutations=50, rng=rng).iloc[0]
    assert apart["value"] == 0
    assert apart["null_mean"] == pytest.approx(0.5, abs=0.02)
    random = rng.permutation(300)[:150]
    chance = company_rates(np.arange(300), random, members, permutations=50, rng=rng).iloc[0]
    assert abs(chance["value"] - chance["null_mean"]) < 0.05
    mixed = pd.DataFrame({"feature": np.arange(300), "module": np.arange(300) % 10})
    together = company_rates(np.arange(300), np.arange(150), mixed, permutations=50, rng=rng).iloc[0]
    assert (together["value"], together["n"]) == (pytest.approx(15 / 29), 150)
    assert company_rates(np.arange(3), np.arange(3), members, permutations=2, rng=rng).iloc[0]["value"] == 0
