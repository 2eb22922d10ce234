from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse
from tests.causal import planted

from cellprism.causal.attribution import estimated_effects
from cellprism.causal.calibration import SourceEffects, calibrate
from cellprism.causal.effects import cell_effects, clean_state
from cellprism.causal.engine import firing_features
from cellprism.causal.finish import finish
from cellprism.causal.intervention import scale_features
from cellprism.causal.workfiles import CellEffects, by_source

SOURCES = np.arange(3)
EXPECTED = {(s, layer, t): sign for layer, edges in planted.EDGES.items() for (s, t), sign in edges.items()}


def traced(method: str, seed: int) -> tuple[dict[tuple[int, int, int], int], dict[tuple[int, int, int], float]]:
    """Signs of the edges that are found, and mean effects on all targets."""
    model, tokens, saes = planted.planted_world(40, np.random.default_rng(seed))
    files = {}
    for cell in range(40):
        state = clean_state(model, saes, tokens, cell, source=0, targets=[1, 2])
        features = firing_features(state, SOURCES)
        if method == "ablation":
            edits = scale_features(saes[0], state.source, state.places, torch.from_numpy(features))
            effects = cell_effects(model, saes, state, edits, token_budget=60)
        else:
            effects = estimated_effects(
                model, saes, state, features, alpha=0.0, steps=4 * (method == "ig"), wanted=None,
                rng=np.random.default_rng(cell),
            )
        files[cell] = CellEffects(features, {layer: sparse.csr_matrix(x.numpy()) for layer, x in effects.items()})
    sources = [SourceEffects(*one) for one in by_source(files, SOURCES)]
    edges = finish([calibrate(source) for source in sources])["edges"]
    found = zip(edges["source"], edges["target_layer"], edges["target"], edges["sign"], strict=True)
    means = {
        (source.source, layer, target): float(x.mean(axis=0)[target])
        for source in sources for layer, x in source.effect.items() for target in range(8)
    }
    return {(s, layer, t): sign for s, layer, t, sign in found}, means


@pytest.mark.parametrize("seed", range(4))
def test_ablation_finds_the_wiring_with_its_signs_and_nothing_else(seed: int) -> None:
    """Within a position, through the mean over positions, and over two steps; a sign that cells draw is no edge."""
    found, means = traced("ablation", seed)
    assert found == EXPECTED
    fickle = means[planted.SUPPORTER, 1, planted.FICKLE]
    assert fickle != 0
    direct = [means[planted.SUPPORTER, layer, planted.TARGET] for layer in (1, 2)]
    assert direct == pytest.approx([0.6 * means[planted.SUPPORTER, 1, planted.SUPPORTER]] * 2, rel=1e-5)
    assert means[planted.SUPPORTER, 2, planted.SECOND] == pytest.approx(-0.5 * direct[0], rel=1e-5)


@pytest.mark.parametrize("method", ["attribution", "ig"])
def test_gradients_find_what_stays_within_a_position(method: str) -> None:
    """Everything but the broadcast is linear within positions here, so that the estimate is the effect."""
    found, estimates = traced(method, 0)
    _, means = traced("ablation", 0)
    carried = {key for key in EXPECTED if key[2] == planted.EVERYWHERE}
    for key, sign in EXPECTED.items():
        if key not in carried:
            assert found[key] == sign
            assert estimates[key] == pytest.approx(means[key], rel=1e-4)
