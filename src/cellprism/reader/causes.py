"""What features cause and how they respond: the tables that other commands than ``cellprism run`` write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellprism.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from cellprism.causal.paths import Node
    from cellprism.causal.reading import TraceReader
    from cellprism.runs.directory import Run


class CauseReader:
    """These tables of a run.

    Parameters
    ----------
    run
        An opened run directory.
    """

    def __init__(self, run: Run) -> None:
        self.run = run

    @property
    def path(self) -> Path:
        return self.run.path

    @property
    def layers(self) -> tuple[int, ...]:
        """Layers that the run takes apart, counted from 0."""
        if not self.run.file("model.json").exists():
            msg = f"{self.run.name} has no layers yet: see `cellprism status {self.path}`."
            raise UserError(msg)
        return self.run.layers
    def traces(self) -> pd.DataFrame:
        """One row per trace of circuits: its name, layers, features, cells, method, control, and whether it is done."""
        from cellprism.causal.reading import trace_table

        return trace_table(self.run)

    def trace(self, name: str) -> TraceReader:
        """The tables of one trace."""
        from cellprism.causal.reading import TraceReader

        return TraceReader(self.run, name)

    def edges(self, trace: str | None = None) -> pd.DataFrame:
        """What features cause in later layers: the edges of one trace, or of all by ablation that are no controls.

        Beside the columns of the table ``edges``: ``trace`` and ``source_layer``. `paths`, `intermediates` and
        `neighbourhood` look around in them.
        """
        from cellprism.causal.reading import all_edges, named_edges

        return all_edges(self.run) if trace is None else named_edges(self.run, trace)

    def paths(self, start: Node, end: Node, *, k: int = 10, traces: Sequence[str] | None = None) -> pd.DataFrame:
        """The ``k`` strongest ways through traced edges from one ``(layer, feature)`` to another.

        Where several traces found an edge, the one with most cells counts. See `causal.paths.strongest_paths`.

        Parameters
        ----------
        start, end
            Layer and feature.
        k
            Paths at most.
        traces
            Names of traces; default: all by ablation that are no controls.
        """
        from cellprism.causal.paths import strongest_paths
        from cellprism.causal.reading import graph_edges

        return strongest_paths(graph_edges(self.run, traces), start, end, k=k)

    def intermediates(self, start: Node, end: Node, *, traces: Sequence[str] | None = None) -> pd.DataFrame:
        """Features through which ``start`` could act on ``end``, by layer, beside as many as chance would give.

        It takes traces from the layer of ``start`` and from layers between. See `paths` for the parameters and
        `causal.paths.intermediates` for the columns.
        """
        from cellprism.causal.paths import intermediates
        from cellprism.causal.reading import able_between, graph_edges

        able = able_between(self.run, traces, start, end)
        return intermediates(graph_edges(self.run, traces), start, end, able=able)

    def neighbourhood(self, centre: Node, *, steps: int = 1, traces: Sequence[str] | None = None) -> pd.DataFrame:
        """The edges on paths of at most ``steps`` edges from or to a ``(layer, feature)``; columns as of `edges`."""
        from cellprism.causal.paths import neighbourhood
        from cellprism.causal.reading import graph_edges

        return neighbourhood(graph_edges(self.run, traces), centre, steps=steps)

    def patching(self, layer: int) -> pd.DataFrame:
        """Whether features of a layer carry hidden genes of their terms, smallest p first."""
        return self._causal("patching", f"{self._known(layer):02d}", f"cellprism patch {self.path} --layer {layer}")

    def combinations(self, name: str | None = None) -> pd.DataFrame:
        """Features that were ablated together; ``name`` says which if `cellprism interact` ran for several layers."""
        return self._causal("combinations", self._interactions(name), f"cellprism interact {self.path}")

    def interactions(self, name: str | None = None) -> pd.DataFrame:
        """What the features of each combination do to the target layer together, alone, and beyond the sum."""
        return self._causal("interactions", self._interactions(name), f"cellprism interact {self.path}")

    def damage(self, layer: int) -> pd.DataFrame:
        """How much worse hidden genes are guessed without each feature, by arm."""
        return self._causal("damage", f"{self._known(layer):02d}", f"cellprism damage {self.path} --layer {layer}")

    def damage_arms(self, layer: int) -> pd.DataFrame:
        """The chosen features of `damage` against those as frequent and random ones."""
        return self._causal("damage_arms", f"{self._known(layer):02d}", f"cellprism damage {self.path} --layer {layer}")

    def switches(self, layer: int) -> pd.DataFrame:
        """How the features of a layer differ between late and early cells of an order, and which were steered."""
        return self._steered("switches", layer)

    def steering(self, layer: int) -> pd.DataFrame:
        """What scaling features of a layer does to early cells, by feature, direction, alpha and readout."""
        return self._steered("steering", layer)

    def steering_arms(self, layer: int) -> pd.DataFrame:
        """The features of `steering` that switch against their controls, with the feature as the unit."""
        return self._steered("steering_arms", layer)

    def steering_readouts(self, layer: int) -> pd.DataFrame:
        """What the readouts of `steering` measure, and what they are worth on cells they were not fitted on."""
        return self._steered("steering_readouts", layer)

    def steering_genes(self, layer: int) -> pd.DataFrame:
        """The genes whose logit or predicted value each steered feature changes most."""
        return self._steered("steering_genes", layer)

    def causal_rates(self) -> pd.DataFrame:
        """Rates of patching, interactions and steering beside their nulls, with a column ``analysis``."""
        import pandas as pd

        from cellprism.causal.tables import causal_names

        names = causal_names(self.run, "rates")
        command = f"cellprism patch {self.path} --layer {max(self.layers)}"
        if not names:
            return self._causal("rates", "", command)
        tables = [self._causal("rates", name, command).assign(analysis=name) for name in names]
        table = pd.concat(tables, ignore_index=True)
        return table[["analysis", *table.columns.drop("analysis")]]

    def perturbations(self, layer: int) -> pd.DataFrame:
        """The perturbations of a screen, those to which most features respond first."""
        return self._regulation("perturbations", layer)

    def responses(self, layer: int) -> pd.DataFrame:
        """What every tested feature of a layer does at every perturbation, smallest p first within a perturbation."""
        return self._regulation("responses", layer)

    def tf_targets(self, layer: int) -> pd.DataFrame:
        """Whether the known targets of perturbed factors answer before genes like them, smallest p first."""
        return self._regulation("tf_targets", layer)

    def gene_pairs(self, layer: int) -> pd.DataFrame:
        """How genes change at perturbations, beside what the run's traces predict; empty without a trace from there."""
        return self._regulation("gene_pairs", layer)

    def regulation_rates(self, layer: int) -> pd.DataFrame:
        """Rates of perturbations, features and factors that respond, beside their nulls."""
        return self._regulation("rates", layer)

    def _causal(self, table: str, name: str, command: str) -> pd.DataFrame:
        from cellprism.causal.tables import read_causal

        return read_causal(self.run, table, name, command=command)

    def _steered(self, table: str, layer: int) -> pd.DataFrame:
        return self._causal(table, f"{self._known(layer):02d}", f"cellprism steer {self.path} --layer {layer}")

    def _regulation(self, table: str, layer: int) -> pd.DataFrame:
        from cellprism.causal.tables import read_causal

        command = f"cellprism perturb {self.path} SCREEN --layer {self._known(layer)} --target COLUMN --control VALUE"
        return read_causal(self.run, table, f"{layer:02d}", command=command, folder="regulation")

    def _interactions(self, name: str | None) -> str:
        from cellprism.causal.tables import causal_names

        names = causal_names(self.run, "combinations")
        if name is None and len(names) == 1:
            return names[0]
        if names and name not in names:
            what = "several interactions" if name is None else f"no interactions {name!r}"
            msg = f"{self.path} has {what}: choose among {', '.join(names)}."
            raise UserError(msg)
        return name or ""

    def _known(self, layer: int) -> int:
        if layer not in self.layers:
            names = ", ".join(map(str, self.layers))
            msg = f"{self.run.name} has no layer {layer}: choose one of {names}."
            raise UserError(msg)
        return layer
