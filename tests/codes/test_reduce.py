from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cellprism.codes.reduce import cell_means, gene_sums, groups_firing, histograms
from cellprism.codes.store import CodeStore, shard_path
from cellprism.runs.config import Config
from cellprism.runs.directory import Run

if TYPE_CHECKING:
    from pathlib import Path

CELLS, GENES, FEATURES, K = 30, 25, 40, 6


def ignore(_n: int) -> None:
    return None


@pytest.fixture
def planted(tmp_path: Path) -> tuple[CodeStore, np.ndarray, np.ndarray, np.ndarray]:
    """A store of three shards, and the same codes as cell, gene and a dense matrix. The last feature is dead."""
    rng = np.random.default_rng(0)
    run = Run(tmp_path, Config())
    run.file("positions").mkdir()
    run.file("codes", 0).mkdir(parents=True)
    np.save(run.file("codes", 0) / "n_features.npy", FEATURES)
    cells, genes, rows = [], [], []
    for number, part in enumerate(np.split(np.arange(CELLS - 1), [7, 18])):
        cell = np.repeat(part, 12).astype(np.int32)
        gene = np.concatenate([rng.choice(GENES, 12, replace=False) for _ in part]).astype(np.int32)
        index = np.stack([rng.choice(FEATURES - 1, K, replace=False) for _ in cell]).astype(np.uint16)
        value = np.maximum(rng.normal(0.3, 1, size=index.shape), 0).astype(np.float16)
        for name, array in (("cell", cell), ("gene", gene)):
            np.save(shard_path(run.file("positions"), name, number), array)
        for name, array in (("index", index), ("value", value)):
            np.save(shard_path(run.file("codes", 0), name, number), array)
        dense = np.zeros((len(cell), FEATURES))
        np.put_along_axis(dense, index.astype(int), value.astype(float), axis=1)
        cells.append(cell)
        genes.append(gene)
        rows.append(dense)
    return CodeStore(run, 0), np.concatenate(cells), np.concatenate(genes), np.concatenate(rows)


def test_gene_sums(planted: tuple[CodeStore, np.ndarray, np.ndarray, np.ndarray]) -> None:
    store, cell, gene, dense = planted
    heard: list[int] = []
    sums = gene_sums(store, GENES + 1, heard.append)
    assert sum(heard) == len(dense)
    for g in range(GENES + 1):
        rows = dense[gene == g]
        assert sums.seen[g] == len(rows)
        assert np.array_equal(sums.fired.toarray()[g], (rows > 0).sum(axis=0))
        assert np.allclose(sums.total.toarray()[g], rows.sum(axis=0))
        assert np.allclose(sums.squares.toarray()[g], (rows**2).sum(axis=0))
    for f in range(FEATURES):
        assert sums.n_cells[f] == len(np.unique(cell[dense[:, f] > 0]))
        assert sums.largest[f] == dense[:, f].max()


def test_the_sums_share_one_structure(planted: tuple[CodeStore, np.ndarray, np.ndarray, np.ndarray]) -> None:
    sums = gene_sums(planted[0], GENES, ignore)
    for other in (sums.total, sums.squares):
        assert np.array_equal(sums.fired.indices, other.indices)
        assert np.array_equal(sums.fired.indptr, other.indptr)


def test_cell_means(planted: tuple[CodeStore, np.ndarray, np.ndarray, np.ndarray]) -> None:
    store, cell, _, dense = planted
    means = cell_means(store, CELLS, ignore)
    assert means.dtype == np.float32
    for c in range(CELLS - 1):
        assert np.allclose(means[c], dense[cell == c].mean(axis=0))
    assert np.isnan(means[CELLS - 1]).all()


def test_histograms(planted: tuple[CodeStore, np.ndarray, np.ndarray, np.ndarray]) -> None:
    store, _, _, dense = planted
    counts = histograms(store, dense.max(axis=0), 24)
    for f in range(FEATURES):
        fired = dense[dense[:, f] > 0, f]
        expected = np.histogram(fired, bins=24, range=(0, fired.max() if len(fired) else 1))[0]
        assert np.array_equal(counts[f], expected)


def test_groups_in_which_a_feature_fires(planted: tuple[CodeStore, np.ndarray, np.ndarray, np.ndarray]) -> None:
    store, cell, _, dense = planted
    group = np.arange(CELLS) % 5 - 1
    expected = [len({group[c] for c in cell[dense[:, f] > 0]} - {-1}) for f in range(FEATURES)]
    assert groups_firing(store, group).tolist() == expected
    assert groups_firing(store, np.full(CELLS, -1)).tolist() == [0] * FEATURES
