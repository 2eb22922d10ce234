from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import sparse

from cellprism.codes.stages import ENCODE
from cellprism.features import stability
from cellprism.features.stability import chance_of_atom, match_seed, stability_rates, stability_table
from cellprism.features.stability_stage import STABILITY
from cellprism.features.stages import CATALOG
from cellprism.models.stages import TOKENIZE
from cellprism.reader import open_run
from cellprism.runs.config import parse_config
from cellprism.runs.directory import create
from cellprism.runs.progress import Silent
from cellprism.runs.stage import run_stages
from cellprism.sae.seeds import SEEDS
from cellprism.sae.stages import RESIDUALS, TRAIN
from cellprism.stats.cross_cofiring import permute_within

if TYPE_CHECKING:
    from pathlib import Path

N, GENES = 4000, 40


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def pattern(fires: np.ndarray) -> sparse.csr_matrix:
    return sparse.csr_matrix(fires.astype(np.int32))


def test_planted_twins_are_found_as_atoms_and_in_their_firings() -> None:
    """Of 60 features 20 come back whole, 20 as atoms with other firings, 20 not at all."""
    rng = np.random.default_rng(0)
    atoms = unit(rng.normal(size=(60, 100)))
    fires = rng.random((N, 60)) < 0.05
    order = rng.permutation(60)
    others = unit(rng.normal(size=(60, 100)))
    others[:40] = unit(atoms[:40] + 0.03 * rng.normal(size=(40, 100)))
    theirs = rng.random((N, 60)) < 0.05
    theirs[:, :20] = np.where(rng.random((N, 20)) < 0.1, theirs[:, :20], fires[:, :20])
    gene = rng.integers(GENES, size=N)
    match = match_seed(
        (atoms, others[order]), (pattern(fires), pattern(theirs[:, order])), [permute_within(gene, rng)],
    )
    assert match.same_atom.tolist() == [True] * 40 + [False] * 20
    assert (match.matched[:20] > 0.7).all()
    assert (match.matched[20:40] < 0.1).all()
    assert (match.matched[40:] == 0).all()
    table = stability_table(np.arange(60), [match, match])
    assert np.allclose(table["stability"], match.matched)
    assert (table["n_seeds"] == 2).all()
    rates = stability_rates([match], 100).set_index("rate")
    assert rates["value"].tolist() == pytest.approx([40 / 60, 20 / 60])
    assert rates["null_q95"].tolist() == [0, 0]


def test_independent_dictionaries_share_nothing() -> None:
    rng = np.random.default_rng(1)
    gene = rng.integers(GENES, size=N)
    matches = [
        match_seed(
            (unit(rng.normal(size=(50, 64))), unit(rng.normal(size=(50, 64)))),
            (pattern(rng.random((N, 50)) < 0.05), pattern(rng.random((N, 50)) < 0.05)), [permute_within(gene, rng)],
        ) for _ in range(3)
    ]
    rates = stability_rates(matches, 64).set_index("rate")
    assert rates["value"].tolist() == [0, 0]
    assert stability_table(np.arange(50), matches)["stability"].max() == 0


def test_firings_that_are_only_the_genes_come_back_under_the_null() -> None:
    rng = np.random.default_rng(2)
    gene, cell = np.tile(np.arange(GENES), 100), np.repeat(np.arange(100), GENES)
    by_gene, by_cell = gene[:, None] == np.arange(3), (cell[:, None] % 3 == np.arange(3)) & (gene[:, None] < 20)
    fires = pattern(np.concatenate([by_gene, by_cell], axis=1))
    match = match_seed((np.eye(6), np.eye(6)), (fires, fires), [permute_within(gene, rng) for _ in range(2)])
    assert (match.jaccard == 1).all()
    assert match.null_jaccard[:, :3].min() == 1
    assert match.null_jaccard[:, 3:].max() < 0.4


def test_jaccard_equals_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stability, "ROWS", 4)
    rng = np.random.default_rng(3)
    first, second = rng.random((200, 9)) < 0.2, rng.random((200, 7)) < 0.2
    atoms = unit(rng.normal(size=(9, 3))), unit(rng.normal(size=(7, 3)))
    match = match_seed(atoms, (pattern(first), pattern(second)), [])
    for i in range(9):
        index = [(first[:, i] & second[:, j]).sum() / (first[:, i] | second[:, j]).sum() for j in range(7)]
        assert match.jaccard[i] == pytest.approx(max(index))
        j = int(np.argmax(atoms[0][i] @ atoms[1].T))
        mutual = np.argmax(atoms[0] @ atoms[1][j]) == i and atoms[0][i] @ atoms[1][j] >= 0.7
        assert match.matched[i] == pytest.approx(index[j] if mutual else 0)


def test_an_opposite_atom_is_another_feature_and_chance_equals_simulation() -> None:
    fires = pattern(np.ones((5, 1), bool))
    assert not match_seed((np.array([[1.0, 0]]), np.array([[-1.0, 0]])), (fires, fires), []).same_atom[0]
    rng = np.random.default_rng(4)
    largest = [(unit(rng.normal(size=(10, 6))) @ unit(rng.normal(size=(1, 6))).T).max() for _ in range(3000)]
    assert chance_of_atom(10, 6) == pytest.approx(np.mean(np.array(largest) >= stability.COSINE), abs=0.03)
    assert chance_of_atom(4608, 1152) < 1e-100
    assert chance_of_atom(3, 1) == 1


def test_an_empty_dictionary_matches_nothing() -> None:
    fires = pattern(np.ones((3, 2))), pattern(np.ones((3, 0)))
    match = match_seed((np.eye(2), np.empty((0, 2))), fires, [np.arange(3)])
    assert stability_table(np.arange(2), [match])["stability"].tolist() == [0, 0]


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_stages(tmp_path: Path, seeds: int) -> None:
    config = parse_config({
        "out": str(tmp_path), "cells": {"max_cells": 25}, "controls": [], "annotation": {"permutations": 2},
        "sae": {"layers": [2], "k": 4, "steps": 25, "batch_size": 256, "seeds": seeds},
    })
    run = create(config)
    run_stages((TOKENIZE, RESIDUALS, TRAIN, SEEDS, ENCODE, CATALOG, STABILITY), run, Silent())
    table, rates = run.read("stability", 2), run.read("rates", 2, suffix="_stability")
    alive = (~run.read("features", 2)["dead"]).sum()
    if seeds == 1:
        assert table.empty
        assert rates.empty
        return
    assert len(table) == alive
    assert (table["n_seeds"] == 2).all()
    assert table["stability"].between(0, 1).all()
    assert (table["stability"] <= table["jaccard"] + 1e-9).all()
    assert rates["rate"].tolist() == ["same_atom", "same_firings"]
    assert len(list(run.file("seeds", 2).glob("*.safetensors"))) == 2
    assert set(open_run(tmp_path).rates(2)["rate"]) >= {"same_atom"}
