from __future__ import annotations

import numpy as np
import pytest

from cellprism.features import layout as room
from cellprism.features.layout import layout, nearest, trustworthiness


def clusters(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    centres = rng.normal(size=(4, 16))
    group = np.arange(n) % 4
    atoms = centres[group] + 0.2 * rng.normal(size=(n, 16))
    return (atoms / np.linalg.norm(atoms, axis=1, keepdims=True)).astype(np.float32), group


def test_similar_atoms_are_near_and_opposite_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    atoms, group = clusters(rng, 80)
    atoms[group == 3] = -atoms[group == 2]
    coordinates, method = layout(atoms, seed=3)
    assert method == "UMAP"
    assert coordinates.dtype == np.float32
    distance = np.linalg.norm(coordinates[:, None] - coordinates[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert (group[distance.argmin(axis=1)] == group).all()
    trust = trustworthiness(atoms, coordinates, rng)
    assert trust is not None
    assert trust > 0.9
    assert trust > (trustworthiness(atoms, rng.normal(size=(80, 2)), rng) or 1) + 0.2
    assert np.array_equal(layout(atoms, seed=3)[0], coordinates)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 9, 10, 12])
def test_few_features_have_a_map_as_well(n: int) -> None:
    atoms, _ = clusters(np.random.default_rng(1), n)
    coordinates, method = layout(atoms, seed=0)
    assert coordinates.shape == (n, 2)
    assert np.isfinite(coordinates).all()
    assert method == ("PCA" if n < 10 else "UMAP")
    assert (trustworthiness(atoms, coordinates, np.random.default_rng(0)) is None) == (n < 3)


def test_large_dictionaries_are_sampled() -> None:
    rng = np.random.default_rng(2)
    atoms, _ = clusters(rng, 2100)
    trust = trustworthiness(atoms, atoms[:, :2], rng)
    assert trust is not None
    assert 0.5 < trust < 1


def test_the_nearest_atoms_equal_sorting_every_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "ROWS", 7)
    atoms, _ = clusters(np.random.default_rng(3), 40)
    atoms[5] = atoms[2]  # a twin is as near as the atom itself, which still comes first
    place, distance = nearest(atoms, 6)
    everything = np.maximum(1 - atoms.astype(np.float64) @ atoms.T, 0)
    assert (place[:, 0] == np.arange(40)).all()
    assert all(len(set(row)) == 6 for row in place.tolist())
    assert np.allclose(distance, np.take_along_axis(everything, place, axis=1), atol=1e-6)
    assert np.allclose(distance, np.sort(everything, axis=1)[:, :6], atol=1e-6)
