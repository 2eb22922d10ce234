from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from cellprism.causal.setting import count_firing, firing_cells, float32_model, run_site
from cellprism.codes.store import CodeStore
from cellprism.models.stages import run_model
from cellprism.runs.directory import Run as Directory

if TYPE_CHECKING:
    from cellprism.runs.directory import Run


def with_model(run: Run, **changes: str) -> Run:
    return Directory(run.path, run.config.model_copy(update={"model": run.config.model.model_copy(update=changes)}))


def test_a_control_is_measured_on_the_control_and_in_float32(run: Run) -> None:
    control = with_model(run, control="random_weights", dtype="bfloat16")
    model = float32_model(control)
    batch = model.pad(run_site(control, 1).tokens, np.array([0]))
    states = [list(m.residuals(batch))[2][1] for m in (model, run_model(control, dtype="float32"), run_model(run))]
    assert states[0].dtype == torch.float32
    assert torch.equal(states[0], states[1])
    assert not torch.allclose(states[0], states[2], atol=0.1)


def test_firing_cells_are_those_of_the_codes(run: Run) -> None:
    features = np.array([40, 3, 99])
    found = firing_cells(run, 2, features, 24)
    expected = np.zeros_like(found)
    for shard in CodeStore(run, 2).shards():
        dense = shard.codes.csr().toarray()
        for cell in np.unique(shard.cell):
            expected[cell] = (dense[shard.cell == cell][:, features] > 0).any(axis=0)
    assert np.array_equal(found, expected)
    assert found.any()


def test_counted_cells_are_those_in_which_a_feature_fires(run: Run) -> None:
    cells = np.array([2, 19, 7, 23])
    found = count_firing(run, 2, cells)
    assert np.array_equal(found, firing_cells(run, 2, np.arange(len(found)), 24)[cells].sum(axis=0))
    assert set(found) > {0, 4}
