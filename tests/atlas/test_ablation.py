"""The files of the page about features taken away, against the tables that they are made of."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from tests.atlas.fabricated import LAYERS, write_run
from tests.atlas.fabricated_ablation import NAME

import cellprism as cp
from cellprism.atlas import ablation
from cellprism.atlas.columns import unpack_columns
from cellprism.atlas.export import export
from cellprism.atlas.files import Atlas
from cellprism.atlas.packing import unpack_json

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.reader import RunReader


@pytest.fixture(scope="module")
def folder(atlas: Path) -> Path:
    return atlas / "runs" / "my-run"


def read(folder: Path, name: str) -> Any:
    return unpack_json((folder / name).read_bytes())


def rows(folder: Path, about: dict[str, Any]) -> list[dict[str, Any]]:
    files = [read(folder, f"{i}.jz") for i in range(about["n_files"])]
    return [dict(zip(file["columns"], row, strict=True)) for file in files for row in file["rows"]]


def assert_same(found: list[dict[str, Any]], table: pd.DataFrame, labels: dict[str, Any]) -> None:
    """Number by number, to six digits; a feature without a label has none."""
    assert len(found) == len(table) > 0
    for own, wanted in zip(found, table.to_dict("records"), strict=True):
        assert set(own) == set(wanted) | set(labels)
        for name, value in wanted.items():
            if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
                assert own[name] is None, name
            else:
                assert own[name] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-5)), name
        for name, label_of in labels.items():
            assert own[name] == label_of(wanted)


def labels_of(reader: RunReader, folder: Path, layer: int) -> dict[int, int]:
    terms = read(folder, "dict/terms.jz")
    index = {pair: i for i, pair in enumerate(zip(terms["source"], terms["term"], strict=True))}
    named = reader.features(layer).dropna(subset=["label"])
    return {f: index[s, t] for f, s, t in zip(named["feature"], named["source"], named["label"], strict=True)}


def test_every_row_of_the_tables_is_there(reader: RunReader, folder: Path) -> None:
    index = read(folder, "ablation/index.jz")
    for part, call in (("patching", reader.patching), ("damage", reader.damage)):
        assert [entry["layer"] for entry in index[part]] == list(LAYERS)
        for entry in index[part]:
            labels = labels_of(reader, folder, entry["layer"])
            found = rows(folder / f"ablation/{part}/L{entry['layer']:02d}", entry)
            assert_same(found, call(entry["layer"]), {"label": lambda row, own=labels: own.get(row["feature"])})
    (entry,) = index["combinations"]
    labels = labels_of(reader, folder, 0)
    found = rows(folder / f"ablation/combinations/{NAME}", entry)
    assert_same(found, reader.combinations(), {
        f"label_{part}": lambda row, part=part: labels.get(row[f"feature_{part}"]) for part in "abc"
    })
    for arms, layer in ((index["damage"][i]["arms"], layer) for i, layer in enumerate(LAYERS)):
        assert_same(arms, reader.damage_arms(layer), {})
    rates = reader.causal_rates()
    for analysis, own in (("patching_00", index["patching"][0]), (f"interactions_{NAME}", entry)):
        wanted = rates[rates["analysis"] == analysis].drop(columns="analysis")
        assert_same(own["rates"], wanted, {})


def test_the_targets_of_a_combination_are_there_smallest_q_first(reader: RunReader, folder: Path) -> None:
    tests = reader.interactions()
    labels = labels_of(reader, folder, 2)
    for combination, own in tests.groupby("combination"):
        found = unpack_columns((folder / f"ablation/interactions/{NAME}/{combination}.bin").read_bytes())
        wanted = own.assign(size=own["contrast"].abs()).sort_values(["q", "size"], ascending=[True, False])
        assert found["target"].tolist() == wanted["target"].tolist()
        for name in ("alone", "together", "contrast", "low", "high", "relative", "p", "q", "n_nonzero"):
            np.testing.assert_allclose(found[name], wanted[name], rtol=1e-4)
        expected = [labels.get(target, ablation.NO_TERM) for target in wanted["target"]]
        assert found["label"].tolist() == expected
    last = int(reader.combinations()["combination"].max())
    assert not (folder / f"ablation/interactions/{NAME}/{last}.bin").exists(), "it changes no target"


def test_a_feature_says_what_was_lost_without_it(reader: RunReader, atlas: Path) -> None:
    run = Atlas(atlas).run("my-run")
    table = reader.patching(2).set_index("feature")
    for feature in (6, 55):
        found, wanted = run.feature(2, feature)["patching"], table.loc[feature]
        assert (found["source"], found["term"], found["n_genes"]) == (*wanted[["source", "term", "n_genes"]],)
        for name in ("effect", "low", "high", "p", "q", "random"):
            assert found[name] == pytest.approx(wanted[name], rel=1e-5)
    assert "patching" not in run.feature(2, 60)
    damage = reader.damage(0)
    for feature, arms in ((10, ["chosen"]), (11, ["chosen", "random"]), (21, ["matched"]), (60, [])):
        found, wanted = run.feature(0, feature)["damage"], damage[damage["feature"] == feature]
        assert [row["arm"] for row in found] == wanted["arm"].tolist() == arms
        assert [row["loss"] for row in found] == pytest.approx(wanted["loss"].tolist(), rel=1e-5)
    assert run.feature(0, 21)["damage"][0]["partner"] == 11


def test_long_tables_come_in_several_files(run_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablation, "ROWS", 7)
    monkeypatch.setattr(ablation, "MOST_TARGETS", 5)
    folder = export([run_path], tmp_path / "site") / "runs" / "my-run"
    reader = cp.open_run(run_path)
    entry = read(folder, "ablation/index.jz")["patching"][0]
    assert (entry["n"], entry["n_files"]) == (50, 8)
    found = rows(folder / "ablation/patching/L00", entry)
    assert [row["feature"] for row in found] == reader.patching(0)["feature"].tolist()
    few = unpack_columns((folder / f"ablation/interactions/{NAME}/0.bin").read_bytes())
    assert few["q"].tolist() == pytest.approx(
        np.sort(reader.interactions().query("combination == 0")["q"])[:5].tolist(), rel=1e-4)


def test_what_rests_on_something_else_by_now_is_left_out(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / "layers/02/sae.safetensors").write_bytes(b"another one")
    (run / "layers/00/sae.safetensors").unlink()
    folder = export([run], tmp_path / "site") / "runs/run"
    index = read(folder, "ablation/index.jz")
    assert index["patching"] == index["combinations"] == index["damage"] == []
    outdated = {(entry["table"], entry["name"]) for entry in index["outdated"]}
    assert outdated == {("patching", "00"), ("patching", "02"), ("combinations", NAME), ("damage", "00"),
                        ("damage", "02")}
    assert read(folder, "summary.jz")["ablation"] == {"patching": [], "combinations": [], "damage": []}
    assert "ablation" not in json.loads((tmp_path / "site/atlas.json").read_text())["capabilities"]
    assert "patching" not in Atlas(tmp_path / "site").run("run").feature(0, 6)


def test_the_atlas_says_what_it_has_and_with_which_command(atlas: Path, folder: Path) -> None:
    assert json.loads((atlas / "atlas.json").read_text())["capabilities"][:2] == ["tables", "ablation"]
    assert read(folder, "summary.jz")["ablation"] == {
        "patching": ["00", "02"], "combinations": [NAME], "damage": ["00", "02"],
    }
    files = {entry["file"]: entry for entry in read(folder, "tables.jz")["files"]}
    for name, command, seed in (
        ("patching_02", "cellprism patch RUN --layer 2 --features all --cells 40", 5),
        ("rates_patching_00", "cellprism patch RUN --layer 0 --features all --cells 40", 5),
        (f"interactions_{NAME}", "cellprism interact RUN --layers 0,0 --each 3 --cells 30", 6),
        (f"combinations_{NAME}", "cellprism interact RUN --layers 0,0 --each 3 --cells 30", 6),
        ("damage_arms_00", "cellprism damage RUN --layer 0 --features top:6 --cells 40", 7),
    ):
        entry = files[f"causal/{name}.parquet"]
        assert (entry["command"], entry["seed"]) == (command, seed)
