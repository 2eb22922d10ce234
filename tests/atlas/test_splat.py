"""The pixels of the map: what is kept between pictures may not show in them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import cellprism.atlas

WEB = Path(cellprism.atlas.__file__).parent / "web"
ORACLE = Path(__file__).with_name("splat_oracle.mjs")


def test_pictures_are_those_of_a_painter_that_keeps_nothing(tmp_path: Path) -> None:
    """With soft and with hard dots, at edges, out of sight, recoloured in place and drawn anew."""
    node = shutil.which("node")
    if node is None or not (WEB / "node_modules" / "esbuild").is_dir():
        pytest.skip("no Node packages: run `npm ci` in src/cellprism/atlas/web")
    (tmp_path / "node_modules").symlink_to(WEB / "node_modules")
    script = shutil.copy(ORACLE, tmp_path)
    done = subprocess.run(
        [node, script, WEB / "src" / "map" / "scene.ts"], capture_output=True, text=True, cwd=tmp_path, check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
