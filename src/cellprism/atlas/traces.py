"""The traces of a run: which there are, and which of them make one graph of edges."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cellprism.atlas.packing import clean
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
    about
        What ``trace.json`` says.
    """

    folder: Path
    about: dict[str, Any]

    @property
    def source(self) -> int:
        return int(self.about["source"])

    @property
    def kind(self) -> tuple[str, float]:
        """Method and strength of the edit: traces that share them belong together."""
        return self.about["method"], float(self.about["alpha"])

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
    found: dict[tuple[str, float], dict[int, Trace]] = {}
    for path in sorted(reader.run.file("causal").glob("*/trace.json")):
        trace = Trace(path.parent, json.loads(path.read_text(encoding="utf-8")))
        if trace.about["control"] != "none" or not (trace.folder / "facts.json").exists():
            continue
        layers = found.setdefault(trace.kind, {})
        other = layers.get(trace.source)
        if other is None or len(other.about["features"]) < len(trace.about["features"]):
            layers[trace.source] = trace
    kinds = sorted(found, key=lambda kind: (METHODS.index(kind[0]), kind[1]))
    return [[found[kind][layer] for layer in sorted(found[kind])] for kind in kinds]
