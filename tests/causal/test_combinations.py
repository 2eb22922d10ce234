"""Joint ablations: against a slow loop on the demo's model, and on a model of known wiring."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch

from cellprism.causal.combinations import JointEffects, conditions, joint_effects
from cellprism.causal.interactions import Combination, combine, interaction_table
from cellprism.cells.tokens import TokenizedCells
from cellprism.models.base import Batch, CellModel
from cellprism.sae.topk import SparseAutoencoder

if TYPE_CHECKING:
    from tests.causal.conftest import World

    from cellprism.causal.combinations import Part

A, B, AND, OR, SUM, COPY = range(6)
N = 7


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


class Gates(CellModel):
    """Genes 0 to 2 write ``a`` and genes 1 to 3 ``b``; ``copy`` follows ``a`` into layer 1; layer 2 has the gates."""

    n_layers, d_model, max_length = 3, 6, 50
    device = torch.device("cpu")

    def __init__(self):
        self.vocabulary = {f"g{i}": i for i in range(N)}

    def describe(self):
        return {"name": "gates"}

    def tokenize(self, expression, *, min_share_mapped=0.0):
        raise NotImplementedError

    def pad(self, tokens, cells):
        own = [tokens.gene[tokens.offsets[c] : tokens.offsets[c + 1]] for c in cells]
        padded = torch.from_numpy(np.stack(own).astype(np.int64))
        values = torch.from_numpy(np.stack([
            tokens.value[tokens.offsets[c] : tokens.offsets[c + 1]] for c in cells
        ]))
        everywhere = torch.ones_like(padded, dtype=torch.bool)
        return Batch(padded, everywhere, everywhere, cells, padded=False, values=values)

    def embed(self, batch):
        h = torch.zeros(*batch.tokens.shape, 6)
        h[..., A] = batch.values * (batch.tokens < 3)
        h[..., B] = batch.values * ((batch.tokens >= 1) & (batch.tokens < 4))
        return h

    def block(self, layer, h, batch):
        h = h.clone()
        if layer == 1:
            h[..., COPY] = h[..., A]
        if layer == 2:
            h[..., AND] = torch.minimum(h[..., A], h[..., B])
            h[..., OR] = torch.maximum(h[..., A], h[..., B])
            h[..., SUM] = h[..., A] + h[..., B]
        return h

    def readout(self, h, batch):
        raise NotImplementedError


@pytest.fixture(scope="module")
def gates() -> World:
    rng = np.random.default_rng(0)
    n = 30
    gene = np.concatenate([rng.permutation(N) for _ in range(n)]).astype(np.int32)
    value = np.repeat(rng.uniform(0.5, 2, n), N).astype(np.float32)
    genes = pd.DataFrame({"token": np.arange(N)})
    tokens = TokenizedCells(gene, np.arange(n + 1) * N, genes, pd.DataFrame(index=range(n)), value)
    sae = SparseAutoencoder(6, 6, 6)
    with torch.no_grad():
        sae.W_enc.copy_(torch.eye(6))
        sae.W_dec.copy_(torch.eye(6))
    return SimpleNamespace(model=Gates(), tokens=tokens, saes=dict.fromkeys(range(3), sae))  # type: ignore[return-value]


def measured(gates: World, combo: tuple[Part, ...]) -> Combination:
    found: list[JointEffects] = []
    for cell in range(len(gates.tokens)):
        [effects] = joint_effects(gates.model, gates.tokens, cell, [combo], gates.saes, target=2, rows_at_once=8)
        assert effects is not None
        found.append(effects)
    return combine(
        np.arange(len(found)), np.stack([e.effect for e in found]), np.stack([e.published for e in found]),
    )


@pytest.mark.parametrize("layers", [(0, 0), (0, 1), (1, 1)])
def test_gates_are_recovered_with_their_signs_and_sums_are_not_gates(gates: World, layers: tuple[int, int]) -> None:
    table = interaction_table([measured(gates, ((layers[0], A), (layers[1], B)))], seed=0).set_index("target")
    assert table.loc[AND, "q"] < 0.001
    assert table.loc[OR, "q"] < 0.001
    # at the two of four positions with both: AND falls by 1, 1 and 1; OR by 0, 0 and 1
    scale = gates.tokens.value.reshape(-1, N)[:, 0].mean()
    np.testing.assert_allclose(table.loc[AND, "contrast"], scale / 2, rtol=1e-5)
    np.testing.assert_allclose(table.loc[OR, "contrast"], -scale / 2, rtol=1e-5)
    np.testing.assert_allclose(table.loc[[AND, OR], "relative"], [0.5, -1], rtol=1e-5)
    assert table.loc[AND, "low"] < table.loc[AND, "contrast"] < table.loc[AND, "high"]
    np.testing.assert_allclose(table.loc[SUM, ["contrast", "p", "n_nonzero"]].astype(float), [0, 1, 0], atol=1e-6)
    np.testing.assert_allclose(table.loc[SUM, "alone"], table.loc[SUM, "together"], rtol=1e-5)


def test_a_later_part_is_encoded_as_the_earlier_ablation_left_it(gates: World) -> None:
    """``copy`` in layer 1 is gone once ``a`` was ablated in layer 0: ablating it as well must change nothing more."""
    pair = measured(gates, ((0, A), (1, COPY)))
    effect = dict(zip(pair.targets.tolist(), pair.effect.mean(axis=0).T, strict=True))
    first, second, both = effect[COPY]
    assert first < 0
    np.testing.assert_allclose([second, both], [first, first], rtol=1e-5)
    table = interaction_table([pair], seed=0).set_index("target")
    np.testing.assert_allclose(table.loc[COPY, "contrast"], -first, rtol=1e-5)  # each does the whole of it alone
