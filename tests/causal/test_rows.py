from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from cellprism.causal.intervention import clean_cell, edited, scale_features
from cellprism.causal.rows import ablated, last_at, packed, strengths, take

if TYPE_CHECKING:
    from tests.causal.conftest import World


def test_rows_of_several_cells_are_edited_as_each_cell_alone(world: World) -> None:
    model, sae = world.model, world.saes[1]
    batch = model.pad(world.tokens, np.array([2, 5, 7]))
    h = dict(model.residuals(batch))[1]
    features = torch.tensor([[3, 40], [11, -1], [-1, -1]])
    found = ablated(sae, h, batch.gene, features)
    assert torch.equal(found[2], h[2])
    for row, cell in ((0, 2), (1, 5)):
        alone = clean_cell(model, world.tokens, cell, layers=[1])
        codes = sae.encode(h[row][batch.gene[row]])
        expected = h[row]
        for feature in features[row][features[row] >= 0]:
            edits = scale_features(sae, codes, alone.places, feature[None])
            assert len(edits.row)
            expected = expected + edited(h[row], edits)[0] - h[row]
        assert torch.allclose(found[row], expected, atol=1e-5)


def test_strengths_are_0_where_a_feature_is_silent_or_a_position_holds_no_gene(world: World) -> None:
    batch = world.model.pad(world.tokens, np.array([0, 1]))
    h = dict(world.model.residuals(batch))[0]
    found = strengths(world.saes[0], h, batch.gene, torch.tensor([[5], [5]]), alpha=3.0)
    codes = world.saes[0].encode(h[batch.gene])
    value = (codes.value * (codes.index == 5)).sum(dim=1)
    assert (value > 0).any()
    assert torch.allclose(found[batch.gene][:, 0], 2 * value * world.saes[0].scale)
    assert not found[~batch.gene].any()


def test_the_last_layer_at_some_places_equals_the_whole(world: World) -> None:
    model = world.model
    batch = model.pad(world.tokens, np.array([0, 1]))
    states = dict(model.residuals(batch))
    wanted = torch.zeros_like(batch.gene)
    wanted[0, [4, 9, 30]] = True
    wanted[1, [7]] = True
    places, there = packed(wanted)
    for start in (1, 3):
        found = last_at(model, states[start], batch, places, after=start)
        assert torch.allclose(found[there], states[3][wanted], atol=1e-5)


def test_taken_rows_keep_everything(world: World) -> None:
    batch = world.model.pad(world.tokens, np.array([4, 6]))
    rows = take(batch, torch.tensor([1, 1, 0]))
    assert rows.cells.tolist() == [6, 6, 4]
    assert torch.equal(rows.tokens, batch.tokens[[1, 1, 0]])
    assert torch.equal(rows.mask, batch.mask[[1, 1, 0]])
