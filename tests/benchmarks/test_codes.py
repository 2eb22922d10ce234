from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cellprism.benchmarks import codes
from cellprism.codes.store import CodeStore

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Codes of 6 cells in two layers, as the benchmark makes them, but small."""
    for name, value in (("FEATURES", 64), ("K", 4), ("GENES", 200), ("PER_CELL", 50), ("LOOPED", 300)):
        monkeypatch.setattr(codes, name, value)
    for layer in (0, 1):
        codes._write(codes._run(str(tmp_path), 6), 6, layer)
    return tmp_path


@pytest.mark.parametrize(
    "name", ["sums per gene", "means per cell", "histograms", "co-firing counts and tests", codes.ACROSS],
)
def test_every_reduction_is_timed_with_its_memory(folder: Path, name: str) -> None:
    seconds, peak = codes.reduce(name, str(folder), 6)
    assert 0 < seconds < 60
    assert peak > 50


def test_the_loop_across_layers_counts_pairs_at_the_same_positions(folder: Path) -> None:
    first, second = (CodeStore(codes._run(str(folder), 6), layer) for layer in (0, 1))
    dense = []
    for store in (first, second):
        shard = next(store.shards())
        fires = np.zeros((300, 64), int)
        np.put_along_axis(fires, shard.codes.index.astype(int), 1, axis=1)
        dense.append(fires)
    found = codes._loop_pairs_across(first)
    together = dense[0].T @ dense[1]
    assert {pair: int(together[pair]) for pair in zip(*np.nonzero(together), strict=True)} == found
