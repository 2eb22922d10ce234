"""The traces of a run as notebooks see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellprism.causal.requests import is_current, read_described
from cellprism.errors import UserError
from cellprism.runs.schemas import TABLES, read_table

if TYPE_CHECKING:
    import pandas as pd

    from cellprism.runs.directory import Run


ASKED = ("method", "alpha", "control", "replicate")


class TraceReader:
    """The tables of one trace. Their columns are described in `docs/formats.md`.

    Parameters
    ----------
    run
        The run.
    name
        The trace's directory in ``causal/``.

    Raises
    ------
    UserError
        There is no such trace, it is not done, another version made it, or the run has another model, cells or
        autoencoders by now.
    """

    def __init__(self, run: Run, name: str) -> None:
        self.path = run.file("causal") / name
        if name not in trace_names(run):
            there = ", ".join(trace_names(run)) or "none yet"
            msg = f"{run.path} has no trace {name!r} (there is {there}): make one with `cellprism trace`."
            raise UserError(msg)
        self.request = read_described(self.path)
        if not (self.path / "facts.json").exists():
            msg = f"the trace {name} of {run.path} is not done: give the same command again to go on with it."
            raise UserError(msg)
        if not is_current(run, self.request["key"], (self.source_layer, *self.target_layers)):
            msg = (
                f"{self.path} was traced before the run changed its model, cells or autoencoders: delete it and trace "
                "again."
            )
            raise UserError(msg)

    def __repr__(self) -> str:
        return f"TraceReader({str(self.path)!r})"

    @property
    def source_layer(self) -> int:
        return int(self.request["source"])

    @property
    def target_layers(self) -> tuple[int, ...]:
        return tuple(self.request["targets"])

    def edges(self) -> pd.DataFrame:
        """All calibrated edges."""
        return self._read("edges")

    def published_edges(self) -> pd.DataFrame:
        """The edges that the rule of the published work would have kept: 50 for each source and layer at most."""
        return self._read("published_edges")

    def sources(self) -> pd.DataFrame:
        """Tests and edges of each source in each target layer."""
        return self._read("sources")

    def fdr(self) -> pd.DataFrame:
        """False discovery rate by thresholds, by rule, and with half of the cells."""
        return self._read("fdr")

    def degrees(self) -> pd.DataFrame:
        """Degree of each source and target beside the degree that its firing explains."""
        return self._read("degrees")

    def tails(self) -> pd.DataFrame:
        """Power laws fitted to the degrees, and what they were compared with."""
        return self._read("tails")

    def domains(self) -> pd.DataFrame:
        """Labels of features by PageRank in the graph of labels."""
        return self._read("domains")

    def domain_edges(self) -> pd.DataFrame:
        """Edges between labels beside those expected."""
        return self._read("domain_edges")

    def direction_controls(self) -> pd.DataFrame:
        """The same edits along other directions, if they were traced."""
        return self._read("direction_controls")

    def agreement(self) -> pd.DataFrame:
        """How well the effects of a trace by attribution or ig agree with exact ones."""
        return self._read("agreement")

    def rates(self) -> pd.DataFrame:
        """Every rate of the trace beside its null."""
        import pandas as pd

        paths = sorted(self.path.glob("trace_rates*.parquet"))
        return pd.concat([read_table(path, TABLES["trace_rates"]) for path in paths], ignore_index=True)

    def _read(self, name: str) -> pd.DataFrame:
        return read_table(self.path / f"{name}.parquet", TABLES[name])


def trace_names(run: Run) -> list[str]:
    """Names of all traces of a run, finished or not, sorted."""
    return sorted(path.parent.name for path in run.file("causal").glob("*/trace.json"))


def trace_table(run: Run) -> pd.DataFrame:
    """One row per trace: what was asked for, and whether it is done."""
    import pandas as pd

    rows = []
    for name in trace_names(run):
        path = run.file("causal") / name
        asked = read_described(path)
        rows.append({
            "trace": name, "source_layer": asked["source"], "target_layers": tuple(asked["targets"]),
            "features": len(asked["features"]), "cells": len(asked["cells"]),
            **{key: asked[key] for key in ASKED},
            "done": (path / "facts.json").exists(),
        })
    columns = ["trace", "source_layer", "target_layers", "features", "cells", *ASKED, "done"]
    return pd.DataFrame(rows, columns=columns)


def all_edges(run: Run) -> pd.DataFrame:
    """The edges of all finished traces by ablation that are no controls, with columns ``trace`` and ``source_layer``.

    Raises
    ------
    UserError
        There is none.
    """
    import pandas as pd

    table = trace_table(run)
    chosen = table[table["done"] & (table["method"] == "ablation") & (table["control"] == "none")]
    if chosen.empty:
        msg = f"{run.path} has no finished trace by ablation: make one with `cellprism trace {run.path}`."
        raise UserError(msg)
    return pd.concat([named_edges(run, name) for name in chosen["trace"]], ignore_index=True)


def named_edges(run: Run, name: str) -> pd.DataFrame:
    """The edges of one trace, with columns ``trace`` and ``source_layer``."""
    trace = TraceReader(run, name)
    table = trace.edges().assign(trace=name, source_layer=trace.source_layer)
    return table[["trace", "source_layer", *table.columns.drop(["trace", "source_layer"])]]
