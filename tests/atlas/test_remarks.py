"""Notes of readers become part of a run, whoever sends them and however often."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.atlas.fabricated import N_FEATURES, write_run

import cellprism as cp
from cellprism.atlas.export import export
from cellprism.atlas.files import Atlas
from cellprism.atlas.remarks import merge_remarks
from cellprism.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


def saved(path: Path, *remarks: dict[str, Any]) -> Path:
    filled = [{"layer": 2, "feature": 7, "label": "", "note": "", "author": "", "written": "2026-01-01"} | remark
              for remark in remarks]
    content = {"kind": "cellprism remarks", "version": 1, "run": "r", "title": "Fabricated", "remarks": filled}
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


def test_files_are_merged_once_and_the_later_of_two_stays(run: Path, tmp_path: Path) -> None:
    assert len(cp.open_run(run).remarks()) == 0
    first = saved(tmp_path / "a.json", {"label": "ribosome", "author": "A", "written": "2026-01-02"},
                  {"feature": 8, "note": "odd", "author": "A"})
    second = saved(tmp_path / "b.json", {"label": "translation", "author": "A", "written": "2026-01-03"},
                   {"label": "mine", "author": "B"})
    assert merge_remarks(run, [second]) == 2
    assert merge_remarks(run, [first, second]) == 3
    assert merge_remarks(run, [first]) == 3
    table = cp.open_run(run).remarks()
    assert table[["layer", "feature", "label", "author"]].to_numpy().tolist() == [
        [2, 7, "translation", "A"], [2, 7, "mine", "B"], [2, 8, "", "A"]]
    atlas = Atlas(export([run], tmp_path / "atlas")).run("run")
    assert [r["label"] for r in atlas.feature(2, 7)["remarks"]] == ["translation", "mine"]
    assert atlas.feature(2, 9)["remarks"] == []


@pytest.mark.parametrize(("content", "words"), [
    ("not json", "does not hold remarks"), ("[]", "does not hold remarks"),
    ('{"kind": "cellprism remarks", "version": 2, "run": "", "title": "", "remarks": []}', "does not hold remarks"),
])
def test_other_files_are_refused(run: Path, tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(UserError, match=words):
        merge_remarks(run, [path])
    with pytest.raises(UserError, match="no file"):
        merge_remarks(run, [tmp_path / "absent.json"])
    assert not (run / "remarks.parquet").exists()


@pytest.mark.parametrize("place", [{"layer": 1}, {"feature": N_FEATURES}])
def test_a_feature_that_the_run_lacks_is_refused(run: Path, tmp_path: Path, place: dict[str, int]) -> None:
    with pytest.raises(UserError, match="does not have"):
        merge_remarks(run, [saved(tmp_path / "x.json", {"label": "x"} | place)])
