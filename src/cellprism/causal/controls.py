"""How many edges the same edits make in other directions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from scipy import stats

from cellprism.causal.notes import write_trace_table
from cellprism.causal.tracing import trace
from cellprism.runs.causal_schemas import DIRECTION_CONTROLS
from cellprism.runs.schemas import TABLES, read_table

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.causal.requests import TraceRequest
    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress

KINDS: tuple[Literal["random", "feature"], ...] = ("random", "feature")


def trace_controls(
    run: Run, request: TraceRequest, folder: Path, *, replicates: int, memory: float | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Trace the sources of a trace along other directions and write the table ``direction_controls`` beside its edges.

    Parameters
    ----------
    run, request, folder
        The run, what was traced, and where.
    replicates
        Traces of each kind: along random directions, and along the atoms of other features.
    memory
        Bytes that a trace may take; default: what is free.
    progress
        Listener.
    """
    rows = _rows(folder, folder, "none", 0)
    for replicate in range(replicates):
        for kind in KINDS:
            asked = replace(request, control=kind, replicate=replicate)
            name = f"{folder.name}-{kind}{replicate}"
            control = trace(run, asked, name=name, memory=memory, like=folder, progress=progress)
            rows += _rows(folder, control, kind, replicate)
    table = pd.DataFrame(rows, columns=list(DIRECTION_CONTROLS.columns))
    write_trace_table(folder, "direction_controls", table)
    return table


def _rows(real: Path, control: Path, kind: str, replicate: int) -> list[dict[str, object]]:
    """One row per target layer: what a control gives, and how many sources have more edges than it."""
    here, there = (
        read_table(folder / "sources.parquet", TABLES["sources"]).set_index(["target_layer", "source"])
        for folder in (real, control)
    )
    both = here.join(there, rsuffix="_control", how="inner")
    rows: list[dict[str, object]] = []
    for layer, part in both.groupby(level="target_layer"):
        more = int((part["edges"] > part["edges_control"]).sum())
        fewer = int((part["edges"] < part["edges_control"]).sum())
        rows.append({
            "control": kind, "replicate": replicate, "target_layer": layer, "sources": len(part),
            **{name: part[f"{name}_control"].sum() for name in ("edges", "supports", "passing", "null_passing")},
            "published": part["published_control"].sum(), "more": more, "fewer": fewer,
            "p": float(stats.binomtest(more, more + fewer).pvalue) if more + fewer else np.nan,
        })
    return rows
