from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from cellprism.causal.intervention import Edits, clean_cell, edited, gather, propagate, scale_features
from cellprism.sae.topk import TopKCodes

if TYPE_CHECKING:
    from tests.causal.conftest import World


@pytest.fixture
def edits(world: World) -> Edits:
    """Ablation, in cell 1 and layer 1, of the three features that fire most often there."""
    cell = clean_cell(world.model, world.tokens, 1, layers=[1])
    codes = world.saes[1].encode(cell.residual[1][cell.places])
    often = torch.bincount(codes.index[codes.value > 0], minlength=96).topk(3).indices
    return scale_features(world.saes[1], codes, cell.places, often)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 3.0])
def test_an_edit_is_the_difference_of_two_reconstructions(world: World, alpha: float) -> None:
    cell, sae = clean_cell(world.model, world.tokens, 0, layers=[2]), world.saes[2]
    residual = cell.residual[2]
    codes = sae.encode(residual[cell.places])
    features = codes.index[5, :2]
    rows = edited(residual, scale_features(sae, codes, cell.places, features, alpha=alpha))
    for row, feature in enumerate(features):
        scaled = TopKCodes(codes.index, torch.where(codes.index == feature, alpha * codes.value, codes.value))
        expected = residual.clone()
        expected[cell.places] += sae.decode(scaled).detach() - sae.decode(codes).detach()
        assert torch.allclose(rows[row], expected, atol=1e-5)
        assert not torch.equal(rows[row], residual)


def test_a_feature_that_does_not_fire_changes_nothing(world: World) -> None:
    cell, sae = clean_cell(world.model, world.tokens, 0, layers=[0]), world.saes[0]
    codes = sae.encode(cell.residual[0][cell.places])
    silent = torch.tensor([f for f in range(96) if not (codes.value[codes.index == f] > 0).any()][:1])
    assert len(silent) == 1
    rows = edited(cell.residual[0], scale_features(sae, codes, cell.places, silent))
    assert torch.equal(rows[0], cell.residual[0])


def test_the_cached_start_equals_the_full_forward_bit_for_bit(world: World) -> None:
    model = world.model
    cell = clean_cell(model, world.tokens, 3, layers=[0, 1])
    whole = dict(model.residuals(model.pad(world.tokens, cell.batch.cells)))
    suffix = dict(propagate(model, cell.batch, cell.residual[0][None], after=0, layers=[1, 2, 3]))
    assert all(torch.equal(suffix[layer], whole[layer]) for layer in (1, 2, 3))


def test_edits_together_equal_edits_one_by_one_by_a_full_forward(world: World, edits: Edits) -> None:
    model = world.model
    cell = clean_cell(model, world.tokens, 1, layers=[1])
    rows = edited(cell.residual[1], edits)
    together = dict(propagate(model, cell.batch, rows, after=1, layers=[2, 3]))
    for row in range(len(edits)):
        with torch.inference_mode():
            h = model.embed(cell.batch)
            for layer in range(model.n_layers):
                h = model.block(layer, h, cell.batch)
                if layer == 1:
                    h = h.clone()
                    for r, place, strength in zip(edits.row, edits.place, edits.strength, strict=True):
                        if r == row:
                            h[0, place] += strength * edits.direction[row]
                if layer > 1:
                    assert torch.allclose(together[layer][row], h[0], atol=2e-5)


def test_chosen_positions_of_the_last_layer_equal_all_of_them(world: World, edits: Edits) -> None:
    cell = clean_cell(world.model, world.tokens, 1, layers=[1])
    rows = edited(cell.residual[1], edits)
    places = torch.stack([cell.places[torch.arange(4) * (row + 2)] for row in range(3)])
    every = dict(propagate(world.model, cell.batch, rows, after=1, layers=[2, 3]))
    some = dict(propagate(world.model, cell.batch, rows, after=1, layers=[2, 3], places=places))
    for layer in (2, 3):
        assert some[layer].shape == (3, 4, world.model.d_model)
        assert torch.allclose(some[layer], gather(every[layer], places), atol=1e-5)


def test_another_direction_keeps_the_norm_at_every_position(world: World, edits: Edits) -> None:
    residual = clean_cell(world.model, world.tokens, 1, layers=[1]).residual[1]
    random = torch.nn.functional.normalize(torch.randn(3, world.model.d_model), dim=1)
    own, control = (edited(residual, e) - residual for e in (edits, edits.along(random)))
    assert torch.allclose(own.norm(dim=-1), control.norm(dim=-1), atol=1e-4)
    assert (torch.nn.functional.cosine_similarity(own, control, dim=-1).abs() < 0.9).all()


def test_a_direction_is_added_with_its_norm_at_the_chosen_places(world: World) -> None:
    cell = clean_cell(world.model, world.tokens, 1, layers=[1])
    residual, places = cell.residual[1], cell.places[::3]
    directions = torch.nn.functional.normalize(torch.randn(2, world.model.d_model), dim=1)
    row = torch.arange(2).repeat_interleave(len(places))
    moved = edited(residual, Edits(row, places.repeat(2), torch.full((len(row),), 2.5), directions)) - residual
    expected = torch.zeros_like(moved)
    for row in range(2):
        for place in places:
            expected[row, place] = 2.5 * directions[row]
    assert torch.allclose(moved, expected, atol=1e-5)
