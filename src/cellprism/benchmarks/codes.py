"""Reductions of one layer's codes against a plain loop over positions."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from itertools import combinations, product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cellprism.benchmarks import Row
from cellprism.codes.firings import StoredFirings
from cellprism.codes.reduce import cell_means, gene_sums, histograms
from cellprism.codes.store import CodeStore, shard_path
from cellprism.runs.config import Config
from cellprism.runs.directory import Run
from cellprism.stats.cofiring import cofiring_test
from cellprism.stats.cross_cofiring import cross_cofiring_test

if TYPE_CHECKING:
    from collections.abc import Callable

FEATURES, K, GENES, PER_CELL, CELLS_PER_SHARD = 4608, 32, 6000, 1000, 65
ACROSS = "co-firing counts and tests across two layers"
LOOPED = 5000
"""Positions of the loop; its time is scaled up, since it grows evenly."""


def rows(quick: bool) -> list[Row]:
    """Sums per gene, means per cell, histograms, co-firing within a layer and across two; 1 million positions.

    ``quick`` takes 100,000.
    """
    n_cells = 100 if quick else 1000
    loops = {
        "sums per gene": _loop_sums, "means per cell": _loop_means, "histograms": _loop_histograms,
        "co-firing counts and tests": _loop_pairs, ACROSS: _loop_pairs_across,
    }
    with tempfile.TemporaryDirectory() as folder:
        for n in (n_cells // 10, n_cells):
            for layer in (0, 1):
                _write(_run(folder, n), n, layer)
        return [_row(name, loop, folder, n_cells) for name, loop in loops.items()]


def reduce(name: str, folder: str, n_cells: int) -> tuple[float, float]:
    """Seconds of a reduction of the codes in ``folder``, compiled before, and peak memory of this process in MB."""
    largest = np.full(FEATURES, 4.0, np.float32)
    reduction = {
        "sums per gene": lambda store: gene_sums(store, GENES, _ignore),
        "means per cell": lambda store: cell_means(store, n_cells, _ignore),
        "histograms": lambda store: histograms(store, largest, 24),
        "co-firing counts and tests": lambda store: cofiring_test(StoredFirings(store), _ignore),
        ACROSS: lambda store: cross_cofiring_test(
            StoredFirings(store), StoredFirings(CodeStore(Run(store.positions.parent, Config()), 1)), _ignore,
            least_pmi=0.0,
        ),
    }[name]
    with tempfile.TemporaryDirectory() as small:
        _write(_run(small, 1), 1, 1)
        reduction(_write(_run(small, 1), 1, 0))
    started = time.perf_counter()
    reduction(CodeStore(_run(folder, n_cells), 0))
    seconds = time.perf_counter() - started
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _row(name: str, loop: Callable[[CodeStore], object], folder: str, n_cells: int) -> Row:
    """The reduction runs in a process of its own, so that its memory is not mixed with that of others."""
    started = time.perf_counter()
    loop(CodeStore(_run(folder, n_cells), 0))
    looped = time.perf_counter() - started
    (seconds, peak), (_, smaller) = (_alone(name, folder, n) for n in (n_cells, n_cells // 10))
    n = n_cells * PER_CELL
    return Row(
        f"codes: {name}", f"{n:,} positions, k {K}, F {FEATURES}, {GENES} genes",
        "a Python loop over positions", looped * n / LOOPED, seconds,
        f"the loop's time is that of {LOOPED:,} positions, scaled up; peak memory {peak:.0f} MB, and {smaller:.0f} MB "
        "with a tenth of the positions",
    )


def _alone(name: str, folder: str, n_cells: int) -> tuple[float, float]:
    code = f"from cellprism.benchmarks.codes import reduce; print(*reduce({name!r}, {folder!r}, {n_cells}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, peak = map(float, done.stdout.split())
    return seconds, peak


def _run(folder: str, n_cells: int) -> Run:
    return Run(Path(folder, str(n_cells)), Config())


def _write(run: Run, n_cells: int, layer: int) -> CodeStore:
    """Random codes in the shards of a run; low features fire most, as in real dictionaries."""
    rng = np.random.default_rng(layer)
    run.file("positions").mkdir(parents=True, exist_ok=True)
    run.file("codes", layer).mkdir(parents=True)
    np.save(run.file("codes", layer) / "n_features.npy", FEATURES)
    edges = np.maximum((FEATURES * (np.arange(K + 1) / K) ** 2).astype(int), np.arange(K + 1))
    for number, first in enumerate(range(0, n_cells, CELLS_PER_SHARD)):
        cells = np.arange(first, min(first + CELLS_PER_SHARD, n_cells))
        n = len(cells) * PER_CELL
        index = rng.integers(edges[:-1], edges[1:], size=(n, K)).astype(np.uint16)
        value = (rng.random((n, K), np.float32) * 3.9 + 0.1).astype(np.float16)
        gene = np.concatenate([rng.choice(GENES, PER_CELL, replace=False) for _ in cells]).astype(np.int32)
        cell = np.repeat(cells, PER_CELL).astype(np.int32)
        for folder, name, array in (
            (run.file("positions"), "cell", cell), (run.file("positions"), "gene", gene),
            (run.file("codes", layer), "index", index), (run.file("codes", layer), "value", value),
        ):
            np.save(shard_path(folder, name, number), array)
    return CodeStore(run, layer)


def _looped(store: CodeStore) -> tuple[np.ndarray, ...]:
    shard = next(store.shards())
    return tuple(a[:LOOPED] for a in (shard.cell, shard.gene, shard.codes.index, shard.codes.value))


def _loop_sums(store: CodeStore) -> object:
    sums: dict[tuple[int, int], list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
    seen: Counter[int] = Counter()
    _, genes, index, value = _looped(store)
    for gene, features, values in zip(genes.tolist(), index.tolist(), value.tolist(), strict=True):
        seen[gene] += 1
        for feature, x in zip(features, values, strict=True):
            if x > 0:
                entry = sums[gene, feature]
                entry[0] += 1
                entry[1] += x
                entry[2] += x * x
    return sums, seen


def _loop_means(store: CodeStore) -> object:
    total: dict[tuple[int, int], float] = defaultdict(float)
    cells, _, index, value = _looped(store)
    for cell, features, values in zip(cells.tolist(), index.tolist(), value.tolist(), strict=True):
        for feature, x in zip(features, values, strict=True):
            total[cell, feature] += x
    return total


def _loop_histograms(store: CodeStore) -> object:
    counts = np.zeros((FEATURES, 24), np.int64)
    _, _, index, value = _looped(store)
    for features, values in zip(index.tolist(), value.tolist(), strict=True):
        for feature, x in zip(features, values, strict=True):
            counts[feature, min(int(x * 6), 23)] += 1
    return counts


def _loop_pairs(store: CodeStore) -> object:
    counts: Counter[tuple[int, int]] = Counter()
    for features in _looped(store)[2].tolist():
        counts.update(combinations(sorted(features), 2))
    return counts


def _loop_pairs_across(store: CodeStore) -> object:
    counts: Counter[tuple[int, int]] = Counter()
    later = CodeStore(Run(store.positions.parent, Config()), 1)
    for features, others in zip(_looped(store)[2].tolist(), _looped(later)[2].tolist(), strict=True):
        counts.update(product(features, others))
    return counts


def _ignore(_n: int) -> None:
    return None
