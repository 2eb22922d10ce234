from __future__ import annotations

import numpy as np

from cellprism.causal.sampling import NEAREST, SCHEMES, Candidates, sample_combinations, together


def candidates(seed: int) -> Candidates:
    """60 features of a layer, 24 with one of six labels; the label's neighbour is a term of it as well."""
    rng = np.random.default_rng(seed)
    features = np.sort(rng.permutation(200)[:60])
    label = {int(f): f"term {i % 6}" for i, f in enumerate(rng.permutation(features)[:24])}
    terms = {f: frozenset({name, f"term {(int(name[-1]) + 1) % 6}"}) for f, name in label.items()}
    return Candidates(features, rng.uniform(0.01, 0.3, 60), rng.random((50, 60)) < 0.7, label, terms)


def test_schemes_draw_what_they_say() -> None:
    own = {0: candidates(0), 3: candidates(3)}
    found = sample_combinations(own, (0, 3), 10, np.random.default_rng(0), min_cells=12)
    assert [scheme for scheme, _ in found] == [scheme for scheme in SCHEMES for _ in range(10)]
    assert len({combo for _, combo in found}) == 30
    for scheme, combo in found:
        assert [layer for layer, _ in combo] == [0, 3]
        cells = together(own, combo)
        assert len(cells) >= 12
        assert all(own[layer].fires[cells, own[layer].features == f].all() for layer, f in combo)
        if scheme == "same term":
            assert len({own[layer].label[f] for layer, f in combo}) == 1
        if scheme == "different terms":
            first, second = (own[layer].terms[f] for layer, f in combo)
            assert not first & second


def test_random_parts_are_about_as_frequent_as_those_they_replace() -> None:
    own = {0: candidates(0), 3: candidates(3)}
    found = sample_combinations(own, (0, 3), 8, np.random.default_rng(0), min_cells=5)
    chosen = [combo for scheme, combo in found if scheme != "random"]
    for scheme, combo in found:
        if scheme == "random":
            near = []
            for other in chosen:
                ranks = []
                for (layer, f), (_, g) in zip(combo, other, strict=True):
                    frequency = dict(zip(own[layer].features.tolist(), np.log(own[layer].frequency), strict=True))
                    closer = [abs(v - frequency[g]) < abs(frequency[f] - frequency[g]) for v in frequency.values()]
                    ranks.append(sum(closer))
                near.append(max(ranks))
            assert min(near) <= NEAREST


def test_parts_of_one_layer_differ_and_order_does_not_matter() -> None:
    own = {2: candidates(1)}
    found = sample_combinations(own, (2, 2), 6, np.random.default_rng(0), min_cells=5)
    assert len({frozenset(combo) for _, combo in found}) == len(found) == 18
    assert all(len(set(combo)) == 2 for _, combo in found)


def test_without_labels_only_random_combinations_are_drawn() -> None:
    full = candidates(0)
    bare = Candidates(full.features, full.frequency, full.fires, {}, {})
    found = sample_combinations({0: bare, 1: bare}, (0, 1), 4, np.random.default_rng(0), min_cells=5)
    assert [scheme for scheme, _ in found] == ["random"] * 4
    silent = Candidates(full.features, full.frequency, np.zeros_like(full.fires), full.label, full.terms)
    assert sample_combinations({0: silent, 1: bare}, (0, 1), 4, np.random.default_rng(0), min_cells=5) == []
