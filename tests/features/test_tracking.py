from __future__ import annotations

import numpy as np
import pytest

from cellprism.features.tracking import (
    THRESHOLD,
    best_matches,
    chain_kinds,
    chain_tables,
    chance_of_match,
    tracking_rates,
)


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_best_matches_equal_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cellprism.features.tracking.ROWS", 7)
    rng = np.random.default_rng(0)
    a, b = unit(rng.normal(size=(30, 5))), unit(rng.normal(size=(40, 5)))
    found = best_matches(a, b)
    cosine = np.abs(a @ b.T)
    for i in range(30):
        j = int(np.argmax(cosine[i]))
        assert (found.place[i], found.mutual[i]) == (j, np.argmax(cosine[:, j]) == i)
        assert found.cosine[i] == pytest.approx(cosine[i, j])


def test_planted_chains_are_found_with_their_births_and_deaths() -> None:
    rng = np.random.default_rng(1)
    noise = [unit(rng.normal(size=(20, 200))) for _ in range(4)]
    for layer in (1, 2):
        noise[layer][:5] = unit(noise[layer - 1][:5] * (-1) ** layer + 0.02 * rng.normal(size=(5, 200)))
    noise[3][7] = noise[2][9]
    alive = {layer: np.arange(100 * layer, 100 * layer + 20) for layer in range(4)}
    best = {layer: best_matches(noise[layer], noise[layer + 1]) for layer in range(3)}
    chains, members = chain_tables((0, 1, 2, 3), alive, best)
    assert len(members) == 80
    assert len(chains) == 80 - 11
    long = chains[chains["n_layers"] == 3]
    assert (long["first_layer"].tolist(), long["last_layer"].tolist()) == ([0] * 5, [2] * 5)
    first = members[members["chain"] == long["chain"].iloc[2]]
    assert first["feature"].tolist() == [2, 102, 202]
    assert np.isnan(first["cosine"].iloc[0])
    assert (first["cosine"].iloc[1:] > THRESHOLD).all()
    pair = chains[chains["n_layers"] == 2].iloc[0]
    assert members[members["chain"] == pair["chain"]]["feature"].tolist() == [209, 307]
    rates = tracking_rates(best[0], 20, 200).set_index("protocol")
    assert rates["value"].tolist() == [0.25, 0.25]
    assert (rates["null_q95"] == 0).all()


def test_two_features_with_one_successor_make_one_chain() -> None:
    a = unit(np.array([[1, 0.1, 0], [1, 0, 0], [0, 0, 1.0]]))
    b = np.array([[1.0, 0, 0]])
    best = best_matches(a, b)
    chains, _ = chain_tables((0, 5), {0: np.arange(3), 5: np.array([8])}, {0: best})
    assert chains["n_layers"].tolist() == [1, 2, 1]
    rates = tracking_rates(best, 1, 3).set_index("protocol")["value"]
    assert rates.to_dict() == {"calibrated": pytest.approx(1 / 3), "published": pytest.approx(2 / 3)}


def test_the_closed_null_equals_simulation() -> None:
    rng = np.random.default_rng(2)
    hits = []
    for _ in range(200):
        hits.append((best_matches(unit(rng.normal(size=(20, 6))), unit(rng.normal(size=(10, 6)))).cosine >= 0.7).mean())
    assert chance_of_match(10, 6) == pytest.approx(np.mean(hits), abs=0.03)
    assert chance_of_match(4608, 1152) < 1e-100
    assert chance_of_match(5, 1) == 1


def test_a_layer_without_live_features() -> None:
    best = best_matches(np.eye(3), np.empty((0, 3)))
    chains, members = chain_tables((0, 1), {0: np.arange(3), 1: np.arange(0)}, {0: best})
    assert (len(chains), len(members), chains["n_layers"].max()) == (3, 3, 1)


def test_classes_of_chains() -> None:
    kinds = chain_kinds(np.array([1, 3, 4, 10, 11, 18]), 18)
    assert kinds.tolist() == ["transient"] * 2 + ["moderate"] * 2 + ["persistent"] * 2
    assert chain_kinds(np.array([1, 2, 3, 4]), 4).tolist() == ["transient", "moderate", "persistent", "persistent"]
    assert chain_kinds(np.array([1]), 1).tolist() == ["transient"]
