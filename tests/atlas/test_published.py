from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.atlas.published_json import DEAD, GENES, OTHER, POSITIONS, N, write_published

from cellprism.atlas.export import export
from cellprism.atlas.files import Atlas
from cellprism.atlas.packing import unpack_json
from cellprism.atlas.published import import_atlas
from cellprism.errors import UserError
from cellprism.reader import RunReader, open_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_published(tmp_path_factory.mktemp("published") / "atlas")


@pytest.fixture(scope="module")
def imported(source: Path, tmp_path_factory: pytest.TempPathFactory) -> RunReader:
    return open_run(import_atlas(source, tmp_path_factory.mktemp("imported") / "run"))


def test_what_is_there_is_kept(imported: RunReader) -> None:
    assert imported.layers == (0, 1)
    features = imported.features(0)
    assert features["n_fired"].tolist() == [1000 * (i + 1) for i in range(DEAD)] + [0]
    assert features["mean_value"][:DEAD].tolist() == pytest.approx([2.5] * DEAD)
    assert features["dead"].tolist() == [i == DEAD for i in range(N)]
    assert features.loc[DEAD, ["x", "mean_value"]].isna().all()
    assert imported.members(0)["feature"].tolist() == [0, 1, 2]
    assert imported.metrics(1)["value"].tolist() == [0.81]


def test_annotated_features_have_all_their_genes_and_the_others_five(imported: RunReader) -> None:
    top = imported.top_genes(0)
    assert top.groupby("feature").size().tolist() == [10] * 3 + [5] * (N - 4)
    assert top.query("feature == 1").sort_values("rank")["symbol"].tolist() == list(GENES[1:11])
    assert top.query("feature == 1")["fired"].tolist() == [40 - rank for rank in range(10)]
    assert top.query("feature == 5")["fired"].isna().all()
    assert top[["seen", "lower"]].isna().all().all()
    assert imported.top_genes(1).groupby("feature").size().tolist() == [5] * (N - 1)


def test_densities_are_no_tests_and_rounded_zeros_are_bounds(imported: RunReader) -> None:
    tests = imported.annotations(0)
    assert set(tests["source"]) == {"GO_BP", "KEGG"}
    assert tests["p"].isna().all()
    assert tests.query("feature == 0 and source == 'GO_BP'")["q"].item() == 5e-7
    assert tests.query("source == 'GO_BP'")["effect"].tolist() == [3.0, 3.0]
    features = imported.features(0)
    assert features["label"].fillna("").tolist()[:3] == ["first term", "first term", ""]
    assert features["n_terms"].tolist()[:3] == [2, 2, 0]
    rate = imported.rates(0).query("rate == 'annotated'").iloc[0]
    assert rate["value"] == pytest.approx(2 / (N - 1))
    assert rate["protocol"] == "published"


def test_cell_types_are_kept_as_the_odds_that_they_are(imported: RunReader, tmp_path: Path) -> None:
    table = imported.run.read("published_groups", 0)
    assert table[["feature", "key", "value"]].to_numpy().tolist() == [
        [1, "cell_type", "neutrophil"], [1, "tissue", "immune"], [1, "cell_type", "macrophage"]]
    assert table["log_odds"].tolist() == [3.0, 2.0, 1.0]
    assert table["n_cells"].fillna(-1).tolist() == [59, -1, 66]
    assert len(imported.run.read("published_groups", 1)) == 0
    record = Atlas(export([imported.path], tmp_path / "atlas")).run(imported.path.name).feature(0, 1)
    assert record["groups"] == []
    assert record["odds"][0] == {"key": "cell_type", "value": "neutrophil", "n_cells": 59, "log_odds": 3.0, "q": 3e-25}


def test_causes_are_those_of_the_only_layer_that_they_fit(imported: RunReader, tmp_path: Path) -> None:
    patched, responses = (imported.run.read(f"published_{name}", 0) for name in ("patching", "responses"))
    assert patched.to_numpy().tolist() == [
        [1, "term 1", -0.3, -0.1, 3.0], [OTHER, f"term {OTHER}", pytest.approx(-0.3 * OTHER), -0.1, 3.0 * OTHER]]
    assert responses["target"].tolist() == ["GENE0", "GENE0", "GENE1", "GENE2"]
    assert responses["feature"].fillna(-1).tolist() == [1, OTHER, 2, -1]
    assert "were not hidden" in (imported.run.absent("patching", 0) or "")
    folder = export([imported.path], tmp_path / "atlas") / "runs" / imported.path.name
    ablation, regulation = (
        unpack_json((folder / name / "index.jz").read_bytes()) for name in ("ablation", "regulation")
    )
    assert ablation["published"]["layer"] == regulation["published"]["layer"] == 0
    assert [row[0] for row in ablation["published"]["rows"]] == [OTHER, 1]
    assert regulation["published"]["rows"] == [
        ["GENE1", False, 0, 2, 0, [[2, 0.6]]], ["GENE0", True, 5, 1, 0, [[1, 8.7], [OTHER, -0.2]]],
        ["GENE2", False, 0, 0, 0, []],
    ]


@pytest.mark.parametrize("how", ["none", "several", "named"])
def test_causes_that_fit_no_layer_alone_are_left_out(how: str, tmp_path: Path) -> None:
    source = write_published(tmp_path / "json")
    path = source / "causal_patching.json"
    published = json.loads(path.read_text())
    rows = published["features"]
    if how == "none":
        rows[0]["af"] = 0.5
    elif how == "several":
        del rows[1]
    else:
        del rows[1]
        published["layer"] = 1
    path.write_text(json.dumps(published))
    (source / "perturbation_response.json").unlink()
    run = open_run(import_atlas(source, tmp_path / "run")).run
    found = [layer for layer in (0, 1) if run.file("published_patching.parquet", layer).exists()]
    assert found == ([1] if how == "named" else [])
    assert ("does not say of which layer" in (run.absent("patching", 0) or "")) == (how != "named")
    assert "no responses" in (run.absent("perturbations", 0) or "")


def test_a_layer_without_annotations_keeps_its_labels(imported: RunReader) -> None:
    assert len(imported.annotations(1)) == 0
    assert "does not have the tests of this layer" in (imported.run.absent("annotations", 1) or "")
    assert imported.run.absent("annotations", 0) is None
    features = imported.features(1)
    assert features["label"].fillna("").tolist()[:3] == ["first term", "second term", ""]
    assert features["label_q"].isna().all()


def test_what_is_absent_is_empty_and_says_why(imported: RunReader) -> None:
    for name in ("celltypes", "histograms", "neighbours", "cofiring"):
        assert len(getattr(imported, name)(0)) == 0
        assert imported.run.absent(name, 0)
    assert len(imported.cells()) == 0
    assert len(imported.findings()) == 0


def test_an_ordinary_run_has_no_excuses(reader: RunReader) -> None:
    assert reader.run.absences == []
    assert reader.run.absent("histograms", 0) is None


def test_the_atlas_has_null_where_nothing_is_known(imported: RunReader, tmp_path: Path) -> None:
    atlas = export([imported.path], tmp_path / "atlas")
    folder = atlas / "runs" / "run"
    summary = unpack_json((folder / "summary.jz").read_bytes())
    assert summary["cells"]["n_cells"] is None
    assert summary["cells"]["n_positions"] == POSITIONS
    assert summary["background"] == {"min_seen": None}
    assert summary["absent"] == json.loads((imported.path / "absent.json").read_text())
    assert [layer["n_annotated"] for layer in summary["layers"]] == [2, 2]
    assert summary["layers"][0]["n_rare"] is None
    assert summary["layers"][0]["map"]["method"] == "module layout, not an embedding"
    run = Atlas(atlas).run("run")
    feature = run.feature(0, 1)
    assert feature["n_cells"] is None and feature["max_value"] is None and feature["histogram"] == []
    assert feature["genes"][0] == {"seen": None, "fired": 40, "mean": 9.0, "sd": None, "lower": None,
                                   "symbol": "GENE1", "id": "GENE1"}
    assert run.features(0, 0, 1)[1][0]["n_cells"] is None
    assert run.gene("GENE1")["n_seen"] is None
    assert str(imported.config.cells.path) not in json.dumps(summary)


def test_a_folder_of_other_things_is_refused(tmp_path: Path, source: Path) -> None:
    with pytest.raises(UserError, match=r"no global_summary\.json"):
        import_atlas(tmp_path, tmp_path / "run")
    (tmp_path / "global_summary.json").write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        import_atlas(tmp_path, tmp_path / "run")
    with pytest.raises(UserError, match="other files"):
        import_atlas(source, tmp_path)
