"""The atlas's benchmark on a small run: everything is measured, and what does not depend on the machine is within."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from cellprism.benchmarks import atlas

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.browser


def test_everything_is_measured(tmp_path: Path) -> None:
    if not (os.environ.get("CELLPRISM_CHROMIUM") or shutil.which("chromium")):
        pytest.skip("no Chromium: install it or set CELLPRISM_CHROMIUM")
    subject = atlas._synthetic(tmp_path, n_layers=3, n_features=300)
    # In a thread of its own: the browser tests leave an event loop in this one.
    with ThreadPoolExecutor(1) as thread:
        rows = thread.submit(
            lambda: [*atlas._size(subject), *atlas._server(subject), *atlas._views(subject, repeats=1)]).result()
    found = {row.name: row for row in rows}
    for name, _ in atlas.ANSWERS.values():
        assert 0 < found[name].measured < 60_000, name
        assert "300 dots" in found[name].shape
    for view in atlas.VIEWS:
        for what in ("over the wire", "code", "nodes", "requests to other hosts"):
            row = found[f"{view}: {what}"]
            assert row.measured <= row.budget, row
        assert found[f"{view}: there, slow profile"].measured > 0
    for name in ("largest shard", "all code of the pages, gzipped", "export, without the tables for download"):
        assert 0 < found[name].measured <= found[name].budget
