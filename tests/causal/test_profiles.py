from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from tests.causal.journey import Journey, journey

from cellprism.causal.markers import expression_levels
from cellprism.causal.profiles import cells_said, said
from cellprism.causal.readouts import cosine
from cellprism.causal.setting import Site
from cellprism.models.base import CellModel

if TYPE_CHECKING:
    from tests.causal.conftest import World

    from cellprism.models.base import Batch


class Valued(Journey):
    """Predicts one value at each position."""

    mask_value = -1.0

    def readout(self, h: torch.Tensor, batch: Batch) -> torch.Tensor:
        return h[..., 0]


def test_a_mean_before_the_linear_end_of_the_head_is_the_mean_of_the_logits(world: World) -> None:
    model = world.model
    batch = model.pad(world.tokens, np.arange(3))
    for _, last in model.residuals(batch):
        h = last
    with torch.inference_mode():
        fast, slow = model.mean_logits(h, batch), CellModel.mean_logits(model, h, batch)
        logits = model.readout(h, batch)[1][batch.gene[1]].mean(dim=0)
    torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(fast[1], logits, rtol=1e-4, atol=1e-4)


def test_cells_come_in_the_order_asked_for_whatever_their_batches(world: World) -> None:
    site = Site(world.model, world.tokens, 1, world.saes[1], 3000)
    cells, done = np.array([7, 2, 11]), list[int]()
    together = cells_said(site, cells, done.append)
    alone = [cells_said(site, cells[i : i + 1], lambda _n: None) for i in range(3)]
    np.testing.assert_allclose(together.pooled, np.concatenate([a.pooled for a in alone]), atol=1e-4)
    np.testing.assert_allclose(together.profile, np.concatenate([a.profile for a in alone]), atol=1e-3)
    assert together.profile.shape == (3, len(world.tokens.genes))
    assert sum(done) == 3


def test_a_model_of_values_has_a_profile_of_the_genes_that_a_cell_reads() -> None:
    way = journey(96, 0)
    model = Valued(np.zeros(96), np.random.default_rng(0))
    batch = model.pad(way.site.tokens, np.array([4, 9]))
    h = model.embed(batch)
    found = said(model, h, batch, way.site.tokens.genes["token"].to_numpy())
    for row in range(2):
        genes = batch.tokens[row].numpy()
        np.testing.assert_allclose(found.profile[row, genes], h[row, :, 0].numpy(), rtol=1e-6)
        assert np.isnan(np.delete(found.profile[row], genes)).all()


def test_a_cosine_is_over_the_genes_that_a_cell_has() -> None:
    to = np.array([1.0, 2.0, -1.0, 0.0])
    profile = np.array([[1.0, 1.0, 1.0, 1.0], [np.nan, 3.0, 1.0, np.nan], [0.0, 0.0, 0.0, 0.0]])
    expected = [2 / np.sqrt(4 * 6), 5 / np.sqrt(10 * 5), 0]
    np.testing.assert_allclose(cosine(profile, to), expected)


def test_levels_are_values_or_fall_from_1_with_the_rank() -> None:
    tokens = journey(96, 0).site.tokens
    level = expression_levels(tokens, np.array([5]))[0]
    own = tokens.gene[tokens.offsets[5] : tokens.offsets[6]]
    np.testing.assert_allclose(level[own], 1 - np.arange(20) / 20)
    assert (np.delete(level, own) == 0).all()
    valued = replace(tokens, value=np.arange(len(tokens.gene), dtype=np.float32))
    np.testing.assert_allclose(expression_levels(valued, np.array([5]))[0, own], np.arange(100, 120))
