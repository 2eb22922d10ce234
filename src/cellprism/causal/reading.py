"""The traces of a run as notebooks see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellprism.causal.requests import is_current, read_described
from cellprism.causal.workfiles import kept_of
from cellprism.errors import UserError
from cellprism.runs.schemas import TABLES, read_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from cellprism.causal.paths import Node
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

    def effects(self, source: int) -> pd.DataFrame:
        """The effect of one source on every target in every cell where it fires, if ``--keep-effects`` kept them.

        Returns
        -------
        pandas.DataFrame
            One row per cell (index ``cell``), one column per target (``target_layer``, ``target``), float32; they were
            kept as float16, to three digits. Their mean over cells is ``effect`` in the tables.

        Raises
        ------
        UserError
            The trace kept no effects, or has no such source.
        """
        import pandas as pd

        folder, features = self.path / "effects", self.request["features"]
        if not folder.is_dir():
            msg = f"{self.path} kept no effects: trace again with `--keep-effects` and another `--name`."
            raise UserError(msg)
        if source not in features:
            msg = f"feature {source} is no source of {self.path}: choose one of the table `sources`."
            raise UserError(msg)
        try:
            cells, found = kept_of(folder, source, near=features.index(source) / len(features))
        except KeyError:
            msg = f"feature {source} fires in none of the cells of {self.path}: choose one of the table `sources`."
            raise UserError(msg) from None
        chosen = self.request.get("target_features") or {}
        parts = {}
        for layer, matrix in found.items():
            targets = chosen.get(str(layer), range(matrix.shape[1]))
            parts[layer] = pd.DataFrame(matrix.toarray()[:, targets], pd.Index(cells, name="cell"), list(targets))
        return pd.concat(parts, axis=1, names=["target_layer", "target"])

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


def exact_traces(run: Run) -> list[str]:
    """Names of the finished traces by ablation that are no controls.

    Raises
    ------
    UserError
        There is none.
    """
    table = trace_table(run)
    chosen = table[table["done"] & (table["method"] == "ablation") & (table["control"] == "none")]
    if chosen.empty:
        msg = f"{run.path} has no finished trace by ablation: make one with `cellprism trace {run.path}`."
        raise UserError(msg)
    return [str(name) for name in chosen["trace"]]


def all_edges(run: Run) -> pd.DataFrame:
    """The edges of `exact_traces`, with columns ``trace`` and ``source_layer``."""
    import pandas as pd

    return pd.concat([named_edges(run, name) for name in exact_traces(run)], ignore_index=True)


def graph_edges(run: Run, traces: Sequence[str] | None) -> pd.DataFrame:
    """The edges of some traces, or of all as in `all_edges`, each edge once: as measured in most cells."""
    import pandas as pd

    from cellprism.causal.paths import best_measured

    names = exact_traces(run) if traces is None else traces
    return best_measured(pd.concat([named_edges(run, name) for name in names], ignore_index=True))


def able_between(run: Run, traces: Sequence[str] | None, start: Node, end: Node) -> dict[int, set[int]]:
    """The features of each layer between two that fire in enough cells to have an edge from one and to the other.

    They are targets in the degrees of a trace from the layer of ``start``, and sources in those of a trace to that of
    ``end``.
    """
    reached: dict[int, set[int]] = {}
    leading: dict[int, set[int]] = {}
    for name in exact_traces(run) if traces is None else traces:
        reader = TraceReader(run, name)
        fits = {"in": reader.source_layer == start[0], "out": end[0] in reader.target_layers}
        table = reader.degrees()
        for side, found in (("in", reached), ("out", leading)):
            own = table[(table["side"] == side) & fits[side]]
            for layer, feature in zip(own["layer"].tolist(), own["feature"].tolist(), strict=True):
                found.setdefault(layer, set()).add(feature)
    return {layer: reached[layer] & leading[layer] for layer in sorted(reached.keys() & leading.keys())}


def named_edges(run: Run, name: str) -> pd.DataFrame:
    """The edges of one trace, with columns ``trace`` and ``source_layer``."""
    trace = TraceReader(run, name)
    table = trace.edges().assign(trace=name, source_layer=trace.source_layer)
    return table[["trace", "source_layer", *table.columns.drop(["trace", "source_layer"])]]
