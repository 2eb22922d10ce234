from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control, mannwhitneyu, ttest_rel
from sklearn.metrics import roc_auc_score

from cellprism.features.celltypes import TOP_CELLS, cell_type_rates, cell_types, read_keys, stored_tests, top_cells

CELLS, FEATURES = 240, 60


def activations(rng: np.random.Generator) -> np.ndarray:
    fires = rng.random((CELLS, FEATURES)) < rng.uniform(0.05, 1, FEATURES)
    values = np.where(fires, rng.gamma(1, size=(CELLS, FEATURES)), 0).astype(np.float32)
    values[:, -1] = 0
    return values


def label_table(**columns: np.ndarray) -> pd.DataFrame:
    cells = np.arange(CELLS)
    return pd.concat([pd.DataFrame({"cell": cells, "key": key, "value": v}) for key, v in columns.items()])


def no_donors() -> pd.Series:
    return pd.Series([None] * CELLS, dtype=object)


def test_by_cell_equals_scipy_and_sklearn() -> None:
    rng = np.random.default_rng(0)
    means = activations(rng)
    kind = rng.choice(["A", "B", "C"], CELLS)
    table = cell_types(means, read_keys(label_table(kind=kind), no_donors()))
    assert len(table) == 3 * (FEATURES - 1)
    assert np.allclose(table["q"], false_discovery_control(table["p"]))
    for row in table.itertuples():
        inside = means[kind == row.value, row.feature].astype(float)
        rest = means[kind != row.value, row.feature].astype(float)
        test = mannwhitneyu(inside, rest, method="asymptotic", use_continuity=False)
        assert np.isclose(row.p, test.pvalue, rtol=0.5, atol=0.01)
        assert np.isclose(row.auroc, roc_auc_score(kind == row.value, means[:, row.feature]))
        floor = 0.01 * means[:, row.feature].astype(float).mean()
        assert np.isclose(row.log_ratio, np.log2((inside.mean() + floor) / (rest.mean() + floor)))
        assert (row.n_units, row.unit) == (len(inside), "cell")


def test_small_groups_are_not_tested_and_missing_labels_are_nobody() -> None:
    kind = np.array(["big"] * 100 + ["few"] * 4 + [None] * (CELLS - 104), dtype=object)
    assert len(read_keys(label_table(kind=kind), no_donors())[0].tested) == 0
    kind[104:110] = "some"
    key = read_keys(label_table(kind=kind), no_donors())[0]
    assert [key.values[g] for g in key.tested] == ["big", "some"]
    assert len(key.cells) == 110


def test_donors_are_the_units_where_there_are_enough() -> None:
    rng = np.random.default_rng(1)
    means = activations(rng)
    donor = np.repeat([f"d{i}" for i in range(6)], 40)
    kind = np.where(np.arange(CELLS) % 4 == 0, "A", "B")
    disease = np.where(donor < "d3", "ill", "well")
    table = cell_types(means, read_keys(label_table(kind=kind, disease=disease), pd.Series(donor)))
    assert (table[table["key"] == "disease"]["unit"] == "cell").all()
    for row in table[(table["key"] == "kind") & (table["value"] == "A")].itertuples():
        x = means[:, row.feature].astype(float)
        inside = np.array([x[(donor == d) & (kind == "A")].mean() for d in np.unique(donor)])
        rest = np.array([x[(donor == d) & (kind == "B")].mean() for d in np.unique(donor)])
        assert (row.unit, row.n_units) == ("donor", 6)
        assert row.p >= ttest_rel(inside, rest).pvalue * (1 - 1e-9)
        assert np.isclose(row.auroc, roc_auc_score([1] * 6 + [0] * 6, np.concatenate([inside, rest])))


def test_a_small_group_silent_in_all_donors_is_no_finding() -> None:
    """Three cells per donor in a group: the paired t test alone would call the silence of rare features a finding."""
    rng = np.random.default_rng(5)
    donor = np.repeat([f"d{i}" for i in range(6)], 40)
    kind = np.where(np.arange(CELLS) % 40 < 3, "A", "B")
    means = np.where(rng.random((CELLS, 2000)) < 0.05, rng.gamma(9, 1 / 9, (CELLS, 2000)), 0).astype(np.float32)
    table = cell_types(means, read_keys(label_table(kind=kind), pd.Series(donor)))
    table = table[table["value"] == "A"]
    inside = np.stack([means[(donor == d) & (kind == "A")].mean(axis=0) for d in np.unique(donor)])
    rest = np.stack([means[(donor == d) & (kind == "B")].mean(axis=0) for d in np.unique(donor)])
    alone = ttest_rel(inside, rest).pvalue
    assert (alone < 0.01).mean() > 0.1
    assert (table["p"] < 0.05).mean() <= 0.05
    assert (table["p"] < 0.01).mean() <= 0.01


@pytest.mark.parametrize("with_donors", [False, True])
def test_nominal_under_permuted_labels(with_donors: bool) -> None:
    """Donors differ from each other, and so do features; only labels within donors are random."""
    rng = np.random.default_rng(2)
    donor = np.repeat(np.arange(6), 40)
    shares = []
    for _ in range(20):
        means = activations(rng) * (rng.gamma(1, size=(6, FEATURES))[donor] if with_donors else 1)
        donors = pd.Series([f"d{d}" for d in donor]) if with_donors else no_donors()
        kind = np.concatenate([rng.permutation(np.repeat(["A", "B"], 20)) for _ in range(6)])
        table = cell_types(means, read_keys(label_table(kind=kind), donors))
        shares.append((table["p"] < 0.05).mean())
        assert (table["unit"] == ("donor" if with_donors else "cell")).all()
    assert np.mean(shares) < 0.06
    assert with_donors or np.mean(shares) > 0.03


def test_donors_that_differ_do_not_make_a_cell_type() -> None:
    """One donor alone raises the feature in the group: many cells agree, the donors do not."""
    rng = np.random.default_rng(3)
    donor = np.repeat(np.arange(6), 40)
    kind = np.tile(["A", "B"], 120)
    means = activations(rng)
    means[(donor == 0) & (kind == "A"), 0] += 50
    labels = label_table(kind=kind)
    by_donor = cell_types(means, read_keys(labels, pd.Series([f"d{d}" for d in donor])))
    assert by_donor.loc[by_donor["feature"] == 0, "p"].min() > 0.2


@pytest.mark.parametrize("with_donors", [False, True])
def test_the_rate_exceeds_its_null_only_for_what_is_there(with_donors: bool) -> None:
    rng = np.random.default_rng(4)
    kind = np.tile(["A", "B"], CELLS // 2)
    means = activations(rng)
    means[np.ix_(kind == "A", np.arange(15))] += 2
    donors = pd.Series(np.repeat([f"d{i}" for i in range(6)], 40)) if with_donors else no_donors()
    keys = read_keys(label_table(kind=kind), donors)
    table = cell_types(means, keys)
    rate = cell_type_rates(means, keys, table, permutations=20, rng=rng).iloc[0]
    assert (rate["n"], rate["n_permutations"]) == (FEATURES - 1, 20)
    assert 15 <= rate["value"] * rate["n"] <= 17
    assert rate["null_mean"] < 0.02
    assert ("within donors" in rate["null"]) == with_donors


def test_stored_are_the_hits_and_the_largest() -> None:
    frame = pd.DataFrame({"feature": [0] * 5 + [1] * 4, "auroc": [0.9, 0.8, 0.7, 0.6, 0.1, 0.6, 0.5, 0.4, 0.3],
                          "q": [0.01, 0.5, 0.5, 0.5, 0.01, 0.9, 0.9, 0.9, 0.9]})
    assert stored_tests(frame)["auroc"].tolist() == [0.9, 0.8, 0.7, 0.1, 0.6, 0.5, 0.4]


def test_the_strongest_cells_of_each_feature() -> None:
    means = np.random.default_rng(5).random((15, 3))
    means[:, 1] = 0
    means[4:, 2] = 0
    means[2, 0] = np.nan
    table = top_cells(means)
    assert table.groupby("feature").size().to_dict() == {0: TOP_CELLS, 2: 4}
    best = np.argsort(-np.nan_to_num(means[:, 0]))[:TOP_CELLS]
    own = table[table["feature"] == 0]
    assert own["cell"].tolist() == best.tolist()
    assert own["rank"].tolist() == list(range(TOP_CELLS))
    assert own["mean"].to_numpy() == pytest.approx(means[best, 0])
