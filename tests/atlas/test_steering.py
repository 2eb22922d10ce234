"""The files about steering against the tables that they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from tests.atlas.fabricated import LAYERS, write_run
from tests.atlas.fabricated_results import ALPHAS, MISSING, OFF, ON, PARTNERS, READOUTS, WITHOUT

from cellprism.atlas.dictionaries import dictionaries
from cellprism.atlas.files import Atlas
from cellprism.atlas.geneindex import label_terms
from cellprism.atlas.packing import unpack_json
from cellprism.atlas.steering import DIRECTIONS, EFFECT, GENES_OF, steered, steering_files
from cellprism.reader import open_run

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.reader import RunReader

FIRST, LAST = LAYERS


@pytest.fixture(scope="module")
def files(reader: RunReader) -> dict[str, Any]:
    return {name: unpack_json(data) for name, data in steering_files(reader, dictionaries(reader))}


@pytest.mark.parametrize("layer", LAYERS)
def test_every_effect_is_found(files: dict[str, Any], reader: RunReader, layer: int) -> None:
    """As the browser finds it: the number of the readout, of the feature and of alpha."""
    table = reader.steering(layer).set_index(["direction", "readout", "feature", "alpha"]).sort_index()
    features = [row[0] for row in files[f"steer/L{layer:02d}/features.jz"]]
    assert len(table) == len(DIRECTIONS) * len(READOUTS) * len(features) * len(ALPHAS)
    for number, readout in enumerate(READOUTS):
        doses = files[f"steer/L{layer:02d}/{number}.jz"]
        for direction in DIRECTIONS:
            for place, feature in enumerate(features):
                assert doses["n_cells"][place] == table.loc[(direction, readout, feature), "n_cells"].iloc[0]
                for at, alpha in enumerate(ALPHAS):
                    wanted = table.loc[(direction, readout, feature, alpha), list(EFFECT)].to_numpy(float)
                    found = np.array(doses[direction][place][at], float)
                    np.testing.assert_allclose(found, wanted, rtol=1e-3)


def test_features_stand_by_arm_and_by_how_they_switch(files: dict[str, Any], reader: RunReader) -> None:
    rows = files[f"steer/L{FIRST:02d}/features.jz"]
    g = reader.switches(FIRST).set_index("feature")["g"]
    wanted = [sorted(arm, key=lambda f: -abs(g[f])) for arm in (ON, OFF)]
    assert [row[0] for row in rows if row[1] == "on"] == wanted[0]
    assert [row[0] for row in rows if row[1] == "off"] == wanted[1]
    controls = [(row[2], row[0]) for row in rows if row[1] == "matched"]
    assert controls == [(f, PARTNERS[f]) for f in [*wanted[0], *wanted[1]] if f != WITHOUT]
    terms = label_terms(reader, FIRST, dictionaries(reader))
    top = reader.top_genes(FIRST)
    for feature, _, _, term, genes, how in rows:
        first = top[(top["feature"] == feature) & (top["rank"] < 3)].sort_values("rank")["symbol"]
        assert (term, genes) == ((terms[feature], "") if feature in terms else (None, ", ".join(first)))
        assert how[3] == pytest.approx(g[feature], rel=1e-3)


def test_the_index_says_what_was_done(files: dict[str, Any], reader: RunReader) -> None:
    assert files["steer/index.jz"]["outdated"] == []
    first, last = files["steer/index.jz"]["layers"]
    assert (first["layer"], last["layer"], first["algebraic"], last["algebraic"]) == (FIRST, LAST, False, True)
    assert first["alphas"] == list(ALPHAS)
    assert first["counts"] == {"on": len(ON), "off": len(OFF), "matched": len(PARTNERS) - 1}
    assert first["n_missing"] == 1
    assert MISSING not in [row[0] for row in files[f"steer/L{FIRST:02d}/features.jz"]]
    assert [row["readout"] for row in first["readouts"]] == list(READOUTS)
    assert first["readouts"][-1]["span"] is None
    assert last["arms"][0]["p"] is None
    pd.testing.assert_frame_equal(
        pd.DataFrame(first["arms"]), reader.steering_arms(FIRST), check_dtype=False, rtol=1e-5,
    )
    assert first["notes"]["order_name"] == "pseudotime"
    assert "key" not in first["notes"]


def test_genes_are_those_of_the_table(files: dict[str, Any], reader: RunReader) -> None:
    table = reader.steering_genes(FIRST)
    features = [row[0] for row in files[f"steer/L{FIRST:02d}/features.jz"]]
    for place, feature in enumerate(features):
        records = files[f"steer/L{FIRST:02d}/genes/{place // GENES_OF}.jz"][str(feature)]
        assert [record[0] for record in records] == list(range(len(ALPHAS)))
        for at, up, down in records:
            own = table[(table["feature"] == feature) & (table["alpha"] == ALPHAS[at])].sort_values("rank")
            for sign, found in ((1, up), (-1, down)):
                wanted = own[own["change"] * sign > 0]
                assert [gene for gene, _ in found] == wanted["gene"].tolist()
                np.testing.assert_allclose([change for _, change in found], wanted["change"], rtol=1e-3)


def test_a_feature_knows_what_pushing_it_did(reader: RunReader, atlas: Path) -> None:
    found = steered(reader, FIRST)
    assert set(found) == {*ON, *OFF, *(p for f, p in PARTNERS.items() if f != WITHOUT)}
    table = reader.steering(FIRST).query("direction == 'atom' and alpha == 5").set_index(["feature", "readout"])
    for feature, (arm, alpha, rows) in found.items():
        assert (alpha, [row[0] for row in rows]) == (max(ALPHAS), list(READOUTS))
        for readout, *values, _ in rows:
            own = table.loc[(feature, readout)]
            assert own["arm"] == arm
            np.testing.assert_allclose(np.array(values, float), own[["effect", "low", "high", "q"]].to_numpy(float),
                                       rtol=1e-5)
    record = Atlas(atlas).run("my-run").feature(FIRST, ON[0])["steering"]
    assert record["arm"] == "on"
    assert record["readouts"][0]["effect"] == found[ON[0]][2][0][1]
    assert record["readouts"][0]["span"] == 0.4
    assert "steering" not in Atlas(atlas).run("my-run").feature(FIRST, MISSING)


def test_a_run_without_steering_or_with_another_model_says_so(tmp_path: Path) -> None:
    bare = open_run(write_run(tmp_path / "bare", traced=False))
    files = dict(steering_files(bare, dictionaries(bare)))
    assert {name: unpack_json(data) for name, data in files.items()} == {
        "steer/index.jz": {"layers": [], "outdated": []},
    }
    assert steered(bare, FIRST) == {}
    path = write_run(tmp_path / "changed")
    (path / f"layers/{FIRST:02d}/sae.safetensors").write_bytes(b"another")
    changed = open_run(path)
    index = unpack_json(dict(steering_files(changed, dictionaries(changed)))["steer/index.jz"])
    assert index["outdated"] == [FIRST]
    assert [entry["layer"] for entry in index["layers"]] == [LAST]
    assert steered(changed, FIRST) == {}
