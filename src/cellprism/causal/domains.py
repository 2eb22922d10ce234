"""The graph of what features stand for: labels as nodes, edges of the trace between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cellprism.stats.fdr import bh
from cellprism.stats.permutation import permutation_p

if TYPE_CHECKING:
    import pandas as pd

PERMUTATIONS = 200
DAMPING = 0.85


def domain_graph(
    edges: pd.DataFrame, source_labels: pd.Series, target_labels: dict[int, pd.Series], rng: np.random.Generator,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Count the edges between labels, and rank labels by PageRank, beside the same with labels shuffled.

    Labels are permuted among the labelled features of a layer, which keeps the edges, their number for each feature
    and how many features carry a label. Labels of many features or of features of large degree therefore do not stand
    out for that.

    Parameters
    ----------
    edges
        Columns source, target_layer, target, g, sign.
    source_labels, target_labels
        Label of each labelled feature (index) of the source layer and of each target layer.
    rng
        Source of the permutations.

    Returns
    -------
    Tables ``domain_edges`` and ``domains`` (see `runs.schemas`); no rows where no edge joins two labelled features.
    """
    import pandas as pd

    every = pd.Index(sorted({*source_labels, *(label for part in target_labels.values() for label in part)}))
    known = _labelled(edges, source_labels, target_labels)
    part = edges[known]
    n = len(every)
    layers = {int(layer): rows for layer, rows in part.groupby("target_layer")}
    order = pd.concat(layers.values()) if layers else part

    def pairs(shuffle: bool) -> np.ndarray:
        head = _codes(source_labels, every, rng if shuffle else None)
        found = []
        for layer, rows in layers.items():
            tail = _codes(target_labels[layer], every, rng if shuffle else None)
            found.append(head.loc[rows["source"]].to_numpy() * n + tail.loc[rows["target"]].to_numpy())
        return np.concatenate([np.empty(0, np.int64), *found])

    seen = pairs(shuffle=False)
    keys, place, counts = np.unique(seen, return_inverse=True, return_counts=True)
    rank = _pagerank(keys, counts, n)
    null = np.empty((PERMUTATIONS, len(keys)))
    null_rank = np.empty((PERMUTATIONS, n))
    for b in range(PERMUTATIONS):
        other, many = np.unique(pairs(shuffle=True), return_counts=True)
        null[b] = np.where(np.isin(keys, other), many[np.searchsorted(other, keys).clip(max=len(other) - 1)], 0)
        null_rank[b] = _pagerank(other, many, n)
    p = permutation_p(counts, null)
    table = pd.DataFrame({
        "source_term": every[keys // n], "target_term": every[keys % n], "n_edges": counts,
        "expected": null.mean(axis=0), "null_q95": np.quantile(null, 0.95, axis=0), "p": p, "q": bh(p),
        "mean_g": np.bincount(place, order["g"], len(keys)) / counts,
        "supports": np.bincount(place, order["sign"] > 0, len(keys)) / counts,
    })
    return table.sort_values(["p", "n_edges"], ascending=[True, False], ignore_index=True), _domains(
        every, table, rank, null_rank,
    )


def _labelled(edges: pd.DataFrame, source_labels: pd.Series, target_labels: dict[int, pd.Series]) -> np.ndarray:
    ends = np.zeros(len(edges), bool)
    for layer, labels in target_labels.items():
        ends |= ((edges["target_layer"] == layer) & edges["target"].isin(labels.index)).to_numpy()
    return np.asarray(ends & edges["source"].isin(source_labels.index).to_numpy())


def _codes(labels: pd.Series, every: pd.Index, rng: np.random.Generator | None) -> pd.Series:
    import pandas as pd

    codes = every.get_indexer(pd.Index(labels))
    return pd.Series(codes if rng is None else rng.permutation(codes), labels.index)


def _pagerank(keys: np.ndarray, counts: np.ndarray, n: int) -> np.ndarray:
    import igraph

    graph = igraph.Graph(n=n, edges=np.stack([keys // n, keys % n], axis=1).tolist(), directed=True)
    return np.array(graph.pagerank(damping=DAMPING, weights=counts.tolist()) if n else [])


def _domains(every: pd.Index, table: pd.DataFrame, rank: np.ndarray, null_rank: np.ndarray) -> pd.DataFrame:
    import pandas as pd

    given = table.groupby("source_term")["n_edges"].sum().reindex(every, fill_value=0)
    got = table.groupby("target_term")["n_edges"].sum().reindex(every, fill_value=0)
    frame = pd.DataFrame({
        "term": every, "out_edges": given.to_numpy(), "in_edges": got.to_numpy(), "pagerank": rank,
        "expected": null_rank.mean(axis=0), "p": permutation_p(rank - 1e-12, null_rank),
    })
    frame = frame[(frame["out_edges"] > 0) | (frame["in_edges"] > 0)]
    return frame.sort_values("pagerank", ascending=False, ignore_index=True)
