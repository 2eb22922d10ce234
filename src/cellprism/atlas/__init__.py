"""What readers see: runs as files and pages in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.reader import RunReader


def open(path: str | Path, run: str | None = None) -> RunReader:
    """Open a run, an exported atlas or the address of an atlas for reading; see `cellprism.atlas.client.open_atlas`."""
    from cellprism.atlas.client import open_atlas

    return open_atlas(path, run)
