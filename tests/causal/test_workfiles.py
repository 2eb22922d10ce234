from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import sparse

from cellprism.causal.workfiles import CellEffects, by_source, read_effects, write_effects

if TYPE_CHECKING:
    from pathlib import Path


def random_effects(sources: list[int], seed: int) -> CellEffects:
    rng = np.random.default_rng(seed)
    return CellEffects(np.array(sources), {
        layer: sparse.random(len(sources), width, 0.3, "csr", np.float32, random_state=rng)
        for layer, width in ((4, 50), (2, 70_000))
    })


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("sources", [[3, 5, 9], []])
def test_a_file_holds_what_was_written(tmp_path: Path, half: bool, sources: list[int]) -> None:
    effects = random_effects(sources, 0)
    write_effects(tmp_path / "0.npz", effects, half=half)
    found = read_effects(tmp_path / "0.npz")
    assert found.source.tolist() == sources
    assert sorted(found.effect) == [2, 4]
    for layer, matrix in effects.effect.items():
        assert found.effect[layer].dtype == np.float32
        near = {"rtol": 1e-3, "atol": 6e-8} if half else {"rtol": 0, "atol": 0}
        assert np.allclose(found.effect[layer].toarray(), matrix.toarray(), **near)


def test_sources_get_the_cells_in_which_they_fire() -> None:
    files = {4: random_effects([1, 2], 0), 0: random_effects([2, 7], 1), 9: random_effects([], 2)}
    found = {feature: (cells.tolist(), effect) for feature, cells, effect in by_source(files, [1, 2, 5, 7])}
    assert {feature: cells for feature, (cells, _) in found.items()} == {1: [4], 2: [0, 4], 5: [], 7: [0]}
    for layer in (2, 4):
        expected = np.stack([files[0].effect[layer].toarray()[0], files[4].effect[layer].toarray()[1]])
        assert np.array_equal(found[2][1][layer], expected)
        assert found[5][1][layer].shape == (0, expected.shape[1])
