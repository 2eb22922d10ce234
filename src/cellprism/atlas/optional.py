"""Tables that a finished run may lack, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cellprism.runs.schemas import TABLES, empty

if TYPE_CHECKING:
    import pandas as pd

    from cellprism.reader import RunReader

NOT_DONE = "this run was made before they were computed; `cellprism run` on it adds them"
WANTED = ("chains", "highways")
"""Tables whose pages explain themselves where a run lacks them."""


def optional(reader: RunReader, name: str, layer: int | None = None) -> pd.DataFrame:
    """A table, without rows where the run does not have it."""
    return reader.run.read(name, layer) if _there(reader, name, layer) else empty(TABLES[name])


def absences(reader: RunReader) -> list[dict[str, Any]]:
    """What the run says it was made without, and the tables in `WANTED` that it has not come to."""
    undone = [
        {"table": name, "layers": None, "reason": NOT_DONE}
        for name in WANTED
        if not any(_there(reader, name, layer) for layer in (None, *reader.layers))
    ]
    return [*reader.run.absences, *undone]


def _there(reader: RunReader, name: str, layer: int | None) -> bool:
    return reader.run.absent(name, layer) is not None or reader.run.file(f"{name}.parquet", layer).exists()
