from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from tests.atlas.fabricated import DEAD, LAYERS, N_FEATURES, write_run

from cellprism.atlas import highwayfiles
from cellprism.atlas.columns import unpack_columns
from cellprism.atlas.dictionaries import dictionaries
from cellprism.atlas.export import export
from cellprism.atlas.files import Atlas
from cellprism.atlas.highwayfiles import NOWHERE, OTHERS, highway_files
from cellprism.atlas.packing import unpack_json
from cellprism.reader import open_run

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.reader import RunReader

FIRST, LATER = LAYERS


@pytest.fixture(scope="module")
def folder(atlas: Path) -> Path:
    return atlas / "runs" / "my-run" / "flow"


def rows_of(files: dict[str, bytes]) -> pd.DataFrame:
    names = sorted((name for name in files if name.endswith(".bin")), key=lambda name: int(name.split("/")[-1][:-4]))
    return pd.concat([pd.DataFrame(unpack_columns(files[name])) for name in names], ignore_index=True)


def test_chains_are_those_of_the_table(folder: Path, reader: RunReader) -> None:
    index = unpack_json((folder / "index.jz").read_bytes())
    found = unpack_json((folder / "chains/0.jz").read_bytes())
    table = reader.chain_members()
    wanted = {
        (int(own["layer"].iloc[0]), tuple(own["feature"])): own["cosine"].iloc[1:].tolist()
        for _, own in table.sort_values("layer").groupby("chain") if len(own) > 1
    }
    assert index["n_chains"] == len(found) == len(wanted) > 15
    for first, features, cosines, terms in found:
        np.testing.assert_allclose(cosines, wanted[first, tuple(features)], rtol=1e-3)
        assert len(terms) == len(features)
    means = [np.mean(row[2]) for row in found]
    assert means == sorted(means, reverse=True)
    born = table.groupby("chain")["layer"].min().value_counts()
    assert index["lasting"]["born"] == [born[FIRST], born[LATER]]
    assert index["lasting"]["reach"] == [[N_FEATURES - 1, len(wanted)], [0, (table["layer"] == LATER).sum()]]


def test_highways_lie_link_by_link(reader: RunReader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row is in one of the files, at the place that the links before it leave for it."""
    monkeypatch.setattr(highwayfiles, "ROWS", 20)
    monkeypatch.setattr(highwayfiles, "NAMED", 1)
    files, entries = {}, []
    for name, data, entry in highway_files(reader, FIRST, dictionaries(reader)):
        files[name] = data
        entries += [entry] if entry else []
    table = reader.highways(FIRST)
    rows = rows_of(files)
    assert entries == [{
        "from": FIRST, "to": LATER, "n": len(table), "n_features": table["feature"].nunique(),
        "n_partners": table["partner"].nunique(), "n_files": -(-len(table) // 20),
    }]
    both = rows.merge(table, on=["feature", "partner"], suffixes=("", "_table"))
    assert len(both) == len(rows) == len(table)
    np.testing.assert_allclose(both["pmi"], both["pmi_table"], rtol=1e-4)
    blocks = {layer: dict(reader.members(layer).itertuples(index=False)) for layer in LAYERS}
    largest = {layer: reader.members(layer)["module"].value_counts().idxmax() for layer in LAYERS}

    def block(layer: int, feature: int) -> int:
        module = blocks[layer].get(feature, NOWHERE)
        return module if module in (NOWHERE, largest[layer]) else OTHERS

    content = unpack_json(files[f"flow/L{FIRST:02d}-L{LATER:02d}.jz"])
    sizes = [n for _, _, n in content["links"]]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == len(rows)
    start = 0
    for source, target, n in content["links"]:
        own = rows.iloc[start : start + n]
        start += n
        assert {(block(FIRST, f), block(LATER, p)) for f, p in zip(own["feature"], own["partner"], strict=True)} == {
            (source, target)
        }
        assert own["pmi"].is_monotonic_decreasing
    strongest = [row[3] for row in content["strongest"]]
    np.testing.assert_allclose(strongest, table["pmi"].sort_values(ascending=False).head(200), rtol=1e-3)


def test_a_feature_knows_its_highways_and_its_chain(atlas: Path, reader: RunReader) -> None:
    run = Atlas(atlas).run("my-run")
    table = reader.highways(FIRST)
    feature = int(table["feature"].iloc[0])
    record = run.feature(FIRST, feature)
    own = table[table["feature"] == feature].sort_values("pmi", ascending=False)
    assert [row["feature"] for row in record["highways"]] == own["partner"].tolist()
    assert {row["layer"] for row in record["highways"]} == {LATER}
    members = reader.chain_members()
    chain = members[members["chain"] == members.query("layer == @FIRST and feature == 0")["chain"].iloc[0]]
    found = run.feature(LATER, 1)["chain"]
    assert [(row["layer"], row["feature"]) for row in found] == list(zip(chain["layer"], chain["feature"], strict=True))
    assert found == run.feature(FIRST, 0)["chain"]
    assert found[0]["cosine"] is None
    assert run.feature(FIRST, DEAD)["chain"] == run.feature(FIRST, DEAD)["highways"] == []


def test_a_run_without_the_tables_says_so(tmp_path: Path) -> None:
    path = write_run(tmp_path / "old")
    for pattern in ("chain*.parquet", "layers/*/highways.parquet"):
        for table in path.glob(pattern):
            table.unlink()
    folder = export([path], tmp_path / "atlas") / "runs" / "old"
    summary = unpack_json((folder / "summary.jz").read_bytes())
    assert [entry["table"] for entry in summary["absent"]] == ["chains", "highways"]
    assert unpack_json((folder / "flow/index.jz").read_bytes()) == {
        "lasting": None, "n_chains": 0, "n_files": 0, "pairs": [],
    }
    assert not open_run(path).run.absences
