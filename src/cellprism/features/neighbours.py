"""The nearest features of a feature: by atom in its layer and the adjacent ones, and by co-firing."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import betaincinv

IN_LAYER = 5
ACROSS = 3
ROWS = 1024


def atom_neighbours(
    atoms: np.ndarray, features: np.ndarray, others: np.ndarray, other_features: np.ndarray, *, layer: int, kind: str,
) -> pd.DataFrame:
    """Features whose atoms have the largest absolute cosine with each feature's (rows of table ``neighbours``).

    Parameters
    ----------
    atoms, others
        Unit rows of the live features of a layer and of the layer where neighbours are looked for.
    features, other_features
        Indices of those features.
    layer
        Layer of the neighbours.
    kind
        ``atom`` (same layer: a feature is not its own neighbour), ``previous`` or ``next``.
    """
    same = kind == "atom"
    k = min(IN_LAYER if same else ACROSS, len(others) - same)
    if k < 1 or len(atoms) == 0:
        return _rows(features[:0], kind, 0, layer, other_features[:0], np.empty(0), np.nan)
    nearest, similarity = [], []
    for start in range(0, len(atoms), ROWS):
        cosine = np.abs(atoms[start : start + ROWS] @ others.T)
        if same:
            cosine[np.arange(len(cosine)), np.arange(start, start + len(cosine))] = -1.0
        order = np.argsort(-cosine, axis=1, kind="stable")[:, :k]
        nearest.append(order)
        similarity.append(np.take_along_axis(cosine, order, axis=1))
    best = np.minimum(np.concatenate(similarity).ravel(), 1.0)
    null = random_best_cosine(len(others) - same, atoms.shape[1])
    return _rows(
        np.repeat(features, k), kind, np.tile(np.arange(k), len(atoms)), layer,
        other_features[np.concatenate(nearest).ravel()], best, null,
    )


def cofiring_neighbours(edges: pd.DataFrame, *, layer: int) -> pd.DataFrame:
    """The co-firing edges of largest PMI of each feature; edges passed a test, and the best PMI has no null (NaN)."""
    both = pd.concat([edges[["a", "b", "pmi"]], edges.rename(columns={"a": "b", "b": "a"})[["a", "b", "pmi"]]])
    both = both.sort_values(["a", "pmi", "b"], ascending=[True, False, True])
    rank = both.groupby("a").cumcount()
    both, rank = both[rank < IN_LAYER], rank[rank < IN_LAYER]
    return _rows(both["a"].to_numpy(), "cofiring", rank.to_numpy(), layer, both["b"].to_numpy(), both["pmi"], np.nan)


def random_best_cosine(n: int, dimensions: int, quantile: float = 0.95) -> float:
    """Quantile of the largest absolute cosine between a fixed vector and ``n`` independent random directions.

    The squared cosine of a random direction is Beta(1/2, (d - 1) / 2), so the quantile of the largest of ``n`` is the
    Beta quantile at ``quantile ** (1 / n)``.
    """
    if dimensions < 2:
        return 1.0
    return float(np.sqrt(betaincinv(0.5, (dimensions - 1) / 2, quantile ** (1 / n))))


def _rows(
    features: np.ndarray, kind: str, rank: np.ndarray | int, layer: int, neighbour: np.ndarray,
    similarity: np.ndarray | pd.Series, null: float,
) -> pd.DataFrame:
    return pd.DataFrame({
        "feature": features, "kind": kind, "rank": rank, "neighbour_layer": layer, "neighbour": neighbour,
        "similarity": np.asarray(similarity, dtype=np.float64), "null_q95": null,
    })
