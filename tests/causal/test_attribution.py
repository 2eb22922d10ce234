from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from cellprism.causal.attribution import estimated_effects
from cellprism.causal.effects import CleanState, clean_state
from cellprism.causal.engine import firing_features
from cellprism.causal.intervention import edited, propagate, scale_features

if TYPE_CHECKING:
    from tests.causal.conftest import World

SOURCE, TARGETS = 1, [2, 3]


@pytest.fixture
def state(world: World) -> CleanState:
    return clean_state(world.model, world.saes, world.tokens, 5, source=SOURCE, targets=TARGETS)


def estimates(
    world: World, state: CleanState, features: np.ndarray, steps: int, draws: int = 1, alpha: float = 0.0,
) -> dict[int, torch.Tensor]:
    wanted = {layer: np.arange(0, 96, 16) for layer in TARGETS}
    found = [
        estimated_effects(
            world.model, world.saes, state, features, alpha=alpha, steps=steps, wanted=wanted,
            rng=np.random.default_rng(draw),
        ) for draw in range(draws)
    ]
    return {layer: torch.stack([one[layer] for one in found]).mean(dim=0) for layer in TARGETS}


def same_position(world: World, state: CleanState, feature: int, h0: torch.Tensor) -> dict[int, torch.Tensor]:
    """The slow way: move one position at a time a little, and read the same position with the firing held."""
    sae = world.saes[SOURCE]
    edits = scale_features(sae, state.source, state.places, torch.tensor([feature]))
    total = {layer: torch.zeros(96) for layer in TARGETS}
    for place, strength in zip(edits.place, edits.strength, strict=True):
        rows = torch.stack([h0, h0])
        for row, sign in ((0, 1.0), (1, -1.0)):
            rows[row, place] += sign * 0.02 * strength * edits.direction[0]
        clean = dict(propagate(world.model, state.batch, h0[None], after=SOURCE, layers=TARGETS))
        for layer, h in propagate(world.model, state.batch, rows, after=SOURCE, layers=TARGETS):
            target = world.saes[layer]
            at = clean[layer][0, place][None]
            codes = target.encode(at)
            held = torch.zeros(96).scatter(0, codes.index[0], (codes.value[0] > 0).float())
            slope = (target.W_enc @ (h[0, place] - h[1, place])) / (0.04 * target.scale)
            total[layer] += (slope * held).detach()
    return {layer: x / len(edits.place) for layer, x in total.items()}


def test_its_expectation_is_the_slope_at_the_same_position(world: World, state: CleanState) -> None:
    often = torch.bincount(state.source.index[state.source.value > 0], minlength=96)
    feature = int((often - 12).abs().argmin())
    found = estimates(world, state, np.array([feature]), 0, draws=40)
    expected = same_position(world, state, feature, state.residual.clone())
    for layer in TARGETS:
        chosen = (found[layer][0] != 0).nonzero()[:, 0]
        assert len(chosen) >= 2
        off = (found[layer][0, chosen] - expected[layer][chosen]).abs().max()
        assert off < 0.25 * expected[layer][chosen].abs().max()


def test_one_integrated_step_is_the_slope_half_way(world: World, state: CleanState) -> None:
    """With one step the gradient is taken where all sources are half edited."""
    features = firing_features(state, np.arange(96))
    found = estimates(world, state, features, 1)
    sae = world.saes[SOURCE]
    half = state.residual.clone()
    for feature in features:
        edits = scale_features(sae, state.source, state.places, torch.tensor([feature]), alpha=0.5)
        half += edited(state.residual, edits)[0] - state.residual
    moved = replace(state, residual=half)
    expected = estimates(world, moved, features, 0)
    for layer in TARGETS:
        assert torch.allclose(found[layer], expected[layer], atol=1e-4 * expected[layer].abs().max())


def test_targets_that_fire_nowhere_with_the_source_have_nothing(world: World, state: CleanState) -> None:
    features = firing_features(state, np.arange(96))
    found = estimates(world, state, features, 0)
    for row, feature in enumerate(features):
        positions = ((state.source.index == feature) & (state.source.value > 0)).any(dim=1)
        for layer in TARGETS:
            codes = state.targets[layer]
            beside = codes.index[positions][codes.value[positions] > 0].unique()
            estimated = (found[layer][row] != 0).nonzero()[:, 0]
            assert torch.isin(estimated, beside).all()
