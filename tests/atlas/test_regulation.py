"""The files about perturbations against the tables that they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from tests.atlas.fabricated import LAYERS, write_run
from tests.atlas.fabricated_results import QUIET, TARGETS

from cellprism.atlas import regulation
from cellprism.atlas.columns import unpack_columns
from cellprism.atlas.dictionaries import dictionaries
from cellprism.atlas.files import Atlas
from cellprism.atlas.packing import unpack_json
from cellprism.atlas.regulation import RESPONSE, regulation_files, responses_of
from cellprism.reader import open_run

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.reader import RunReader

LAYER = LAYERS[-1]


@pytest.fixture(scope="module")
def files(reader: RunReader) -> dict[str, bytes]:
    return dict(regulation_files(reader, dictionaries(reader)))


@pytest.fixture(scope="module")
def whole(files: dict[str, bytes]) -> dict[str, Any]:
    content: dict[str, Any] = unpack_json(files[f"regulation/L{LAYER:02d}/all.jz"])
    return content


def test_perturbations_stand_by_what_responds(whole: dict[str, Any], reader: RunReader) -> None:
    rows = whole["perturbations"]
    order = [(-row["responding"], row["target"]) for row in rows]
    assert order == sorted(order)
    assert {row["target"] for row in rows} == set(TARGETS)
    quiet = rows[-1]
    assert (quiet["target"], quiet["knockdown"], quiet["n_guides"]) == (QUIET, None, None)
    wanted = reader.perturbations(LAYER).set_index("target").loc[[row["target"] for row in rows]].reset_index()
    pd.testing.assert_frame_equal(pd.DataFrame(rows), wanted, check_dtype=False, rtol=1e-5)
    assert [row["rate"] for row in whole["rates"]] == reader.regulation_rates(LAYER)["rate"].tolist()


def test_every_feature_of_a_perturbation_is_found(
    files: dict[str, bytes], whole: dict[str, Any], reader: RunReader,
) -> None:
    table = reader.responses(LAYER)
    for i, row in enumerate(whole["perturbations"]):
        own = table[table["target"] == row["target"]].sort_values("feature")
        columns = unpack_columns(files[f"regulation/L{LAYER:02d}/{i}.bin"])
        assert columns["feature"].tolist() == own["feature"].tolist()
        np.testing.assert_allclose(columns["effect"], own["effect"], rtol=4e-3)
        np.testing.assert_allclose(columns["p"] / 100, -np.log10(own["p"]), atol=0.006)
        assert columns["responds"].sum() == row["responding"]


def test_the_surest_are_listed(
    monkeypatch: pytest.MonkeyPatch, whole: dict[str, Any], reader: RunReader,
) -> None:
    monkeypatch.setattr(regulation, "TOP", 7)
    files = dict(regulation_files(reader, dictionaries(reader)))
    table = reader.responses(LAYER)
    for i, row in enumerate(whole["perturbations"]):
        own = table[table["target"] == row["target"]].sort_values(["p", "feature"]).head(7)
        found = unpack_json(files[f"regulation/L{LAYER:02d}/{i}.jz"])
        assert [record[0] for record in found] == own["feature"].tolist()
        np.testing.assert_allclose([record[3:] for record in found], own[list(RESPONSE)], rtol=1e-3)


def test_the_heat_map_has_the_strongest_features(whole: dict[str, Any], reader: RunReader) -> None:
    table = reader.responses(LAYER)
    heat = whole["heat"]
    assert heat["targets"] == [row["target"] for row in whole["perturbations"]]
    features = [feature for feature, _, _ in heat["features"]]
    strength = table[table["q"] < 0.05].groupby("feature")["t"].agg(lambda t: t.abs().max())
    assert set(features) == set(strength.index)
    wanted = table.pivot(index="target", columns="feature", values="t").loc[heat["targets"], features]
    np.testing.assert_allclose(np.array(heat["t"], float), wanted, rtol=1e-2)
    largest = wanted.abs().fillna(0).to_numpy().argmax(axis=0)
    assert (np.diff(largest) >= 0).all()


def test_the_heat_map_of_many_is_cut(monkeypatch: pytest.MonkeyPatch, reader: RunReader) -> None:
    monkeypatch.setattr(regulation, "HEAT_FEATURES", 3)
    monkeypatch.setattr(regulation, "HEAT_TARGETS", 2)
    files = dict(regulation_files(reader, dictionaries(reader)))
    heat = unpack_json(files[f"regulation/L{LAYER:02d}/all.jz"])["heat"]
    shown = reader.responses(LAYER).query("target in @heat['targets'] and q < 0.05")
    strongest = shown.groupby("feature")["t"].agg(lambda t: t.abs().max()).nlargest(3)
    assert len(heat["targets"]) == 2
    assert {feature for feature, _, _ in heat["features"]} == set(strongest.index)


def test_a_feature_knows_to_what_it_responds(reader: RunReader, atlas: Path) -> None:
    table = reader.responses(LAYER)
    found = responses_of(reader, LAYER)
    assert set(found) == set(table["feature"])
    for feature, (n, responding, rows) in found.items():
        own = table[table["feature"] == feature]
        sure = own[own["q"] < 0.05].sort_values(["p", "target"])
        assert (n, responding) == (len(own), len(sure))
        assert [row[0] for row in rows] == sure["target"].tolist()[:8]
        np.testing.assert_allclose([row[1:] for row in rows], sure[["effect", "low", "high", "t", "q"]].head(8).to_numpy()
                                   if rows else np.empty(0), rtol=1e-3)
    feature = next(feature for feature, (_, responding, _) in found.items() if responding)
    record = Atlas(atlas).run("my-run").feature(LAYER, feature)["responses"]
    assert record["responding"] == found[feature][1]
    assert record["strongest"][0]["target"] == found[feature][2][0][0]


def test_a_run_without_a_screen_or_with_another_model_says_so(tmp_path: Path) -> None:
    bare = open_run(write_run(tmp_path / "bare", traced=False))
    files = dict(regulation_files(bare, dictionaries(bare)))
    assert list(files) == ["regulation/index.jz"]
    assert unpack_json(files["regulation/index.jz"]) == {"layers": [], "outdated": []}
    path = write_run(tmp_path / "changed")
    (path / f"layers/{LAYER:02d}/sae.safetensors").write_bytes(b"another")
    changed = open_run(path)
    index = unpack_json(dict(regulation_files(changed, dictionaries(changed)))["regulation/index.jz"])
    assert index == {"layers": [], "outdated": [LAYER]}
    assert responses_of(changed, LAYER) == {}


def test_paths_of_this_machine_stay_here(files: dict[str, bytes]) -> None:
    notes = unpack_json(files["regulation/index.jz"])["layers"][0]["notes"]
    assert notes["screen"] == "screen.h5ad"
    assert notes["left_out"] == {"GENE99": 3}
