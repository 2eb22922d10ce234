"""What each feature does: how often it fires, how strongly, and on which genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellprism.stats.confidence import lower_bound

if TYPE_CHECKING:
    from cellprism.codes.reduce import GeneSums
    from cellprism.runs.config import Protocol

BINS = 24
RARE_CELLS = 10


def feature_table(sums: GeneSums, n_donors: np.ndarray | None = None) -> pd.DataFrame:
    """One row for each feature of the dictionary, dead ones included (table ``features``)."""
    n_fired = np.asarray(sums.fired.sum(axis=0)).ravel().astype(np.int64)
    total = np.asarray(sums.total.sum(axis=0)).ravel()
    return pd.DataFrame({
        "feature": np.arange(len(n_fired)),
        "n_fired": n_fired,
        "frequency": n_fired / max(int(sums.seen.sum()), 1),
        "n_cells": sums.n_cells,
        "n_donors": pd.array(n_donors, dtype="Int32") if n_donors is not None else None,
        "n_genes": sums.fired.getnnz(axis=0),
        "mean_value": (total / np.maximum(n_fired, 1)).astype(np.float32),
        "max_value": sums.largest,
        "dead": n_fired == 0,
        "rare": (n_fired > 0) & (sums.n_cells < RARE_CELLS),
    })


def top_genes(
    sums: GeneSums, symbols: np.ndarray, *, min_firings: int, n_top: int, protocol: Protocol = "calibrated",
) -> pd.DataFrame:
    """The genes that stand for each feature (table ``top_genes``).

    Genes are ranked by the one-sided lower 95 % confidence bound of the feature's mean activation over all positions of
    the gene, zeros included, so that neither a gene seen twice nor one that hardly ever fires it comes first. The unit
    is the position; a gene has at most one position in a cell, so that the unit is the cell as well.

    Parameters
    ----------
    sums
        Sums per gene and feature.
    symbols
        Symbol of each gene, shape ``(genes,)``.
    min_firings
        Firings that a gene needs.
    n_top
        Genes per feature, at most.
    protocol
        ``published`` ranks by the mean activation over the firings alone and asks for no number of firings, so that the
        genes of rare features are noise; genes seen once, which have no bound, are left out all the same.
    """
    pairs = sums.fired.tocoo()
    fired = pairs.data.astype(np.int64)
    seen = sums.seen[pairs.row]
    keep = np.flatnonzero((fired >= (min_firings if protocol == "calibrated" else 1)) & (seen >= 2))
    gene, feature, seen, fired = pairs.row[keep], pairs.col[keep], seen[keep], fired[keep]
    mean, sd, lower = lower_bound(sums.total.data[keep], sums.squares.data[keep], seen)
    score = lower if protocol == "calibrated" else mean * seen / fired
    order = np.lexsort((gene, -score, feature))
    rank = _running(feature[order])
    order, rank = order[rank < n_top], rank[rank < n_top]
    return pd.DataFrame({
        "feature": feature[order], "rank": rank, "gene": gene[order], "symbol": np.asarray(symbols)[gene[order]],
        "seen": seen[order], "fired": fired[order], "mean": mean[order], "sd": sd[order], "lower": lower[order],
    })


def histogram_table(counts: np.ndarray) -> pd.DataFrame:
    """Long form of the counts of shape ``(features, bins)`` (table ``histograms``)."""
    n_features, bins = counts.shape
    return pd.DataFrame({
        "feature": np.repeat(np.arange(n_features), bins),
        "bin": np.tile(np.arange(bins), n_features),
        "count": counts.ravel(),
    })


def _running(group: np.ndarray) -> np.ndarray:
    """Number of each element within its run of equal, adjacent values: 0, 1, 2, ..."""
    place = np.arange(len(group))
    starts = np.concatenate([[True], group[1:] != group[:-1]]) if len(group) else np.empty(0, bool)
    return place - np.maximum.accumulate(np.where(starts, place, 0))
