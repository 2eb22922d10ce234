"""A finished run as notebooks see it: every table of a layer as a DataFrame, one call each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cellprism.errors import UserError
from cellprism.runs.directory import open_directory

if TYPE_CHECKING:
    import pandas as pd

    from cellprism.causal.reading import TraceReader
    from cellprism.codes.store import CodeStore
    from cellprism.runs.config import Config
    from cellprism.runs.directory import Run

Q = 0.05
"""Tests of features against groups of cells count below this q."""


def open_run(path: str | Path) -> RunReader:
    """Open a run directory for reading.

    Parameters
    ----------
    path
        The directory that ``cellprism run`` or ``cellprism demo`` wrote.

    Raises
    ------
    UserError
        The directory is not a run, or was written by a newer cellprism.
    """
    return RunReader(open_directory(Path(path)))


class RunReader:
    """The tables of a run. Their columns are described in `cellprism.runs.schemas`.

    Parameters
    ----------
    run
        An opened run directory.
    """

    def __init__(self, run: Run) -> None:
        self.run = run

    def __repr__(self) -> str:
        return f"RunReader({self.run.name!r})"

    @property
    def path(self) -> Path:
        return self.run.path

    @property
    def config(self) -> Config:
        return self.run.config

    @property
    def layers(self) -> tuple[int, ...]:
        """Layers that the run takes apart, counted from 0."""
        if not self.run.file("model.json").exists():
            msg = f"{self.run.name} has no layers yet: see `cellprism status {self.path}`."
            raise UserError(msg)
        return self.run.layers

    def cells(self) -> pd.DataFrame:
        """One row per cell."""
        return self.run.read("cells")

    def cell_labels(self) -> pd.DataFrame:
        """One row per cell and label column."""
        return self.run.read("cell_labels")

    def genes(self) -> pd.DataFrame:
        """One row per gene that the model was given in at least one cell."""
        return self.run.read("genes")

    def features(self, layer: int) -> pd.DataFrame:
        """One row per feature of a layer, dead ones too, in order of their index.

        Beside the columns of the table ``features``: ``source``, ``label``, ``label_q`` and ``n_terms`` (0 without a
        label) of its label; ``module``; ``x`` and ``y`` on the map; ``group_key``, ``group_value``, ``group_auroc``
        and ``group_q`` of the group of cells with the largest AUROC among those with q < 0.05; ``static``, whether
        it is a static cluster of genes (see `variance`); ``stability`` between seeds. What a feature lacks is missing.
        """
        labels = self._read("labels", layer).rename(columns={"term": "label", "q": "label_q"})
        parts = [
            labels, self._read("members", layer), self._read("map", layer), best_groups(self.celltypes(layer)),
            self._if_there("variance", layer)[["feature", "static"]],
            self._if_there("stability", layer)[["feature", "stability"]],
        ]
        table = self._read("features", layer)
        for part in parts:
            table = table.merge(part, on="feature", how="left", validate="one_to_one")
        table["module"] = table["module"].astype("Int32")
        table["static"] = table["static"].astype("boolean")
        table["n_terms"] = table["n_terms"].fillna(0).astype("int32")
        return table.sort_values("feature", ignore_index=True)

    def top_genes(self, layer: int) -> pd.DataFrame:
        """The genes on which each feature fires most strongly and most reliably."""
        return self._read("top_genes", layer)

    def annotations(self, layer: int) -> pd.DataFrame:
        """Tests of the features' top genes against gene sets."""
        return self._read("annotations", layer)

    def rank_annotations(self, layer: int) -> pd.DataFrame:
        """Tests of all genes of the features against gene sets; empty unless `annotation.rank_test` asked for them."""
        return self._read("rank_annotations", layer)

    def string_density(self, layer: int) -> pd.DataFrame:
        """Links among the top genes of each feature in the network of the run; empty without one."""
        return self._read("string_density", layer)

    def alignment(self, layer: int) -> pd.DataFrame:
        """The principal axis of the residuals nearest to each feature."""
        return self._read("alignment", layer)

    def explained(self, layer: int) -> pd.DataFrame:
        """Variance explained by the autoencoder and by principal axes with equally many active terms."""
        return self._read("explained", layer)

    def chains(self) -> pd.DataFrame:
        """Features that go on from layer to layer: where each chain is born and where it ends."""
        return self.run.read("chains")

    def chain_members(self) -> pd.DataFrame:
        """The features of each chain, layer by layer."""
        return self.run.read("chain_members")

    def remarks(self) -> pd.DataFrame:
        """Labels and notes of readers that were merged into the run; no rows where there are none."""
        from cellprism.runs.schemas import TABLES, empty

        return self.run.read("remarks") if self.run.file("remarks.parquet").exists() else empty(TABLES["remarks"])

    def unlabelled(self, layer: int) -> pd.DataFrame:
        """Features without a label, the lasting, reliable and stable first, with the company they keep."""
        return self._read("unlabelled", layer).sort_values("rank", ignore_index=True)

    def gene_clusters(self, layer: int) -> pd.DataFrame:
        """Clusters of unlabelled features that share top genes, largest first."""
        return self._read("gene_clusters", layer)

    def stability(self, layer: int) -> pd.DataFrame:
        """How each feature is found again by autoencoders of other seeds; empty with one seed."""
        return self._read("stability", layer)

    def variance(self, layer: int) -> pd.DataFrame:
        """What gene and cell alone explain of each feature's activation."""
        return self._read("variance", layer)

    def highways(self, layer: int) -> pd.DataFrame:
        """Features of the next layer that fire at the same positions; empty for the last layer."""
        return self._read("highways", layer)

    def modules(self, layer: int) -> pd.DataFrame:
        """Modules of features that fire together, largest first."""
        return self._read("modules", layer)

    def members(self, layer: int) -> pd.DataFrame:
        """The module of each feature that is in one."""
        return self._read("members", layer)

    def celltypes(self, layer: int) -> pd.DataFrame:
        """Tests of the features against the groups of cells."""
        return self._read("celltypes", layer)

    def top_cells(self, layer: int) -> pd.DataFrame:
        """The cells in which each feature is strongest."""
        return self._read("top_cells", layer)

    def neighbours(self, layer: int) -> pd.DataFrame:
        """The features most like each feature, by kind of likeness."""
        return self._read("neighbours", layer)

    def cofiring(self, layer: int) -> pd.DataFrame:
        """Pairs of features that fire at the same positions."""
        return self._read("cofiring", layer)

    def histograms(self, layer: int) -> pd.DataFrame:
        """Distribution of each feature's activations."""
        return self._read("histograms", layer)

    def training(self, layer: int) -> pd.DataFrame:
        """Loss, explained variance and dead share while the layer's sparse autoencoder was trained."""
        return self._read("training", layer)

    def metrics(self, layer: int) -> pd.DataFrame:
        """Quality of the layer's sparse autoencoder on held-out cells."""
        import pandas as pd

        suffixes = self.run.suffixes("metrics", self._known(layer)) or [""]
        return pd.concat([self.run.read("metrics", layer, suffix=suffix) for suffix in suffixes], ignore_index=True)

    def rates(self, layer: int | None = None) -> pd.DataFrame:
        """Headline rates beside their nulls, of one layer or of all, with a column ``layer``."""
        import pandas as pd

        layers = self.layers if layer is None else (self._known(layer),)
        tables = []
        for one in layers:
            suffixes = sorted(self.run.suffixes("rates", one), key=_later)
            tables += [self.run.read("rates", one, suffix=suffix).assign(layer=one) for suffix in suffixes]
        tables = [table for table in tables if len(table)]
        if not tables:
            msg = f"no rates in {self.run.name}: the run has not come so far; see `cellprism status {self.path}`."
            raise UserError(msg)
        table = pd.concat(tables, ignore_index=True)
        return table[["layer", *table.columns.drop("layer")]]

    def controls(self) -> pd.DataFrame:
        """Headline rates beside their nulls and beside the same rates of the run's controls; empty without controls."""
        return self._if_there("controls")

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

        Beside the columns of the table ``edges``: ``trace`` and ``source_layer``. `cellprism.causal.paths` finds paths
        and neighbourhoods in them.
        """
        from cellprism.causal.reading import all_edges, named_edges

        return all_edges(self.run) if trace is None else named_edges(self.run, trace)

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

    def codes(self, layer: int) -> CodeStore:
        """Which features fire at every position of a layer."""
        from cellprism.codes.store import CodeStore

        return CodeStore(self.run, self._known(layer))

    def findings(self, n: int = 12) -> pd.DataFrame:
        """The features to look at first, over all layers.

        Features that are neither dead nor rare, have a label (q < 0.05) and fire more in a group of cells than in the
        rest (q < 0.05, AUROC > 0.5) are ranked twice: by the q of the label and by the AUROC. A feature's place is
        the worse of its two ranks. Of the features with the same label only the first is given.

        Parameters
        ----------
        n
            Rows at most.

        Returns
        -------
        pandas.DataFrame
            Columns layer, feature, label, source, q (of the label), group_key, group_value, auroc, genes (list of
            symbols), best first.
        """
        import pandas as pd

        tables = [self.features(layer).assign(layer=layer) for layer in self.layers]
        rows = rank_findings(pd.concat([t[_convincing(t)] for t in tables], ignore_index=True)).head(n)
        genes = {layer: _symbols(self.top_genes(layer)) for layer in rows["layer"].unique()}
        found = rows.rename(columns={"label_q": "q", "group_auroc": "auroc"}).reset_index(drop=True)
        places = zip(found["layer"], found["feature"], strict=True)
        found["genes"] = [genes[layer][feature] for layer, feature in places]
        return found[["layer", "feature", "label", "source", "q", "group_key", "group_value", "auroc", "genes"]]

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

    def _read(self, name: str, layer: int) -> pd.DataFrame:
        return self.run.read(name, self._known(layer))

    def _if_there(self, name: str, layer: int | None = None) -> pd.DataFrame:
        """A table that imported runs and those of older versions lack; then it has no rows."""
        from cellprism.runs.schemas import TABLES, empty

        there = self.run.file(f"{name}.parquet", None if layer is None else self._known(layer)).exists()
        return self.run.read(name, layer) if there else empty(TABLES[name])

    def _known(self, layer: int) -> int:
        if layer not in self.layers:
            names = ", ".join(map(str, self.layers))
            msg = f"{self.run.name} has no layer {layer}: choose one of {names}."
            raise UserError(msg)
        return layer


def best_groups(celltypes: pd.DataFrame) -> pd.DataFrame:
    """The group of cells with the largest AUROC among those with q < 0.05, for each feature that has one.

    Parameters
    ----------
    celltypes
        A table ``celltypes``.

    Returns
    -------
    pandas.DataFrame
        Columns feature, group_key, group_value, group_auroc, group_q; one row per feature.
    """
    rows = celltypes[celltypes["q"] < Q].sort_values(["auroc", "key", "value"], ascending=[False, True, True])
    rows = rows.drop_duplicates("feature").sort_values("feature", ignore_index=True)
    names = {"key": "group_key", "value": "group_value", "auroc": "group_auroc", "q": "group_q"}
    return rows[["feature", *names]].rename(columns=names)


def rank_findings(rows: pd.DataFrame) -> pd.DataFrame:
    """Sort features by the worse of their ranks by ``label_q`` and ``group_auroc``; keep the first of each label."""
    by_label = rows["label_q"].rank(method="min")
    by_group = rows["group_auroc"].rank(method="min", ascending=False)
    rows = rows.assign(_worse=by_label.combine(by_group, max), _sum=by_label + by_group)
    rows = rows.sort_values(["_worse", "_sum", "layer", "feature"]).drop(columns=["_worse", "_sum"])
    return rows.drop_duplicates(["source", "label"])


def _later(suffix: str) -> bool:
    """Whether rates come after those that say what a run is about."""
    return suffix not in ("_annotation", "_celltypes", "_modules")


def _convincing(table: pd.DataFrame) -> pd.Series[bool]:
    return ~table["dead"] & ~table["rare"] & (table["label_q"] < Q) & (table["group_auroc"] > 0.5)


def _symbols(top_genes: pd.DataFrame) -> dict[int, list[str]]:
    symbols: dict[int, list[str]] = {}
    ordered = top_genes.sort_values(["feature", "rank"])
    for feature, symbol in zip(ordered["feature"].tolist(), ordered["symbol"], strict=True):
        symbols.setdefault(feature, []).append(symbol)
    return symbols

