"""Tables of a run's folder ``causal/`` that belong to no trace, each with the hash of what it rests on.

Other folders of a run, such as ``regulation/``, hold tables of the same kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cellprism.causal.requests import is_current, run_key
from cellprism.errors import UserError
from cellprism.runs.schemas import TABLES, read_notes, read_table, write_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from cellprism.runs.directory import Run


def table_path(run: Run, name: str, which: str, *, folder: str = "causal") -> Path:
    """``FOLDER/NAME_WHICH.parquet``."""
    return run.file(f"{folder}/{name}_{which}.parquet")


def write_causal(
    run: Run, name: str, which: str, frame: pd.DataFrame, *, layers: Sequence[int], notes: dict[str, Any],
    folder: str = "causal",
) -> None:
    """Write a table with ``notes``, the layers that it rests on and the hash of what these are made of."""
    everything = {**notes, "layers": list(layers), "key": run_key(run, layers)}
    write_table(table_path(run, name, which, folder=folder), TABLES[name], frame, notes=everything)


def read_causal(run: Run, name: str, which: str, *, command: str, folder: str = "causal") -> pd.DataFrame:
    """Read such a table.

    Parameters
    ----------
    command
        The command that makes it, for the sentence that says it is missing or out of date.

    Raises
    ------
    UserError
        It is not there, or the run has another model, other cells or other autoencoders by now.
    """
    path = table_path(run, name, which, folder=folder)
    if not path.exists():
        msg = f"{run.path} has no table {name} in {folder}/: make it with `{command}`."
        raise UserError(msg)
    frame = read_table(path, TABLES[name])
    notes = read_notes(path)
    layers: Any = notes["layers"]
    if not is_current(run, str(notes["key"]), layers):
        msg = f"{path} rests on a model, cells or autoencoders that the run has no more: make it anew with `{command}`."
        raise UserError(msg)
    return frame


def causal_names(run: Run, name: str, *, folder: str = "causal") -> list[str]:
    """What follows ``NAME_`` in the names of the files of a table, sorted."""
    start, end = f"{folder}/{name}_", ".parquet"
    return [file.removeprefix(start).removesuffix(end) for file in run.beginning(start) if file.endswith(end)]
