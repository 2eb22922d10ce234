"""The traces of a run: which there are, and which of them make one graph of edges."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cellprism.atlas.packing import clean, number
from cellprism.causal.reading import trace_table
from cellprism.causal.requests import read_described
from cellprism.runs.schemas import TABLES, read_table

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from cellprism.reader import RunReader

METHODS = ("ablation", "ig", "attribution")
"""Methods in the order in which graphs are listed: the exact one first."""


@dataclass(frozen=True)
class Trace:
    """A finished trace of one source layer.

    Attributes
    ----------
    folder
        Where its tables are.
    method, alpha
        How its features were edited.
    source, targets
        Layer of the edited features, and the layers that were read.
    n_features, n_cells
        Edited features, and cells.
    n_targets
        Features of the target layers that were read; None: all.
    dtype, off_by
        Number format, and by what share changes of low rank put effects off; None where nothing says so.
    others
        Names of the finished traces of the same layer and kind in whose place this one is shown.
    """

    folder: Path
    method: str
    alpha: float
    source: int
    targets: tuple[int, ...]
    n_features: int
    n_cells: int
    n_targets: int | None
    dtype: str | None
    off_by: float | None
    others: tuple[str, ...] = ()

    def read(self, name: str, *, suffix: str = "") -> pd.DataFrame:
        return read_table(self.folder / f"{name}{suffix}.parquet", TABLES[name])

    def rows(self, name: str, *, suffix: str = "") -> list[dict[str, Any]]:
        """A small table as records of rounded numbers; empty where the trace does not have it."""
        if not (self.folder / f"{name}{suffix}.parquet").exists():
            return []
        rows = [clean(row) for row in self.read(name, suffix=suffix).to_dict("records")]
        return [{k: number(v) if isinstance(v, float) else v for k, v in row.items()} for row in rows]


def graphs(reader: RunReader) -> list[list[Trace]]:
    """The finished traces of a run that are no controls, by method and strength, each by source layer.

    Of several traces of one layer and kind, that of most sources counts, then the first by name.
    """
    table = trace_table(reader.run)
    found: dict[tuple[str, float], dict[int, list[Trace]]] = {}
    for row in table[table["done"] & (table["control"] == "none")].to_dict("records"):
        folder = reader.run.file("causal") / row["trace"]
        about = read_described(folder)
        read = about.get("target_features")
        trace = Trace(
            folder, row["method"], float(row["alpha"]), row["source_layer"], row["target_layers"], row["features"],
            row["cells"], n_targets=None if read is None else sum(map(len, read.values())), dtype=about.get("dtype"),
            off_by=about.get("off_by"),
        )
        found.setdefault((trace.method, trace.alpha), {}).setdefault(trace.source, []).append(trace)
    kinds = sorted(found, key=lambda kind: (METHODS.index(kind[0]), kind[1]))
    return [[_chosen(found[kind][layer]) for layer in sorted(found[kind])] for kind in kinds]


def _chosen(traces: list[Trace]) -> Trace:
    first = max(traces, key=lambda trace: trace.n_features)
    return replace(first, others=tuple(trace.folder.name for trace in traces if trace is not first))
