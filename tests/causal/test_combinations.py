"""Joint ablations against a slow loop on the demo's model; gates of known wiring are in `test_planted`."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import torch

from cellprism.causal.combinations import conditions, joint_effects

if TYPE_CHECKING:
    from tests.causal.conftest import World

    from cellprism.causal.combinations import Part


def slow(world: World, cell: int, parts: list[Part], target: int) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
    """Dense codes of the target layer, and of every layer as met on the way, in one pass without any cache."""
    model = world.model
    batch = model.pad(world.tokens, np.array([cell]))
    met = {}
    with torch.inference_mode():
        h = model.embed(batch)
        for layer in range(target + 1):
            h = model.block(layer, h, batch).clone()
            sae = world.saes[layer]
            codes = sae.encode(h[0][batch.gene[0]])
            dense = torch.zeros(len(codes.index), sae.n_features).scatter_(1, codes.index, codes.value)
            met[layer] = dense
            for at, feature in parts:
                if at == layer:
                    h[0][batch.gene[0]] -= dense[:, [feature]] * sae.scale * sae.W_dec[feature]
    return met[target], met


def frequent(world: World, cell: int, layer: int, n: int) -> list[int]:
    _, met = slow(world, cell, [], layer)
    return (met[layer] > 0).sum(dim=0).topk(n).indices.tolist()


def test_joint_ablations_equal_a_slow_loop_with_encoding_anew(world: World) -> None:
    cell = 4
    a, b, c = (frequent(world, cell, layer, 2) for layer in (0, 1, 2))
    combos: list[tuple[Part, ...]] = [
        ((0, a[0]), (1, b[0])), ((1, b[0]), (1, b[1])), ((0, a[0]), (1, b[0]), (2, c[0])), ((0, a[1]), (2, c[1])),
    ]
    found = joint_effects(world.model, world.tokens, cell, combos, world.saes, target=3, rows_at_once=5)
    clean, met = slow(world, cell, [], 3)
    for combo, effects in zip(combos, found, strict=True):
        fires = torch.stack([met[layer][:, feature] > 0 for layer, feature in combo])
        every = fires.any(dim=0)
        assert effects is not None
        for i, chosen in enumerate(conditions(len(combo))):
            changed, _ = slow(world, cell, [combo[part] for part in chosen], 3)
            own = fires[list(chosen)].any(dim=0)
            expected, published = ((changed - clean)[where].mean(dim=0).numpy() for where in (every, own))
            np.testing.assert_allclose(effects.effect[i], expected, atol=2e-5)
            np.testing.assert_allclose(effects.published[i], published, atol=2e-5)
        assert (np.abs(effects.effect) > 1e-3).any()


def test_together_equals_one_by_one(world: World) -> None:
    features = [frequent(world, 2, layer, 3) for layer in (0, 2)]
    combos = [((0, f), (2, g)) for f in features[0] for g in features[1]]
    arguments = (world.model, world.tokens, 2)
    together = joint_effects(*arguments, combos, world.saes, target=3, rows_at_once=64)
    for combo, effects in zip(combos, together, strict=True):
        [alone] = joint_effects(*arguments, [combo], world.saes, target=3, rows_at_once=1)
        assert alone is not None
        assert effects is not None
        np.testing.assert_allclose(alone.effect, effects.effect, atol=2e-5)


def test_a_cell_in_which_a_part_is_silent_says_nothing(world: World) -> None:
    mute = copy.deepcopy(world.saes[0])
    with torch.no_grad():
        mute.b_enc[17] = -1000
    fires = frequent(world, 1, 1, 1)[0]
    combos = [((0, 17), (1, fires)), ((0, 18), (1, fires))]
    first, second = joint_effects(
        world.model, world.tokens, 1, combos, {**world.saes, 0: mute}, target=3, rows_at_once=8,
    )
    assert first is None
    assert second is not None
