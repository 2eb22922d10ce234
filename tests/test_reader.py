from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from tests.atlas.fabricated import BARE, DEAD, LAYERS, N_FEATURES, write_run

import cellprism.atlas
from cellprism.errors import UserError
from cellprism.reader import RunReader, best_groups, open_run, rank_findings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("reader") / "run")


@pytest.fixture(scope="module")
def run(path: Path) -> RunReader:
    return open_run(path)


def test_layers_and_tables_are_there(run: RunReader) -> None:
    assert run.layers == LAYERS
    assert len(run.cells()) == 40
    assert len(run.genes()) == 300
    for name in ("top_genes", "annotations", "modules", "members", "celltypes", "neighbours", "cofiring", "metrics",
                 "histograms"):
        assert len(getattr(run, name)(2)) > 0, name
    assert "run" in repr(run)


def test_features_have_one_row_each_with_all_that_is_known(run: RunReader) -> None:
    table = run.features(0)
    assert table["feature"].tolist() == list(range(N_FEATURES))
    for row in table.itertuples():
        label = run.run.read("labels", 0).query("feature == @row.feature")
        assert (row.label, row.source) == tuple(label[["term", "source"]].iloc[0]) if len(label) else pd.isna(row.label)
        member = run.members(0).query("feature == @row.feature")
        assert row.module == member["module"].iloc[0] if len(member) else pd.isna(row.module)
        tests = run.celltypes(0).query("feature == @row.feature and q < 0.05")
        if len(tests):
            best = tests.loc[tests["auroc"].idxmax()]
            assert (row.group_key, row.group_value, row.group_auroc) == (best["key"], best["value"], best["auroc"])
        else:
            assert pd.isna(row.group_key)
    bare = table.set_index("feature").loc[[BARE, DEAD]]
    assert bare[["label", "module", "group_key"]].isna().all(axis=None)
    assert (bare["n_terms"] == 0).all()
    assert np.isnan(bare.loc[DEAD, "x"])


def test_rates_of_all_layers_name_the_layer(run: RunReader) -> None:
    assert run.rates()["layer"].tolist() == [0, 0, 0, 2, 2, 2]
    one = run.rates(2)
    assert sorted(one["rate"]) == ["annotated", "cofiring_pairs", "grouped"]
    assert set(one["layer"]) == {2}


def test_codes_are_read_in_shards(run: RunReader) -> None:
    store = run.codes(0)
    assert store.n_positions == 2000
    assert [len(shard.codes) for shard in store.shards()] == [1000, 1000]


def test_best_group_is_the_largest_auroc_among_the_significant() -> None:
    tests = pd.DataFrame({
        "feature": [1, 1, 1, 2, 3, 3], "key": "k", "value": ["a", "b", "c", "a", "b", "a"],
        "auroc": [0.99, 0.7, 0.8, 0.9, 0.6, 0.6], "q": [0.2, 0.01, 0.01, 0.3, 0.01, 0.01],
    })
    best = best_groups(tests)
    assert best["feature"].tolist() == [1, 3]
    assert best["group_value"].tolist() == ["c", "a"]


def test_findings_need_strength_in_both(run: RunReader) -> None:
    rows = pd.DataFrame({
        "layer": 0, "feature": range(5), "source": "s", "label": ["a", "b", "c", "d", "a"],
        "label_q": [1e-9, 1e-8, 1e-2, 1e-7, 1e-3], "group_auroc": [0.55, 0.9, 0.99, 0.8, 0.6],
    })
    # ranks by q: 0 1 4 2 3; by AUROC: 4 1 0 2 3; the worse of the two, from 0: 4 1 4 2 3
    assert rank_findings(rows)["feature"].tolist() == [1, 3, 4, 2]


def test_findings_are_convincing_and_have_different_labels(run: RunReader) -> None:
    found = run.findings()
    assert 0 < len(found) <= 12
    assert not found.duplicated(["source", "label"]).any()
    assert (found["q"] < 0.05).all()
    assert (found["auroc"] > 0.5).all()
    assert set(found["layer"]) <= set(LAYERS)
    for row in found.itertuples():
        feature = run.features(row.layer).set_index("feature").loc[row.feature]
        assert not feature["dead"] and not feature["rare"] and feature["label"] == row.label
        top = run.top_genes(row.layer).query("feature == @row.feature").sort_values("rank")
        assert row.genes == top["symbol"].tolist()
    assert len(run.findings(3)) == 3
    assert run.findings(3).equals(found.head(3))


def test_a_run_in_which_nothing_is_convincing_has_no_findings(tmp_path: Path) -> None:
    run = open_run(write_run(tmp_path / "run"))
    for layer in run.layers:
        run.run.write("celltypes", run.celltypes(layer).assign(q=1.0), layer)
    found = run.findings()
    assert len(found) == 0
    assert list(found.columns) == [
        "layer", "feature", "label", "source", "q", "group_key", "group_value", "auroc", "genes",
    ]


def test_a_layer_out_of_range_is_explained(run: RunReader) -> None:
    for call in (run.features, run.codes, run.rates, run.modules):
        with pytest.raises(UserError, match="no layer 1: choose one of 0, 2"):
            call(1)


def test_what_is_no_run_is_explained(tmp_path: Path, path: Path) -> None:
    with pytest.raises(UserError, match="not a cellprism run"):
        open_run(tmp_path)
    young = write_run(tmp_path / "young")
    (young / "model.json").unlink()
    with pytest.raises(UserError, match="has no layers yet"):
        _ = open_run(young).layers


def test_rates_that_were_not_computed_yet_are_explained(tmp_path: Path) -> None:
    run = open_run(write_run(tmp_path / "run"))
    for path in run.path.rglob("rates*.parquet"):
        path.unlink()
    with pytest.raises(UserError, match="no rates"):
        run.rates()


def test_the_atlas_room_opens_a_run_too(path: Path) -> None:
    assert cellprism.atlas.open(str(path)).layers == LAYERS
