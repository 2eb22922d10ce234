from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cellprism.features.neighbours import atom_neighbours, cofiring_neighbours, random_best_cosine


def unit(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    x = rng.normal(size=(n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize(("n", "d"), [(40, 8), (300, 32)])
def test_the_null_is_that_of_random_directions(n: int, d: int) -> None:
    rng = np.random.default_rng(0)
    fixed = np.eye(d)[0]
    best = np.array([np.abs(unit(rng, n, d) @ fixed).max() for _ in range(1000)])
    assert abs((best > random_best_cosine(n, d)).mean() - 0.05) < 0.02


@pytest.mark.parametrize("kind", ["atom", "next"])
def test_equals_sorting_every_cosine(kind: str) -> None:
    rng = np.random.default_rng(1)
    atoms, features = unit(rng, 30, 6), np.arange(30) * 2
    others, other_features = (atoms, features) if kind == "atom" else (unit(rng, 25, 6), np.arange(25) + 100)
    table = atom_neighbours(atoms, features, others, other_features, layer=4, kind=kind)
    k = 5 if kind == "atom" else 3
    assert len(table) == 30 * k
    assert (table["neighbour_layer"] == 4).all()
    assert (table["null_q95"] == random_best_cosine(29 if kind == "atom" else 25, 6)).all()
    for i, feature in enumerate(features):
        cosines = {int(f): abs(float(atoms[i] @ other)) for f, other in zip(other_features, others, strict=True)}
        if kind == "atom":
            del cosines[int(feature)]
        expected = sorted(cosines, key=lambda f: -cosines[f])[:k]
        found = table[table["feature"] == feature]
        assert found["rank"].tolist() == list(range(k))
        assert found["neighbour"].tolist() == expected
        assert np.allclose(found["similarity"], [cosines[f] for f in expected])


def test_a_persistent_feature_exceeds_the_null_and_random_ones_do_not() -> None:
    rng = np.random.default_rng(2)
    atoms, others = unit(rng, 200, 32), unit(rng, 200, 32)
    others[:20] = -atoms[:20]
    table = atom_neighbours(atoms, np.arange(200), others, np.arange(200), layer=1, kind="next").query("rank == 0")
    above = table["similarity"] > table["null_q95"]
    assert above[table["feature"] < 20].all()
    assert above[table["feature"] >= 20].mean() < 0.12


def test_a_lonely_feature_has_no_neighbours() -> None:
    assert atom_neighbours(np.eye(1, 4), np.array([3]), np.eye(1, 4), np.array([3]), layer=0, kind="atom").empty
    assert atom_neighbours(np.eye(0, 4), np.arange(0), np.eye(3, 4), np.arange(3), layer=0, kind="next").empty


def test_cofiring_partners_are_the_largest_pmi_from_either_side() -> None:
    edges = pd.DataFrame({"a": [0, 0, 1], "b": [1, 2, 2], "pmi": [1.0, 3.0, 2.0]})
    table = cofiring_neighbours(edges, layer=2)
    assert table[["feature", "rank", "neighbour", "similarity"]].to_numpy().tolist() == [
        [0, 0, 2, 3], [0, 1, 1, 1], [1, 0, 2, 2], [1, 1, 0, 1], [2, 0, 0, 3], [2, 1, 1, 2],
    ]
    assert table["null_q95"].isna().all()
    assert cofiring_neighbours(edges.iloc[:0], layer=2).empty
    many = pd.DataFrame({"a": 0, "b": np.arange(1, 10), "pmi": np.arange(9.0)})
    assert cofiring_neighbours(many, layer=2).query("feature == 0")["neighbour"].tolist() == [9, 8, 7, 6, 5]
