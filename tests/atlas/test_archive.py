from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest

from cellprism.atlas.archive import export_zip
from cellprism.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_zip_holds_the_atlas_and_is_the_same_every_time(run_path: Path, atlas: Path, tmp_path: Path) -> None:
    archive = export_zip([run_path], tmp_path / "new" / "site.zip")
    with zipfile.ZipFile(archive) as opened:
        found = {name: opened.read(name) for name in opened.namelist()}
    wanted = {f"site/{path.relative_to(atlas).as_posix()}": path.read_bytes()
              for path in atlas.rglob("*") if path.is_file()}
    assert found == wanted
    again = export_zip([run_path], tmp_path / "again" / "site.zip")
    assert again.read_bytes() == archive.read_bytes()
    assert [path.name for path in archive.parent.iterdir()] == ["site.zip"]


def test_a_directory_is_not_replaced(run_path: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a directory"):
        export_zip([run_path], tmp_path)
