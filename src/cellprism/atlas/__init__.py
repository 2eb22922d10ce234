"""What readers see: runs as files and pages in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.reader import RunReader


def open(path: str | Path) -> RunReader:
    """Open a run for reading; the same as `cellprism.open_run`."""
    from cellprism.reader import open_run

    return open_run(path)
