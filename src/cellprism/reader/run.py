"""A finished run as notebooks see it: every table of a layer as a DataFrame, one call each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cellprism.errors import UserError
from cellprism.reader.causes import CauseReader
from cellprism.reader.findings import best_groups, convincing, rank_findings, symbols_of
from cellprism.runs.directory import open_directory

if TYPE_CHECKING:
    import pandas as pd

    from cellprism.codes.store import CodeStore
    from cellprism.runs.config import Config


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


class RunReader(CauseReader):
    """The tables of a run. Their columns are described in `cellprism.runs.schemas`.

    Parameters
    ----------
    run
        An opened run directory.
    """

    def __repr__(self) -> str:
        return f"RunReader({self.run.name!r})"

    @property
    def config(self) -> Config:
        return self.run.config

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
        rows = rank_findings(pd.concat([t[convincing(t)] for t in tables], ignore_index=True)).head(n)
        genes = {layer: symbols_of(self.top_genes(layer)) for layer in rows["layer"].unique()}
        found = rows.rename(columns={"label_q": "q", "group_auroc": "auroc"}).reset_index(drop=True)
        places = zip(found["layer"], found["feature"], strict=True)
        found["genes"] = [genes[layer][feature] for layer, feature in places]
        return found[["layer", "feature", "label", "source", "q", "group_key", "group_value", "auroc", "genes"]]

    def _read(self, name: str, layer: int) -> pd.DataFrame:
        return self.run.read(name, self._known(layer))

    def _if_there(self, name: str, layer: int | None = None) -> pd.DataFrame:
        """A table that imported runs and those of older versions lack; then it has no rows."""
        from cellprism.runs.schemas import TABLES, empty

        there = self.run.file(f"{name}.parquet", None if layer is None else self._known(layer)).exists()
        return self.run.read(name, layer) if there else empty(TABLES[name])


def _later(suffix: str) -> bool:
    """Whether rates come after those that say what a run is about."""
    return suffix not in ("_annotation", "_celltypes", "_modules")
