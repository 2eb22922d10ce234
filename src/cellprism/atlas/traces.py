"""The traces of a run: which there are, and which of them make one graph of edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cellprism.atlas.packing import clean
from cellprism.causal.reading import trace_table
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
    """

    folder: Path
    method: str
    alpha: float
    source: int
    targets: tuple[int, ...]
    n_features: int
    n_cells: int

    def read(self, name: str, *, suffix: str = "") -> pd.DataFrame:
        return read_table(self.folder / f"{name}{suffix}.parquet", TABLES[name])

    def rows(self, name: str, *, suffix: str = "") -> list[dict[str, Any]]:
        """A small table as records; empty where the trace does not have it."""
        if not (self.folder / f"{name}{suffix}.parquet").exists():
            return []
        return [clean(row) for row in self.read(name, suffix=suffix).to_dict("records")]


def graphs(reader: RunReader) -> list[list[Trace]]:
    """The finished traces of a run that are no controls, by method and strength, each by source layer.

    Of several traces of one layer and kind, that of most sources counts, then the first by name.
    """
    table = trace_table(reader.run)
    found: dict[tuple[str, float], dict[int, Trace]] = {}
    for row in table[table["done"] & (table["control"] == "none")].to_dict("records"):
        trace = Trace(
            reader.run.file("causal") / row["trace"], row["method"], float(row["alpha"]), row["source_layer"],
            row["target_layers"], row["features"], row["cells"],
        )
        layers = found.setdefault((trace.method, trace.alpha), {})
        other = layers.get(trace.source)
        if other is None or other.n_features < trace.n_features:
            layers[trace.source] = trace
    kinds = sorted(found, key=lambda kind: (METHODS.index(kind[0]), kind[1]))
    return [[found[kind][layer] for layer in sorted(found[kind])] for kind in kinds]
