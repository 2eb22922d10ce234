"""An atlas as one zip file, for file systems on which thousands of small files are slow."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from cellprism.atlas.export import export
from cellprism.errors import UserError
from cellprism.runs.files import atomic_path

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKED = frozenset({".jz", ".bin", ".parquet"})
"""Suffixes of files that are compressed already."""
TIME = (1980, 1, 1, 0, 0, 0)
"""The time of every entry: the same runs give the same bytes."""


def export_zip(runs: Sequence[Path], out: Path) -> Path:
    """Write an atlas of finished runs as ``out``, with all files in a folder of the zip's name.

    Parameters
    ----------
    runs
        Run directories, at least one.
    out
        File to write; an older zip is replaced once the new one is whole.

    Returns
    -------
    pathlib.Path
        ``out``.

    Raises
    ------
    UserError
        A run is not finished, or ``out`` is a directory.
    """
    out = Path(out)
    if out.is_dir():
        msg = f"{out} is a directory: name a zip file with `--out`."
        raise UserError(msg)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cellprism-", dir=out.resolve().parent) as folder:
        atlas = export(runs, Path(folder) / "atlas")
        with atomic_path(out) as partial, zipfile.ZipFile(partial, "w") as archive:
            for path in sorted(path for path in atlas.rglob("*") if path.is_file()):
                entry = zipfile.ZipInfo(f"{out.stem}/{path.relative_to(atlas).as_posix()}", TIME)
                entry.external_attr = 0o644 << 16
                entry.compress_type = zipfile.ZIP_STORED if path.suffix in PACKED else zipfile.ZIP_DEFLATED
                archive.writestr(entry, path.read_bytes())
    return out
