"""Modules: communities of features that fire at the same positions."""

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellprism.stats.cofiring import Cofiring, circular_shift, cofiring_test
from cellprism.stats.fdr import bh
from cellprism.stats.firings import Regrouped, random_groups
from cellprism.stats.hypergeometric import upper_tail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cellprism.runs.config import Protocol
    from cellprism.stats.firings import CellFirings, Firings, FiringSource, Pattern

LEVEL = 0.05
PUBLISHED_PMI = 2.0
MAX_PERMUTATIONS = 5
"""Permutations of the co-firing null: each counts all positions again, and its rates vary little."""


@dataclass(frozen=True)
class Partition:
    """Modules of a layer.

    Attributes
    ----------
    members
        Features of each module, largest module first, each ascending.
    stability
        Mean Jaccard index of each module with its best match in the partitions of the other seeds; NaN without others.
    ari
        Mean adjusted Rand index over pairs of seeds; NaN for a single seed or without edges.
    modularity
        Modularity of the partition; NaN without edges.
    """

    members: list[np.ndarray]
    stability: np.ndarray
    ari: float
    modularity: float


def cofiring_edges(
    firings: FiringSource, done: Callable[[int], None], *, min_count: int, protocol: Protocol = "calibrated",
) -> tuple[pd.DataFrame, Cofiring]:
    """Pairs of features that fire together (table ``cofiring``), and the test behind them.

    An edge has q < 0.05 in the family of all pairs of live features, PMI above 0 and at least ``min_count`` positions;
    under the published protocol PMI of 2 or more instead of the test.
    """
    tested = cofiring_test(firings, done)
    q = bh(tested.p, tested.n_tests)
    enough = q < LEVEL if protocol == "calibrated" else tested.pmi >= PUBLISHED_PMI
    keep = enough & (tested.count >= min_count)
    columns = {"a": tested.a, "b": tested.b, "count": tested.count, "pmi": tested.pmi, "p": tested.p, "q": q}
    return pd.DataFrame({name: column[keep] for name, column in columns.items()}), tested


def partition(
    edges: pd.DataFrame, *, seeds: int, min_features: int, rng: np.random.Generator, weight: str = "pmi",
) -> Partition:
    """Leiden communities of a graph, weighted by the column ``weight``: of several seeds the best modularity.

    Traag, Waltman and van Eck 2019. Features without an edge are in no module.
    """
    import igraph

    if edges.empty:
        return Partition([], np.empty(0), float("nan"), float("nan"))
    features, ends = np.unique(edges[["a", "b"]].to_numpy(), return_inverse=True)
    graph = igraph.Graph(n=len(features), edges=ends.reshape(-1, 2).tolist())
    weights = edges[weight].tolist()
    runs = []
    for seed in rng.integers(2**31, size=seeds):
        with _igraph_seed(int(seed)):
            found = graph.community_leiden(
                objective_function="modularity", weights=weights, n_iterations=-1
            )
        runs.append((graph.modularity(found.membership, weights=weights), np.array(found.membership)))
    best = int(np.argmax([modularity for modularity, _ in runs]))
    memberships = [membership for _, membership in runs]
    modules = [np.flatnonzero(memberships[best] == m) for m in range(memberships[best].max() + 1)]
    modules = sorted((m for m in modules if len(m) >= min_features), key=lambda m: (-len(m), m[0]))
    others = [membership for i, membership in enumerate(memberships) if i != best]
    stability = [np.mean([_best_jaccard(m, other) for other in others]) if others else np.nan for m in modules]
    return Partition([features[m] for m in modules], np.array(stability), _mean_ari(memberships), runs[best][0])


def module_table(part: Partition, edges: pd.DataFrame, annotations: pd.DataFrame, n_alive: int) -> pd.DataFrame:
    """Table ``modules``: size, stability and the term that is most over-represented among the members' annotations.

    Parameters
    ----------
    annotations
        Significant annotations only: columns feature, source, term.
    n_alive
        Live features of the layer, the population of the one-sided hypergeometric test; the unit is the feature, the
        family every (module, term) pair. A module whose best q is not below 0.05 gets no term.
    """
    home = {int(f): m for m, members in enumerate(part.members) for f in members}
    inside = edges["a"].map(home).to_numpy(float) == edges["b"].map(home).to_numpy(float)
    n_edges = np.bincount(edges["a"].map(home)[inside].astype(int), minlength=len(part.members))
    table = pd.DataFrame({
        "module": np.arange(len(part.members)), "n_features": [len(m) for m in part.members],
        "n_edges": n_edges, "stability": part.stability,
    })
    best = _best_terms(annotations, home, table["n_features"].to_numpy(), n_alive).set_index("module")
    best = best.reindex(table["module"])
    for column in ("source", "term"):
        table[column] = best[column].where(best[column].notna(), None).to_numpy(object)
    table["n_members_with_term"] = best["count"].fillna(0).astype(int).to_numpy()
    table["p"], table["q"] = best["p"].to_numpy(float), best["q"].to_numpy(float)
    return table


def member_table(part: Partition) -> pd.DataFrame:
    """Table ``members``."""
    frame = pd.DataFrame({
        "feature": np.concatenate([np.empty(0, np.int64), *part.members]),
        "module": np.repeat(np.arange(len(part.members)), [len(m) for m in part.members]),
    })
    return frame.sort_values("feature").reset_index(drop=True)


def module_rates(
    observed: tuple[float, float], null: np.ndarray, *, n_pairs: int, n_alive: int, protocol: Protocol = "calibrated",
) -> pd.DataFrame:
    """Shares of pairs with an edge and of live features in a module, beside their null (table ``rates``).

    ``null`` has one row of the two shares for each permutation.
    """
    units = (("cofiring", n_pairs, "pair of features"), ("in_module", n_alive, "feature"))
    return pd.DataFrame([
        {
            "rate": rate, "value": observed[i], "n": n, "unit": unit, "null_mean": null[:, i].mean(),
            "null_q95": np.quantile(null[:, i], 0.95), "n_permutations": len(null), "protocol": protocol,
            "null": "firings of each feature shifted around by its own number of positions; keeps its frequency and "
            "burstiness, breaks the alignment between features",
        }
        for i, (rate, n, unit) in enumerate(units)
    ])


def shifted(firings: CellFirings, rng: np.random.Generator) -> Regrouped:
    """Firings under the null of `module_rates`; where there are many, cells are shifted in random groups."""
    seed = int(rng.integers(2**63))

    def change(group: Firings, number: int) -> Pattern:
        return circular_shift(group.indptr, group.indices, group.n_features, np.random.default_rng([seed, number]))

    return Regrouped(firings, random_groups(firings.lengths, rng), change)


def shares(edges: pd.DataFrame, part: Partition, tested: Cofiring) -> tuple[float, float]:
    """Share of pairs with an edge, and of live features in a module."""
    return len(edges) / max(tested.n_tests, 1), sum(map(len, part.members)) / max(tested.n_alive, 1)


def _best_terms(annotations: pd.DataFrame, home: dict[int, int], sizes: np.ndarray, n_alive: int) -> pd.DataFrame:
    terms = annotations.drop_duplicates(["feature", "source", "term"])
    total = terms.groupby(["source", "term"]).size().rename("total").reset_index()
    within = terms.assign(module=terms["feature"].map(home)).dropna(subset="module")
    within = within.groupby(["module", "source", "term"]).size().rename("count").reset_index()
    within = within.merge(total, on=["source", "term"])
    within["module"] = within["module"].astype(int)
    p = upper_tail(n_alive, within["total"].to_numpy(), sizes[within["module"]], within["count"].to_numpy())
    within = within.assign(p=p, q=bh(p, len(sizes) * len(total)))
    order = within[within["q"] < LEVEL].sort_values(
        ["module", "q", "p", "count", "source", "term"], ascending=[True, True, True, False, True, True]
    )
    return order.drop_duplicates("module")


@contextmanager
def _igraph_seed(seed: int) -> Iterator[None]:
    """igraph has one generator for the whole process; lend it a seeded one and give back Python's."""
    import igraph

    igraph.set_random_number_generator(random.Random(seed))
    try:
        yield
    finally:
        igraph.set_random_number_generator(random)


def _best_jaccard(module: np.ndarray, membership: np.ndarray) -> float:
    """Largest Jaccard index of ``module`` with a community of ``membership``."""
    common = np.bincount(membership[module], minlength=membership.max() + 1)
    return float((common / (len(module) + np.bincount(membership) - common)).max())


def _mean_ari(memberships: list[np.ndarray]) -> float:
    from sklearn.metrics import adjusted_rand_score

    pairs = [(i, j) for i in range(len(memberships)) for j in range(i)]
    if not pairs:
        return float("nan")
    return float(np.mean([adjusted_rand_score(memberships[i], memberships[j]) for i, j in pairs]))
