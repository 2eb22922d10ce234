"""How the tables of a trace were made: what their notes say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cellprism.causal.calibration import FLIPS
from cellprism.causal.requests import read_described
from cellprism.runs.schemas import TABLES, write_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

BOTH = "calibrated; {}: published"
PROTOCOLS = {
    "published_edges": "published",
    **dict.fromkeys(("edges", "direction_controls"), BOTH.format("column published")),
    "sources": BOTH.format("columns published, published_negative"),
    "fdr": BOTH.format("rule published"),
    "trace_rates": "calibrated and published: see the column protocol",
}
"""Protocol of the tables that are not calibrated throughout."""
UNITS = {
    "degrees": "feature", "tails": "feature", "direction_controls": "source (p)", "domains": "feature",
    "domain_edges": "feature",
}
"""What is flipped, permuted or compared; the cell in all other tables."""
SAID = ("method", "alpha", "control", "replicate", "seed", "dtype", "off_by")


def write_trace_table(folder: Path, name: str, frame: pd.DataFrame, *, stem: str | None = None, **own: object) -> None:
    """Write a table of a trace, atomically, with what ``trace.json`` beside it says of how it was made.

    Parameters
    ----------
    folder, name, frame
        Directory of the trace, name of the table in `runs.schemas`, and its content.
    stem
        Name of the file without its ending; default: the table's.
    own
        Further notes, such as the size of the family; they come before those of the trace.
    """
    notes = {**trace_notes(read_described(folder)), "protocol": PROTOCOLS.get(name, "calibrated"),
             "unit": UNITS.get(name, "cell"), **own}
    write_table(folder / f"{stem or name}.parquet", TABLES[name], frame, notes=notes)


def trace_notes(described: Mapping[str, Any]) -> dict[str, Any]:
    """Method, edit, number format, cells, flips and seed of a trace, for the notes of its tables."""
    return {
        **{name: described.get(name) for name in SAID}, "layer": described["source"], "flips": FLIPS,
        "n_cells": len(described["cells"]), "n_sources": len(described["features"]),
    }
