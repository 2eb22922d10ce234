"""A small complete run and its atlas, made once for all tests of this room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.atlas.fabricated import write_run

from cellprism.atlas.export import export
from cellprism.reader import RunReader, open_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def run_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "My Run")


@pytest.fixture(scope="session")
def reader(run_path: Path) -> RunReader:
    return open_run(run_path)


@pytest.fixture(scope="session")
def atlas(run_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export([run_path], tmp_path_factory.mktemp("atlas") / "site")
