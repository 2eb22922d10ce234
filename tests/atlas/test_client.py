"""A run, its atlas on disk and its atlas at an address give the same tables."""

from __future__ import annotations

import inspect
import json
import shutil
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from tests.atlas.fabricated import write_run
from tests.browser.browsing import from_our_server, from_plain_files

import cellprism as cp
from cellprism.atlas.export import export
from cellprism.atlas.packing import pack_json, unpack_json
from cellprism.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cellprism.reader import RunReader

NOT_TABLES = {"trace", "codes", "findings", "paths", "intermediates", "neighbourhood"}


@pytest.fixture(scope="module", params=["export", "static host", "our server"])
def opened(request: pytest.FixtureRequest, atlas: Path) -> Iterator[RunReader]:
    if request.param == "export":
        yield cp.atlas.open(atlas)
    elif request.param == "static host":
        with from_plain_files(atlas.parent) as port:
            yield cp.atlas.open(f"http://127.0.0.1:{port}/{atlas.name}")
    else:
        with from_our_server(atlas) as port:
            yield cp.atlas.open(f"http://127.0.0.1:{port}/#/my-run/genes?gene=CD3D")


def tables(run: RunReader) -> dict[str, pd.DataFrame]:
    """Every table that the reader's calls give; a call that fails gives its sentence."""
    found = {}
    for name, call in inspect.getmembers(run, inspect.ismethod):
        if name.startswith("_") or name in NOT_TABLES:
            continue
        by_layer = "layer" in inspect.signature(call).parameters
        try:
            found[name] = call(run.layers[-1]) if by_layer else call()
        except UserError:
            found[name] = None
    return found


def test_the_same_calls_give_the_same_tables(opened: RunReader, run_path: Path) -> None:
    own = cp.atlas.open(run_path)
    wanted, found = tables(own), tables(opened)
    assert sum(table is not None for table in wanted.values()) > 12
    for name, table in wanted.items():
        if table is None:
            assert found[name] is None, name
        else:
            pd.testing.assert_frame_equal(found[name], table)
    pd.testing.assert_frame_equal(opened.findings(), own.findings())
    assert opened.layers == own.layers
    assert opened.config.seed == own.config.seed
    with pytest.raises(UserError, match="no codes in"):
        opened.codes(0)
    with pytest.raises(UserError, match="has no layer 1: choose one of 0, 2"):
        opened.features(1)


def test_paths_are_found_wherever_the_edges_are(opened: RunReader, run_path: Path) -> None:
    own = cp.atlas.open(run_path)
    edge = own.edges().iloc[0]
    start, end = (edge["source_layer"], edge["source"]), (edge["target_layer"], edge["target"])
    for name, ends in (("paths", (start, end)), ("intermediates", (start, end)), ("neighbourhood", (start,))):
        pd.testing.assert_frame_equal(getattr(opened, name)(*ends), getattr(own, name)(*ends))
    assert len(opened.neighbourhood(start)) > 0
    assert opened.paths(start, end)["path"].tolist() == [[start, end]]
    with pytest.raises(UserError, match="kept no effects"):
        opened.trace(edge["trace"]).effects(edge["source"])


def test_a_run_is_chosen_by_its_id(run_path: Path, tmp_path: Path) -> None:
    other = write_run(tmp_path / "other", seed=1)
    both = export([run_path, other], tmp_path / "both")
    with pytest.raises(UserError, match="has the runs my-run, other: choose one"):
        cp.atlas.open(both)
    with pytest.raises(UserError, match="has no run 'third': it has my-run, other"):
        cp.atlas.open(both, run="third")
    wanted = cp.open_run(other).features(0)
    pd.testing.assert_frame_equal(cp.atlas.open(both, run="other").features(0), wanted)
    with from_plain_files(both) as port:
        address = f"http://127.0.0.1:{port}/"
        pd.testing.assert_frame_equal(cp.atlas.open(f"{address}index.html#/other/layer/0?q=1").features(0), wanted)
        with pytest.raises(UserError, match="choose one"):
            cp.atlas.open(address)
        assert address in repr(cp.atlas.open(address, run="my-run"))


def test_what_is_no_atlas_is_refused_in_one_sentence(atlas: Path, tmp_path: Path) -> None:
    (tmp_path / "atlas.json").write_text("[]")
    (tmp_path / "page").mkdir()
    (tmp_path / "page/atlas.json").write_text("<html>")
    with from_plain_files(tmp_path) as port:
        address = f"http://127.0.0.1:{port}/"
        for path, words in (("", "is not an atlas"), ("page/", "not a file of an atlas"), ("none", "answered 404")):
            with pytest.raises(UserError, match=words):
                cp.atlas.open(address + path)
    with pytest.raises(UserError, match="cannot be fetched"):
        cp.atlas.open(address)
    with pytest.raises(UserError, match="not a cellprism run"):
        cp.atlas.open(tmp_path)
    newer = shutil.copytree(atlas, tmp_path / "newer")
    index = json.loads((newer / "atlas.json").read_text())
    (newer / "atlas.json").write_text(json.dumps({**index, "format": 99}))
    with pytest.raises(UserError, match="format 99"):
        cp.atlas.open(newer)


def test_a_file_that_is_not_the_listed_one_is_refused(atlas: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(atlas, tmp_path / "copy")
    listing = copy / "runs/my-run/tables.jz"
    entries = unpack_json(listing.read_bytes())
    for entry in entries["files"]:
        if entry["file"] == "genes.parquet":
            entry["sha256"] = "0" * 64
    listing.write_bytes(pack_json(entries))
    with from_plain_files(copy) as port:
        run = cp.atlas.open(f"http://127.0.0.1:{port}/")
        assert len(run.cells()) == 40
        with pytest.raises(UserError, match="SHA-256 differs"):
            run.genes()
