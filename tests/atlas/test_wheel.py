"""The wheel that users install carries the pages and serves them without Node or the sources."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

import pytest

import cellprism.atlas
from cellprism.atlas.export import STATIC

ROOT = Path(__file__).parents[2]
SERVE = "import sys; from cellprism.cli import main; sys.argv = ['cellprism', 'serve', sys.argv[1]]; main()"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (found,) = folder.glob("cellprism-*.whl")
    return found


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_the_wheel_has_the_built_pages_and_not_their_sources(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    built = {f"cellprism/atlas/static/{path.relative_to(STATIC).as_posix()}"
             for path in STATIC.rglob("*") if path.is_file()}
    assert len(built) > 10
    assert built <= names
    assert not [name for name in names if "atlas/web" in name or "node_modules" in name]


def test_the_wheel_serves_an_atlas(unpacked: Path, atlas: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    where = subprocess.run(
        [sys.executable, "-c", "import cellprism.atlas; print(cellprism.atlas.__file__)"], env=environment,
        capture_output=True, text=True, check=True,
    )
    assert where.stdout.startswith(str(unpacked))
    assert not where.stdout.startswith(str(Path(cellprism.atlas.__file__).parent))
    command = [sys.executable, "-c", SERVE, str(atlas)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        address = next(word for word in process.stdout.readline().split() if word.startswith("http"))
        page = _read(address).decode()
        files = re.findall(r'(?:src|href)="([^"#]+)"', page)
        assert any(name.endswith(".js") for name in files) and any(name.endswith(".css") for name in files)
        for name in files:
            if not name.startswith("data:"):
                assert len(_read(address + name.removeprefix("./"))) > 100
        assert b'"serve"' in _read(address + "atlas.json")
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def _read(address: str) -> bytes:
    with urllib.request.urlopen(address) as answer:
        return bytes(answer.read())
