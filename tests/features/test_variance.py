from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cellprism.codes.store import CodeStore, shard_path
from cellprism.features.variance import variance_rates, variance_table
from cellprism.runs.config import Config
from cellprism.runs.directory import Run

if TYPE_CHECKING:
    from pathlib import Path

CELLS, GENES, PER_CELL = 120, 50, 25


def store(folder: Path, values: np.ndarray, cell: np.ndarray, gene: np.ndarray) -> CodeStore:
    run = Run(folder, Config())
    run.file("positions").mkdir(parents=True)
    run.file("codes", 0).mkdir(parents=True)
    np.save(run.file("codes", 0) / "n_features.npy", values.shape[1])
    index = np.tile(np.arange(values.shape[1], dtype=np.uint16), (len(values), 1))
    for number, rows in enumerate((cell < 70, cell >= 70)):
        arrays = {"positions": {"cell": cell, "gene": gene}, "codes": {"index": index, "value": values}}
        for room, named in arrays.items():
            for name, array in named.items():
                place = run.file("positions") if room == "positions" else run.file("codes", 0)
                np.save(shard_path(place, name, number), array[rows])
    return CodeStore(run, 0)


@pytest.fixture
def positions() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    cell = np.repeat(np.arange(CELLS), PER_CELL).astype(np.int32)
    gene = np.concatenate([np.sort(rng.permutation(GENES)[:PER_CELL]) for _ in range(CELLS)]).astype(np.int32)
    return cell, gene


def test_planted_shares_and_null(tmp_path: Path, positions) -> None:
    cell, gene = positions
    rng = np.random.default_rng(1)
    n = len(cell)
    of_gene, of_cell = rng.normal(size=GENES)[gene], rng.normal(size=CELLS)[cell]
    of_both = rng.normal(size=(CELLS, GENES))[cell, gene]
    mixed = 5 + np.sqrt(0.5) * of_gene + np.sqrt(0.2) * of_cell + np.sqrt(0.3) * of_both
    values = np.stack([5 + of_gene, 5 + of_cell, 5 + of_both, mixed, np.zeros(n)], axis=1).astype(np.float32)
    codes = store(tmp_path, values, cell, gene)
    told: list[int] = []
    table = variance_table(codes, told.append)
    assert sum(told) == n
    assert table["feature"].tolist() == [0, 1, 2, 3]
    assert np.allclose(table["gene"], [1, 0, 0, 0.5], atol=0.12)
    assert np.allclose(table["cell"], [0, 1, 0, 0.2], atol=0.12)
    assert np.allclose(table["rest"], [0, 0, 1, 0.3], atol=0.12)
    assert table["static"].tolist() == [True, False, False, False]
    null = [variance_table(codes, told.append, rng) for _ in range(3)]
    assert np.abs([t[["gene", "cell"]].to_numpy() for t in null]).max() < 0.06
    rates = variance_rates(table, null).set_index("rate")
    assert rates.loc["static", ["value", "null_mean"]].tolist() == [0.25, 0]
    for rate in ("variance_by_gene", "variance_by_cell"):
        assert rates.loc[rate, "null_q95"] < 0.05 < rates.loc[rate, "value"]
    assert rates.loc["variance_rest", "value"] < rates.loc["variance_rest", "null_mean"] == pytest.approx(1, abs=0.03)


def test_shares_equal_a_regression_on_dummies(tmp_path: Path, positions) -> None:
    cell, gene = positions
    rng = np.random.default_rng(2)
    values = np.maximum(rng.normal(size=(len(cell), 3)) + (gene % 7)[:, None] / 3 - 1, 0).astype(np.float16)
    table = variance_table(store(tmp_path, values, cell, gene), lambda _n: None)
    v = values.astype(float)
    for name, group in (("gene", gene), ("cell", cell)):
        dummies = np.eye(group.max() + 1)[group]
        fitted = dummies @ np.linalg.lstsq(dummies, v, rcond=None)[0]
        r2 = 1 - ((v - fitted) ** 2).sum(axis=0) / ((v - v.mean(axis=0)) ** 2).sum(axis=0)
        n, groups = len(v), dummies.shape[1]
        assert np.allclose(table[name], 1 - (1 - r2) * (n - 1) / (n - groups))
