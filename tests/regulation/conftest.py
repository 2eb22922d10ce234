"""A small run, and a screen whose truth is known: knocked-out cells lack the transcripts of some genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata
import numpy as np
import pandas as pd
import pytest
from tests.causal.conftest import run, small_run

from cellprism.cells.expression import read_expression

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["network", "run", "screen_file", "small_run", "targets"]

KNOCKED_OUT, SILENT = "CD74", "CD79A"
"""Perturbed genes: the first lowers its targets, nothing follows from the second."""
CELLS, TAKEN = 160, 40


@pytest.fixture(scope="session")
def targets() -> list[str]:
    """Genes that the knock-out takes away: the most frequent of the demo."""
    expression = read_expression("demo")
    share = np.bincount(expression.counts.indices, minlength=len(expression.genes)) / len(expression)
    order = [expression.genes[column][0] for column in np.argsort(-share)]
    return [name for name in order if name not in (KNOCKED_OUT, SILENT)][:TAKEN]


@pytest.fixture(scope="session")
def screen_file(tmp_path_factory: pytest.TempPathFactory, targets: list[str]) -> Path:
    """Cells of the demo in three arms, four guides each, six for the control, two batches; another line in the last."""
    expression = read_expression("demo").take(np.arange(CELLS))
    rng = np.random.default_rng(0)
    arm = np.repeat(["control", KNOCKED_OUT, SILENT], [80, 40, 40])[rng.permutation(CELLS)]
    turn = pd.Series(arm).groupby(arm).cumcount().to_numpy()
    guide = [f"{name}-{number % (6 if name == 'control' else 4)}" for name, number in zip(arm, turn, strict=True)]
    names = [gene[0] for gene in expression.genes]
    counts = expression.counts.tolil()
    hit = np.flatnonzero(arm == KNOCKED_OUT)
    for name in (KNOCKED_OUT, *targets):
        counts[hit, names.index(name)] = 0
    obs = pd.DataFrame({
        "target": arm, "guide": guide, "batch": np.where(turn // 6 % 2, "one", "two"),
        "cell_line": np.where(np.arange(CELLS) < CELLS - 10, "A", "B"),
    }, index=expression.names)
    path = tmp_path_factory.mktemp("screen") / "screen.h5ad"
    anndata.AnnData(counts.tocsr(), obs, pd.DataFrame(index=names)).write_h5ad(path)
    return path


@pytest.fixture
def network(tmp_path: Path, targets: list[str]) -> Path:
    """A table of regulons in which the knocked-out gene has its targets."""
    path = tmp_path / "regulons.csv"
    rows = [f"{KNOCKED_OUT},{name},1" for name in (*targets, KNOCKED_OUT, "NOTREAD")]
    path.write_text("\n".join(["source,target,weight", *rows, f"{SILENT},{targets[0]},1"]))
    return path
