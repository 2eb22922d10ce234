from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from cellprism.causal.effects import CleanState, cell_effects, clean_state
from cellprism.causal.intervention import Edits, scale_features

if TYPE_CHECKING:
    from tests.causal.conftest import World

    from cellprism.sae.topk import SparseAutoencoder

CELL, SOURCE, TARGETS = 2, 0, [1, 3]


@pytest.fixture
def state(world: World) -> CleanState:
    return clean_state(world.model, world.saes, world.tokens, CELL, source=SOURCE, targets=TARGETS)


def edits_of(world: World, state: CleanState, n: int, alpha: float = 0.0) -> Edits:
    """Edits of features that fire at many and at few positions."""
    often = torch.bincount(state.source.index[state.source.value > 0], minlength=96)
    firing = often.argsort()[(often == 0).sum() :]
    features = firing[torch.linspace(0, len(firing) - 1, n).long()]
    return scale_features(world.saes[SOURCE], state.source, state.places, features, alpha=alpha)


def dense(sae: SparseAutoencoder, h: torch.Tensor) -> torch.Tensor:
    """Activation of every feature at every position, ``(T, F)``, as the definition has it."""
    pre = sae.pre_activations(sae.normalise(h))
    kept = pre.topk(sae.k, dim=1)
    return torch.zeros_like(pre).scatter(1, kept.indices, kept.values)


def one_by_one(world: World, edits: Edits) -> dict[int, torch.Tensor]:
    """The same by one whole forward pass for each edit, every position encoded, everything dense."""
    model = world.model
    batch = model.pad(world.tokens, torch.tensor([CELL]).numpy())

    def forward(row: int | None) -> dict[int, torch.Tensor]:
        found = {}
        h = model.embed(batch)
        for layer in range(model.n_layers):
            h = model.block(layer, h, batch)
            if layer == SOURCE and row is not None:
                h = h.clone()
                for r, place, strength in zip(edits.row, edits.place, edits.strength, strict=True):
                    if r == row:
                        h[0, place] += strength * edits.direction[row]
            found[layer] = dense(world.saes[layer], h[0])
        return found

    with torch.no_grad():
        clean = forward(None)
        effects: dict[int, list[torch.Tensor]] = {layer: [] for layer in TARGETS}
        for row in range(len(edits)):
            changed = forward(row)
            places = edits.place[edits.row == row]
            for layer in TARGETS:
                effects[layer].append((changed[layer] - clean[layer])[places].mean(dim=0))
    return {layer: torch.stack(rows) for layer, rows in effects.items()}


@pytest.mark.parametrize("token_budget", [1, 700, 10**6])
@pytest.mark.parametrize("alpha", [0.0, 2.0])
def test_it_equals_dense_full_passes_one_by_one(
    world: World, state: CleanState, token_budget: int, alpha: float,
) -> None:
    edits = edits_of(world, state, 9, alpha)
    found = cell_effects(world.model, world.saes, state, edits, token_budget=token_budget)
    expected = one_by_one(world, edits)
    for layer in TARGETS:
        assert found[layer].shape == (9, 96)
        assert torch.allclose(found[layer], expected[layer], atol=2e-5)
        assert expected[layer].abs().max() > 0.01


def test_the_last_layer_alone_is_enough(world: World, state: CleanState) -> None:
    edits = edits_of(world, state, 4)
    both = cell_effects(world.model, world.saes, state, edits, token_budget=2000)
    near = clean_state(world.model, world.saes, world.tokens, CELL, source=SOURCE, targets=[1])
    alone = cell_effects(world.model, world.saes, near, edits, token_budget=2000)
    assert torch.allclose(alone[1], both[1], atol=1e-5)


def test_an_edit_of_strength_zero_has_no_effect(world: World, state: CleanState) -> None:
    nothing = edits_of(world, state, 6, alpha=1.0)
    found = cell_effects(world.model, world.saes, state, nothing, token_budget=700)
    assert all(effect.abs().max() < 1e-5 for effect in found.values())


def test_targets_that_never_fire_have_an_effect_of_exactly_zero(world: World, state: CleanState) -> None:
    edits = edits_of(world, state, 6)
    found = cell_effects(world.model, world.saes, state, edits, token_budget=10**6)
    for layer, expected in one_by_one(world, edits).items():
        assert torch.equal(found[layer] == 0, expected == 0)
        assert 0.05 < (expected != 0).float().mean() < 0.95


def test_rows_keep_their_order(world: World, state: CleanState) -> None:
    edits = edits_of(world, state, 7)
    order = torch.tensor([4, 0, 6, 2])
    every = cell_effects(world.model, world.saes, state, edits, token_budget=2000)
    some = cell_effects(world.model, world.saes, state, edits.take(order), token_budget=2000)
    assert all(torch.allclose(some[layer], every[layer][order], atol=1e-5) for layer in TARGETS)
