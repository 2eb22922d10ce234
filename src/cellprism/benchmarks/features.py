"""Annotation of a large dictionary with its null, and co-firing with modules over a million positions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from cellprism.benchmarks import Row

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from cellprism.features.annotate import Problem
    from cellprism.stats.firings import Firings

T = TypeVar("T")
FEATURES, TERMS, GENES, TOP, PERMUTATIONS, ACTIVE = 4608, 8000, 15_000, 20, 20, 32
MODULES = 48
"""Planted modules: the features of equal index modulo their number."""
FISHER_SAMPLE, POSITION_SAMPLE = 2000, 5000
"""Tests and positions on which the slow baselines are timed; their time is proportional to the number."""


def rows(quick: bool) -> list[Row]:
    """Random top genes, terms and firings: sizes of terms and frequencies of features are skewed, as real ones are."""
    rng = np.random.default_rng(0)
    return [*_annotation(rng, 460 if quick else FEATURES), *_cofiring(rng, 50_000 if quick else 1_000_000)]


def _annotation(rng: np.random.Generator, n_features: int) -> list[Row]:
    from cellprism.features.annotate import annotation_frame, annotation_rates

    problem, prepared = _timed(lambda: _problem(rng, n_features))
    _, tested = _timed(lambda: annotation_frame(problem))
    _, null = _timed(lambda: annotation_rates(
        problem, q=0.05, n_alive=n_features, permutations=PERMUTATIONS, rng=rng,
    ))
    one = _fisher(problem, rng) * problem.n_tests
    shape = f"{n_features:,} features x {len(problem.term):,} terms x {TOP} genes"
    loop = "a loop over scipy.stats.fisher_exact"
    note = f"baseline extrapolated from {FISHER_SAMPLE:,} tests"
    return [
        Row("annotation", shape, loop, one, tested, f"{note}; names to integers takes {prepared:.1f} s more, once"),
        Row(
            f"annotation null, {PERMUTATIONS} permutations", shape, f"{loop} for each permutation", one * PERMUTATIONS,
            null, note,
        ),
    ]


def _cofiring(rng: np.random.Generator, n: int) -> list[Row]:
    from cellprism.features.modules import cofiring_edges, partition

    warm = _firings(rng, 200)
    cofiring_edges(warm, _ignore, min_count=1)
    firings = _firings(rng, n)
    (edges, _), counted = _timed(lambda: cofiring_edges(firings, _ignore, min_count=50))
    partition(edges.head(1), seeds=1, min_features=3, rng=rng)
    _, leiden = _timed(lambda: partition(edges, seeds=1, min_features=3, rng=rng))
    slow = _count_slowly(firings, POSITION_SAMPLE) * n / POSITION_SAMPLE
    return [*_leiden(edges, leiden), Row(
        "co-firing counts, test and Leiden", f"{n:,} positions x {ACTIVE} of {FEATURES:,} features",
        "counting pairs in a Python dict", slow, counted + leiden,
        f"counts and test {counted:.1f} s, Leiden on {len(edges):,} edges {leiden:.1f} s; baseline counts only, "
        f"extrapolated from {POSITION_SAMPLE:,} positions",
    )]


def _leiden(edges: pd.DataFrame, ours: float) -> list[Row]:
    """Leiden against the package of its authors, where that is installed: the papers used it."""
    from importlib.util import find_spec

    if edges.empty or find_spec("leidenalg") is None:
        return []
    import igraph
    import leidenalg

    n = int(edges[["a", "b"]].to_numpy().max()) + 1
    graph = igraph.Graph(n=n, edges=edges[["a", "b"]].to_numpy().tolist())
    found, theirs = _timed(lambda: leidenalg.find_partition(
        graph, leidenalg.RBConfigurationVertexPartition, weights=edges["pmi"].tolist(), n_iterations=-1, seed=0,
    ))
    return [Row(
        "Leiden, one seed to convergence", f"{len(edges):,} edges", "leidenalg.find_partition", theirs, ours,
        f"ours with the graph, modularity and ranking of modules; leidenalg finds {len(found)} communities",
    )]


def _problem(rng: np.random.Generator, n_features: int) -> Problem:
    from cellprism.features.annotate import prepare

    genes = [f"G{i}" for i in range(GENES)]
    sizes = np.clip(np.exp(rng.normal(3.2, 1.0, TERMS)), 5, 500).astype(int)
    terms = {f"t{i}": [genes[j] for j in rng.choice(GENES, size, replace=False)] for i, size in enumerate(sizes)}
    lists = {i: [genes[j] for j in rng.choice(GENES, TOP, replace=False)] for i in range(n_features)}
    return prepare(lists, terms, genes, min_size=5, max_size=500)


def _fisher(problem: Problem, rng: np.random.Generator) -> float:
    """Seconds of one test by the obvious call, on pairs of a feature and a term as they come."""
    from scipy.stats import fisher_exact

    features, terms = rng.integers(len(problem.features), size=FISHER_SAMPLE), rng.integers(TERMS, size=FISHER_SAMPLE)
    columns = problem.membership.tocsc()
    members = {t: set(columns.indices[columns.indptr[t] : columns.indptr[t + 1]].tolist()) for t in set(terms)}
    lists = {f: set(problem.gene[problem.feature == f].tolist()) for f in set(features)}

    def loop() -> None:
        for f, t in zip(features, terms, strict=True):
            top, term = lists[f], members[t]
            both = len(top & term)
            rest = problem.n_background - len(top | term)
            fisher_exact([[both, len(top) - both], [len(term) - both, rest]], alternative="greater")

    return _timed(loop)[1] / FISHER_SAMPLE


def _firings(rng: np.random.Generator, n: int) -> Firings:
    """``ACTIVE`` features at each position: half of one module, half any, the frequent ones more often.

    A cell has 1,000 positions, or a tenth of a few.
    """
    from cellprism.stats.firings import Firings

    weight = 1 / (10 + np.arange(FEATURES)) ** 0.7
    drawn = rng.choice(FEATURES, (n, ACTIVE), p=weight / weight.sum()).astype(np.int32)
    half, per_module = ACTIVE // 2, FEATURES // MODULES
    drawn[:, :half] = rng.integers(MODULES, size=(n, 1)) + MODULES * rng.integers(per_module, size=(n, half))
    drawn.sort(axis=1)
    again = np.zeros(drawn.shape, bool)
    again[:, 1:] = drawn[:, 1:] == drawn[:, :-1]
    indptr = np.concatenate([[0], np.cumsum((~again).sum(axis=1))])
    return Firings(indptr, drawn[~again], np.arange(n) // min(1000, n // 10), FEATURES)


def _count_slowly(firings: Firings, n: int) -> float:
    from collections import Counter
    from itertools import combinations

    counts: Counter[tuple[int, int]] = Counter()

    def loop() -> None:
        for i in range(n):
            counts.update(combinations(firings.indices[firings.indptr[i] : firings.indptr[i + 1]].tolist(), 2))

    return _timed(loop)[1]


def _timed(function: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    result = function()
    return result, time.perf_counter() - started


def _ignore(_n: int) -> None:
    """Nobody listens to the progress."""
