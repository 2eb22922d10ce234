"""A small complete run and its atlas, made once for all tests of this room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient
from tests.atlas.fabricated import write_run

from cellprism.atlas import server
from cellprism.atlas.export import export
from cellprism.atlas.packing import unpack_json
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


@pytest.fixture(scope="session")
def folder(atlas: Path) -> Path:
    return atlas / "runs" / "my-run"


@pytest.fixture(scope="session")
def terms(folder: Path) -> list[tuple[str, str]]:
    table = _jz(folder / "dict/terms.jz")
    return list(zip(table["source"], table["term"], strict=True))


@pytest.fixture(scope="session")
def groups(folder: Path) -> list[tuple[str, str]]:
    table = _jz(folder / "dict/groups.jz")
    return list(zip(table["key"], table["value"], strict=True))


@pytest.fixture(scope="session")
def client(atlas: Path) -> TestClient:
    return TestClient(server.create_app(atlas), base_url="http://127.0.0.1:8642")


def _jz(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = unpack_json(path.read_bytes())
    return found
