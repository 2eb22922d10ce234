"""The graph of what features stand for: labels as nodes, edges of the trace between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cellprism.stats.fdr import bh
from cellprism.stats.permutation import permutation_p

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

PERMUTATIONS, RANKED, WORK = 20, 200, 200_000_000
"""Permutations for each pair of labels, so that one pair alone can reach q < 0.05; those of which quantiles and
PageRank are computed, the fewest; edges permuted in all."""
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
    n = len(every)
    head, source_code = source_labels.index, every.get_indexer(pd.Index(source_labels))
    parts, ends = [], []
    for layer, labels in sorted(target_labels.items()):
        part = edges[(edges["target_layer"] == layer) & edges["source"].isin(head) & edges["target"].isin(labels.index)]
        parts.append(part)
        ends.append((
            head.get_indexer(pd.Index(part["source"])), labels.index.get_indexer(pd.Index(part["target"])),
            every.get_indexer(pd.Index(labels)),
        ))
    order = pd.concat(parts)

    def pairs(mix: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        given = mix(source_code)
        return np.concatenate([given[source] * n + mix(code)[target] for source, target, code in ends])

    keys, place, counts = np.unique(pairs(np.asarray), return_inverse=True, return_counts=True)
    rank = _pagerank(keys, counts, n)
    family = possible_pairs(source_labels, target_labels)
    permutations = max(min(WORK // len(order), PERMUTATIONS * family), RANKED) if len(keys) else 0
    reached, total = np.zeros(len(keys), np.int64), np.zeros(len(keys))
    null, null_rank = np.zeros((RANKED, len(keys)), np.int32), np.empty((RANKED, n))
    for b in range(permutations):
        other = pairs(rng.permutation)
        at = np.searchsorted(keys, other).clip(max=len(keys) - 1)
        found = np.bincount(at[keys[at] == other], minlength=len(keys))
        reached += found >= counts
        total += found
        if b < RANKED:
            null[b], null_rank[b] = found, _pagerank(*np.unique(other, return_counts=True), n)
    p = (1 + reached) / (1 + permutations)
    table = pd.DataFrame({
        "source_term": every[keys // max(n, 1)], "target_term": every[keys % max(n, 1)], "n_edges": counts,
        "expected": total / max(permutations, 1), "null_q95": np.quantile(null, 0.95, axis=0), "p": p,
        "q": bh(p, family),
        "mean_g": np.bincount(place, order["g"], len(keys)) / counts,
        "supports": np.bincount(place, order["sign"] > 0, len(keys)) / counts,
    })
    table = table.sort_values(["p", "n_edges"], ascending=[True, False], ignore_index=True)
    return table, _domains(every, table, rank, null_rank)


def possible_pairs(source_labels: pd.Series, target_labels: dict[int, pd.Series]) -> int:
    """Pairs of a label of a source and one of a target: the family of the tests."""
    targets = {label for labels in target_labels.values() for label in labels}
    return source_labels.nunique() * len(targets)


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
