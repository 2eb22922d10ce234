from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cellprism.features.tracking import Best
from cellprism.features.unlabelled import company_rates, unlabelled_table


def table(labelled: list[int], modules: dict[int, int], nearest: Best) -> pd.DataFrame:
    features = pd.DataFrame({
        "feature": range(6), "dead": [False] * 5 + [True], "rare": [False] * 4 + [True, False], "max_value": 2.0,
    })
    labels = pd.DataFrame({"feature": labelled, "term": [f"t{f}" for f in labelled]})
    top = pd.DataFrame({"feature": [1, 1, 1, 2, 3], "lower": [1.0, 0.4, 0.2, 1.5, 0.5]})
    members = pd.DataFrame({"feature": list(modules), "module": list(modules.values())})
    return unlabelled_table(features, labels, members, top, pd.Series([1, 1, 1, 3, 1], index=range(5)), nearest)


def test_the_lasting_come_first_then_the_reliable() -> None:
    nearest = Best(np.zeros(4, int), np.array([0.9, 0.2, 0.3, 0.4]), np.zeros(4, bool))
    found = table([0], {0: 0, 1: 0, 2: 1}, nearest)
    assert found["feature"].tolist() == [3, 2, 1]
    assert found["rank"].tolist() == [0, 1, 2]
    assert found["reliability"].tolist() == pytest.approx([0.25, 0.75, 0.2])
    by = found.set_index("feature")
    company = ["module", "labelled_in_module", "nearest", "nearest_term", "cosine"]
    assert by.loc[1, company].tolist() == [0, 1, 0, "t0", 0.9]
    assert by.loc[2, ["module", "labelled_in_module"]].tolist() == [1, 0]
    assert by.loc[3, ["module", "labelled_in_module"]].isna().all()


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
