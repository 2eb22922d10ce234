from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cellprism.features import residual_shares as room
from cellprism.features.residual_shares import RESIDUAL_SHARES, shares
from cellprism.models.stages import TOKENIZE
from cellprism.runs.config import parse_config
from cellprism.runs.directory import create
from cellprism.runs.progress import Silent
from cellprism.runs.stage import run_stages
from cellprism.sae.stages import RESIDUALS

if TYPE_CHECKING:
    from pathlib import Path

CELLS, GENES, D = 80, 50, 20


def planted(rng: np.random.Generator, by_gene: float, by_cell: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    cell, gene = np.repeat(np.arange(CELLS), GENES), np.tile(np.arange(GENES), CELLS)
    parts = rng.normal(size=(GENES, D))[gene], rng.normal(size=(CELLS, D))[cell], rng.normal(size=(len(cell), D))
    weights = np.sqrt([by_gene, by_cell, 1 - by_gene - by_cell])
    return 7 + sum(w * part for w, part in zip(weights, parts, strict=True)), gene, cell


def test_planted_shares_and_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "COLUMNS", 6)
    rng = np.random.default_rng(0)
    for by_gene, by_cell in ((0.6, 0.05), (0.0, 0.3), (0.0, 0.0)):
        x, gene, cell = planted(rng, by_gene, by_cell)
        found = shares(x, gene, cell)
        assert found == pytest.approx((by_gene, by_cell, 1 - by_gene - by_cell), abs=0.06)
        shuffled = shares(x, rng.permutation(gene), rng.permutation(cell))
        assert shuffled[:2] == pytest.approx((0, 0), abs=0.02)


def test_shares_equal_a_regression_on_dummies() -> None:
    rng = np.random.default_rng(1)
    x, gene, cell = planted(rng, 0.3, 0.3)
    rows = rng.permutation(len(x))[:900]
    x, gene, cell = x[rows], gene[rows], cell[rows]
    found = shares(x, gene, cell)
    total = ((x - x.mean(axis=0)) ** 2).sum()
    for share, group in zip(found[:2], (gene, cell), strict=True):
        names, place = np.unique(group, return_inverse=True)
        dummies = np.eye(len(names))[place]
        left = ((x - dummies @ np.linalg.lstsq(dummies, x, rcond=None)[0]) ** 2).sum() / total
        assert share == pytest.approx(1 - left * (len(x) - 1) / (len(x) - len(names)))


def test_static_embeddings_are_all_the_genes(tmp_path: Path) -> None:
    config = parse_config({
        "out": str(tmp_path), "cells": {"max_cells": 25}, "controls": [], "annotation": {"permutations": 2},
        "model": {"control": "static_embedding"},
    })
    run = create(config)
    run_stages((TOKENIZE, RESIDUALS, RESIDUAL_SHARES), run, Silent())
    rates = run.read("rates", 0, suffix="_residuals").set_index("rate")
    assert rates.loc["residual_by_gene", "value"] == pytest.approx(1)
    assert rates.loc["residual_rest", "value"] == pytest.approx(0)
    assert rates["null_mean"].to_numpy() == pytest.approx([0, 0, 1], abs=0.05)
