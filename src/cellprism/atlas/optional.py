"""Tables that a run may do without: older runs and imported ones lack some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellprism.runs.schemas import TABLES, empty

if TYPE_CHECKING:
    import pandas as pd

    from cellprism.reader import RunReader


def optional(reader: RunReader, name: str, layer: int | None = None) -> pd.DataFrame:
    """A table of a run, without rows where the run does not have it."""
    if not reader.run.file(f"{name}.parquet", layer).exists():
        return empty(TABLES[name])
    return reader.run.read(name, layer)
