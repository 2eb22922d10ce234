from __future__ import annotations

import gc
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cellprism.codes.firings import StoredFirings, firing_pattern
from cellprism.codes.reduce import gene_sums, histograms
from cellprism.codes.store import Codes, CodeStore, shard_path
from cellprism.features.highways import highways, permuted
from cellprism.features.modules import cofiring_edges, shifted
from cellprism.runs.config import Config
from cellprism.runs.directory import Run
from cellprism.stats import firings as module
from cellprism.stats.cofiring import cofiring_test
from cellprism.stats.cross_cofiring import cross_cofiring_test
from cellprism.stats.firings import Firings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FEATURES, K, GENES = 50, 6, 120


def ignore(_n: int) -> None:
    return None


def write(
    run: Run, layer: int, shards: int, *, value: type = np.float16, cells: int = 12, per_cell: int = 20,
) -> CodeStore:
    rng = np.random.default_rng(layer)
    for folder in (run.file("positions"), run.file("codes", layer)):
        folder.mkdir(parents=True, exist_ok=True)
    np.save(run.file("codes", layer) / "n_features.npy", FEATURES)
    for number in range(shards):
        cell = np.repeat(np.arange(cells) + cells * number, per_cell).astype(np.int32)
        gene = np.concatenate([np.random.default_rng(c).choice(GENES, per_cell, replace=False) for c in range(cells)])
        index = np.argsort(rng.random((len(cell), FEATURES - 1)), axis=1)[:, :K].astype(np.uint16)
        x = np.maximum(rng.normal(0.3, 1, size=index.shape), 0).astype(value)
        for folder, name, array in (
            (run.file("positions"), "cell", cell), (run.file("positions"), "gene", gene.astype(np.int32)),
            (run.file("codes", layer), "index", index), (run.file("codes", layer), "value", x),
        ):
            np.save(shard_path(folder, name, number), array)
    return CodeStore(run, layer)


def in_memory(store: CodeStore) -> Firings:
    """The slow way: every code in a dense matrix."""
    rows, cells, genes = [], [], []
    for shard in store.shards():
        dense = np.zeros((len(shard.cell), FEATURES), bool)
        np.put_along_axis(dense, shard.codes.index.astype(int), shard.codes.value > 0, axis=1)
        rows.append(dense)
        cells.append(shard.cell)
        genes.append(shard.gene)
    fires = np.concatenate(rows)
    indptr = np.concatenate([[0], np.cumsum(fires.sum(axis=1))])
    return Firings(indptr, np.nonzero(fires)[1], np.concatenate(cells), FEATURES, np.concatenate(genes))


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_the_pattern_is_what_is_above_zero(tmp_path: Path, kind: type) -> None:
    store = write(Run(tmp_path, Config()), 0, 1, value=kind)
    expected = in_memory(store)
    indptr, indices = firing_pattern(next(store.shards()).codes)
    assert np.array_equal(indptr, expected.indptr)
    assert np.array_equal(indices, expected.indices)
    none = firing_pattern(Codes(np.zeros((3, 2), np.uint16), np.zeros((3, 2), np.float16), 5))
    assert (none[0].tolist(), none[1].tolist()) == ([0, 0, 0, 0], [])


def test_shard_by_shard_gives_what_all_in_memory_gives(tmp_path: Path) -> None:
    run = Run(tmp_path, Config())
    first, second = (StoredFirings(write(run, layer, 4)) for layer in (0, 1))
    slow = [in_memory(source.store) for source in (first, second)]
    assert np.array_equal(first.lengths, slow[0].lengths)
    assert np.array_equal(first.counts, slow[0].counts)
    cells = np.array([0, 5, 13, 14, 40])
    for name in ("indptr", "indices", "gene"):
        assert np.array_equal(getattr(first.take(cells), name), getattr(slow[0].take(cells), name))
    heard: list[int] = []
    pairs = [(cofiring_test(first, heard.append), cofiring_test(slow[0], ignore))]
    pairs += [(
        cross_cofiring_test(first, second, ignore, least_pmi=0), cross_cofiring_test(*slow, ignore, least_pmi=0),
    )]
    assert sum(heard) == first.store.n_positions
    for ours, theirs in pairs:
        for name in ("a", "b", "count", "pmi", "p"):
            assert np.array_equal(getattr(ours, name), getattr(theirs, name))


@pytest.mark.parametrize("most", [10_000, 300])
def test_nulls_shard_by_shard_are_those_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int,
) -> None:
    monkeypatch.setattr(module.random_groups, "__kwdefaults__", {"most": most})
    run = Run(tmp_path, Config())
    stored = [StoredFirings(write(run, layer, 4)) for layer in (0, 1)]
    slow = [in_memory(source.store) for source in stored]
    edges = [cofiring_edges(shifted(s, np.random.default_rng(1)), ignore, min_count=1)[1] for s in (stored[0], slow[0])]
    roads = [highways(*permuted(*pair, np.random.default_rng(1)), ignore)[1] for pair in (stored, slow)]
    for ours, theirs in (edges, roads):
        assert len(ours.p) > 100
        assert np.array_equal(ours.count, theirs.count)
        assert np.array_equal(ours.p, theirs.p)
    assert not np.array_equal(edges[0].count, cofiring_test(stored[0], ignore).count)


@pytest.mark.parametrize("reduction", [
    lambda store: cofiring_test(StoredFirings(store), ignore),
    lambda store: cofiring_edges(shifted(StoredFirings(store), np.random.default_rng(0)), ignore, min_count=1),
    lambda store: highways(*permuted(*[StoredFirings(store)] * 2, np.random.default_rng(0)), ignore),
    lambda store: gene_sums(store, GENES, ignore),
    lambda store: histograms(store, np.full(FEATURES, 5.0, np.float32), 24),
])
def test_memory_does_not_grow_with_positions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reduction: Callable[[CodeStore], object],
) -> None:
    monkeypatch.setattr(module.random_groups, "__kwdefaults__", {"most": 15_000})
    peaks, firings = [], []
    for shards in (3, 12):
        store = write(Run(tmp_path / str(shards), Config()), 0, shards, cells=100, per_cell=100)
        reduction(store)
        firings.append(4 * int(StoredFirings(store).counts.sum()))
        peaks.append(min(traced(reduction, store) for _ in range(2)))
    assert peaks[1] - peaks[0] < 0.3 * (firings[1] - firings[0])


def traced(reduction: Callable[[CodeStore], object], store: CodeStore) -> int:
    """Peak of the memory that a reduction asks for; the least of several, because others in this process ask too."""
    gc.collect()
    tracemalloc.start()
    reduction(store)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak
