"""Every table of a run: its columns, their types and meaning, and the version of its layout."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from cellprism.errors import UserError
from cellprism.runs.ablation_schemas import ABLATION
from cellprism.runs.causal_schemas import CAUSAL
from cellprism.runs.files import atomic_path
from cellprism.runs.layout import BOOL, F32, F64, FEATURE, I32, I64, STR, TERM, Table
from cellprism.runs.published_schemas import PUBLISHED
from cellprism.runs.regulation_schemas import REGULATION_TABLES
from cellprism.runs.steering_schemas import STEERING_TABLES

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

_TEST = {
    "p": (F64, "p-value of the test"),
    "q": (F64, "Benjamini-Hochberg adjusted p within the layer's whole family of tests"),
}

CELLS = Table("cells", 1, {
    "cell": (I32, "index of the cell in the run"),
    "name": (STR, "name of the cell in the AnnData"),
    "total": (F64, "total counts over all measured genes; missing where cells came as tokens"),
    "n_expressed": (I32, "genes with a count above zero"),
    "n_mapped": (I32, "expressed genes that the model knows"),
    "n_tokens": (I32, "gene positions fed to the model"),
    "donor": (STR, "donor of the cell, if a column was named"),
})
CELL_LABELS = Table("cell_labels", 1, {
    "cell": (I32, "index of the cell in the run"),
    "key": (STR, "column of obs"),
    "value": (STR, "value of the cell in that column"),
})
GENES = Table("genes", 1, {
    "gene": (I32, "index of the gene in the run"),
    "token": (I32, "token of the gene in the model's vocabulary"),
    "id": (STR, "identifier of the gene in the model's vocabulary"),
    "symbol": (STR, "gene symbol"),
    "n_seen": (I64, "positions, that is cells, in which the gene was given to the model"),
})
TRAINING = Table("training", 1, {
    "step": (I64, "gradient steps done"),
    "loss": (F64, "mean squared error of the scaled residual, as a share of its variance"),
    "explained": (F64, "explained variance on held-out cells; missing where not measured"),
    "dead": (F64, "share of features that did not fire in the last 256 batches"),
})
METRICS = Table("metrics", 1, {
    "metric": (STR, "name of the metric"),
    "value": (F64, "its value"),
    "n": (I64, "number of units it was computed on"),
    "unit": (STR, "the unit: position, feature or cell"),
})
FEATURES = Table("features", 2, {
    **FEATURE,
    "n_fired": (I64, "positions at which the feature fires"),
    "frequency": (F64, "share of all positions at which the feature fires"),
    "n_cells": (I32, "cells in which the feature fires at least once"),
    "n_donors": (I32, "donors in whose cells the feature fires at least once; missing where donors are not known"),
    "n_genes": (I32, "distinct genes on which the feature fires"),
    "mean_value": (F32, "mean activation over the positions where it fires"),
    "max_value": (F32, "largest activation"),
    "dead": (BOOL, "never fires"),
    "rare": (BOOL, "fires, but on fewer than ten cells"),
})
TOP_GENES = Table("top_genes", 1, {
    **FEATURE,
    "rank": (I32, "0 is the strongest gene"),
    "gene": (I32, "index of the gene in the run"),
    "symbol": (STR, "gene symbol"),
    "seen": (I64, "positions of the gene"),
    "fired": (I64, "positions of the gene at which the feature fires"),
    "mean": (F64, "mean activation over all positions of the gene"),
    "sd": (F64, "standard deviation over the same positions"),
    "lower": (F64, "one-sided lower 95 % confidence bound of the mean; genes are ranked by it"),
})
HISTOGRAMS = Table("histograms", 1, {
    **FEATURE,
    "bin": (I32, "bin from 0 to 23; bins divide 0 to the feature's largest activation evenly"),
    "count": (I64, "positions with an activation in the bin"),
})
ANNOTATIONS = Table("annotations", 1, {
    **FEATURE, **TERM,
    "overlap": (I32, "top genes in the term"),
    "n_genes": (I32, "top genes of the feature"),
    "term_size": (I32, "genes of the term within the background"),
    "genes": (STR, "the overlapping genes, separated by spaces"),
    "effect": (F64, "log2 of observed overlap over expected"),
    **_TEST,
})
RANK_ANNOTATIONS = Table("rank_annotations", 1, {
    **FEATURE, **TERM,
    "term_size": (I32, "genes of the term within the background"),
    "auroc": (F64, "probability that a gene of the term excites the feature more than one seen as often"),
    **_TEST,
})
LABELS = Table("labels", 1, {
    **FEATURE, **TERM,
    "q": (F64, "q of the label's test"),
    "n_terms": (I32, "terms of the feature with q below the threshold"),
})
COFIRING = Table("cofiring", 1, {
    "a": (I32, "a feature"),
    "b": (I32, "another feature, a < b"),
    "count": (I64, "positions at which both fire"),
    "pmi": (F64, "log2 of observed over expected count"),
    **_TEST,
})
MODULES = Table("modules", 1, {
    "module": (I32, "index of the module, largest first"),
    "n_features": (I32, "member features"),
    "n_edges": (I32, "co-firing edges among the members"),
    "stability": (F64, "mean Jaccard index of the module with its best match over the other Leiden seeds"),
    **TERM,
    "n_members_with_term": (I32, "members annotated with the term"),
    **_TEST,
})
MEMBERS = Table("members", 1, {**FEATURE, "module": (I32, "module of the feature")})
CELLTYPES = Table("celltypes", 1, {
    **FEATURE,
    "key": (STR, "column of obs"),
    "value": (STR, "its value: the cells against the rest"),
    "n_units": (I32, "units in the group: cells, or donors where there are enough"),
    "unit": (STR, "cell or donor"),
    "auroc": (F64, "probability that a unit of the group has a larger mean activation than one of the rest"),
    "log_ratio": (F64, "log2 of the ratio of mean activations, each plus 1 % of the feature's overall mean"),
    **_TEST,
})
TOP_CELLS = Table("top_cells", 1, {
    **FEATURE,
    "rank": (I32, "0 is the cell with the largest mean"),
    "cell": (I32, "index of the cell in the run"),
    "mean": (F64, "mean activation over all positions of the cell, above 0"),
})
MAP = Table("map", 1, {
    **FEATURE,
    "x": (F32, "first coordinate of the layout"),
    "y": (F32, "second coordinate of the layout"),
})
NEIGHBOURS = Table("neighbours", 1, {
    **FEATURE,
    "kind": (STR, "atom: decoder cosine in the layer; cofiring: PMI; previous, next: decoder cosine in that layer"),
    "rank": (I32, "0 is the nearest"),
    "neighbour_layer": (I32, "layer of the neighbour"),
    "neighbour": (I32, "the neighbouring feature"),
    "similarity": (F64, "absolute cosine of the atoms, or PMI"),
    "null_q95": (F64, "95 % quantile of the same best similarity under the null of the kind"),
})
STRING_DENSITY = Table("string_density", 1, {
    **FEATURE,
    "n_genes": (I32, "top genes of the feature in the background"),
    "n_in_network": (I32, "of these, genes with an edge to a gene of the background"),
    "edges": (I32, "edges among the top genes"),
    "expected": (F64, "edges expected among genes of the same degrees"),
    "effect": (F64, "log2 of edges over expected, each plus 1/2"),
    **_TEST,
})
EXPLAINED = Table("explained", 1, {
    "method": (STR, "what reconstructs the residuals of held-out cells"),
    "terms": (F64, "active terms at a position, on average"),
    "explained_variance": (F64, "share of the variance over positions that it explains"),
})
ALIGNMENT = Table("alignment", 1, {
    **FEATURE,
    "axis": (I32, "the nearest principal axis of the layer's residuals, 0 is the strongest"),
    "cosine": (F64, "absolute cosine between the feature's atom and that axis"),
})
CHAINS = Table("chains", 2, {
    "chain": (I32, "index of the chain"),
    "first_layer": (I32, "layer in which it is born"),
    "last_layer": (I32, "layer after which it has no match"),
    "n_layers": (I32, "layers it spans"),
    "mean_cosine": (F64, "mean absolute cosine between neighbouring atoms; missing for a single feature"),
    "kind": (STR, "transient, moderate or persistent: up to a sixth, up to five ninths, more of the run's layers"),
})
CHAIN_MEMBERS = Table("chain_members", 1, {
    "chain": (I32, "index of the chain"),
    "layer": (I32, "layer of the feature"),
    **FEATURE,
    "cosine": (F64, "absolute cosine with the member in the layer before; missing for the first"),
})
HIGHWAYS = Table("highways", 1, {
    **FEATURE,
    "partner_layer": (I32, "the later layer"),
    "partner": (I32, "feature of that layer that fires at the same positions"),
    "count": (I64, "positions at which both fire"),
    "pmi": (F64, "log2 of observed over expected count, above 3"),
    "p": (F64, "p-value of the test"),
    "q": (F64, "Benjamini-Hochberg adjusted p within all pairs of live features of the two layers"),
})
VARIANCE = Table("variance", 1, {
    **FEATURE,
    "gene": (F64, "share of the activation's variance over positions explained by which gene it is, adjusted"),
    "cell": (F64, "share explained by which cell it is, adjusted"),
    "rest": (F64, "what is left, at least 0: the gene in its context"),
    "static": (BOOL, "the gene explains at least 80 %: the feature is a static cluster of genes"),
})
STABILITY = Table("stability", 1, {
    **FEATURE,
    "n_seeds": (I32, "other seeds that the feature was looked for in; all columns below are means over them"),
    "cosine": (F64, "largest cosine of the feature's atom with an atom of the other dictionary"),
    "same_atom": (F64, "share of seeds with a mutual best match of cosine 0.7 or more"),
    "jaccard": (F64, "largest Jaccard index of the feature's firings with those of a feature of the other dictionary"),
    "null_jaccard": (F64, "the same with the other's codes permuted among positions of the same gene"),
    "stability": (F64, "Jaccard index of firings with the feature of the same atom; 0 where there is none"),
})
UNLABELLED = Table("unlabelled", 2, {
    **FEATURE,
    "rank": (I32, "place by the worst of the ranks by n_layers, reliability and stability; 0 is the first"),
    "n_layers": (I32, "layers of the feature's chain"),
    "reliability": (F64, "median over its top genes of the lower bound of the mean, over its largest activation"),
    "stability": (F64, "stability of the feature between seeds; missing with one seed"),
    "gene_cluster": (I32, "cluster of unlabelled features that share top genes, if it is in one"),
    "module": (I32, "module of the feature, if it is in one"),
    "labelled_in_module": (I32, "labelled features of that module"),
    "nearest": (I32, "the labelled feature of the layer with the largest absolute cosine of atoms"),
    "nearest_term": (STR, "its label"),
    "cosine": (F64, "that cosine"),
})
GENE_CLUSTERS = Table("gene_clusters", 1, {
    "gene_cluster": (I32, "index of the cluster of unlabelled features, largest first"),
    "n_features": (I32, "member features"),
    "n_genes": (I32, "distinct top genes of the members"),
    "consensus": (STR, "genes of at least two members and of 30 % of them, up to 20, commonest first, spaced"),
    "mean_jaccard": (F64, "mean Jaccard index of the top genes of members joined by an edge"),
    "stability": (F64, "mean Jaccard index of the cluster with its best match over the other Leiden seeds"),
})
REMARKS = Table("remarks", 1, {
    "layer": (I32, "layer of the feature"),
    **FEATURE,
    "label": (STR, "a reader's own name for it, if any"),
    "note": (STR, "what the reader has to say, if anything"),
    "author": (STR, "who wrote it, if they said"),
    "written": (STR, "when, as ISO 8601"),
})
RATES = Table("rates", 1, {
    "rate": (STR, "name of the rate"),
    "value": (F64, "observed rate"),
    "n": (I64, "units in the denominator"),
    "unit": (STR, "what is counted"),
    "null_mean": (F64, "mean of the rate under the null"),
    "null_q95": (F64, "95 % quantile of the rate under the null"),
    "n_permutations": (I32, "permutations of the null"),
    "null": (STR, "what the null keeps and what it breaks"),
    "protocol": (STR, "calibrated or published"),
})
CONTROLS = Table("controls", 1, {
    "layer": (I32, "layer of the run"),
    "rate": (STR, "name of the rate"),
    "value": (F64, "rate of the run"),
    "n": (I64, "units in its denominator"),
    "unit": (STR, "what is counted"),
    "null_mean": (F64, "mean of the run's rate under its null"),
    "null_q95": (F64, "95 % quantile of the run's rate under its null"),
    "control": (STR, "what the control's model lacks: random_weights or static_embedding"),
    "control_layer": (I32, "layer of the control; static embeddings have one"),
    "control_value": (F64, "rate of the control"),
    "control_n": (I64, "units in its denominator"),
    "control_null_mean": (F64, "mean of the control's rate under its null"),
    "control_null_q95": (F64, "95 % quantile of the control's rate under its null"),
    "protocol": (STR, "calibrated or published"),
})

TABLES = {table.name: table for table in (
    CELLS, CELL_LABELS, GENES, TRAINING, METRICS, FEATURES, TOP_GENES, HISTOGRAMS, ANNOTATIONS, RANK_ANNOTATIONS,
    LABELS, COFIRING, MODULES, MEMBERS, CELLTYPES, TOP_CELLS, MAP, NEIGHBOURS, STRING_DENSITY,
    EXPLAINED, ALIGNMENT, CHAINS, CHAIN_MEMBERS, HIGHWAYS, VARIANCE, STABILITY, UNLABELLED, GENE_CLUSTERS, REMARKS,
    RATES, CONTROLS, *CAUSAL, *ABLATION, *STEERING_TABLES, *REGULATION_TABLES, *PUBLISHED,
)}


def write_table(path: Path, table: Table, frame: pd.DataFrame, *, notes: dict[str, object] | None = None) -> None:
    """Write ``frame`` as ``table``, atomically. ``notes`` are kept in the file's metadata (method, seed, ...).

    Raises
    ------
    ValueError
        A column is missing or surplus, or a value does not fit its type.
    """
    if set(frame.columns) != set(table.columns):
        msg = f"table {table.name} wants columns {sorted(table.columns)}, got {sorted(frame.columns)}"
        raise ValueError(msg)
    data = pa.Table.from_pandas(frame[list(table.columns)], schema=table.arrow, preserve_index=False)
    metadata = {**table.arrow.metadata, b"notes": json.dumps(notes or {}, sort_keys=True).encode()}
    with atomic_path(path) as temporary:
        pq.write_table(data.replace_schema_metadata(metadata), temporary, compression="zstd")


def read_table(path: Path, table: Table) -> pd.DataFrame:
    """Read a table; numbers come as numpy types, text as ``str`` or None.

    Raises
    ------
    UserError
        The file is missing, damaged, another table, or of a newer version.
    """
    try:
        data = pq.read_table(path)
    except FileNotFoundError:
        msg = f"no table {path.name} in {path.parent}: the run has not come so far; see `cellprism status`."
        raise UserError(msg) from None
    except (pa.ArrowInvalid, OSError) as error:
        msg = f"{path} is damaged ({error}): delete it and run the same command again."
        raise UserError(msg) from None
    header = json.loads((data.schema.metadata or {}).get(b"cellprism", b"{}"))
    if header.get("table") != table.name or header.get("version", 0) > table.version:
        msg = f"{path} holds {header or 'a foreign table'}, not {table.name} of version {table.version} or older."
        raise UserError(msg)
    frame: pd.DataFrame = data.to_pandas()
    return frame


def read_notes(path: Path) -> dict[str, object]:
    """The notes kept in a table's metadata."""
    metadata = pq.read_schema(path).metadata or {}
    notes: dict[str, object] = json.loads(metadata.get(b"notes", b"{}"))
    return notes


def empty(table: Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.arrow.empty_table().to_pandas()
    return frame
