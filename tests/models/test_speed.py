from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import torch

from cellprism.models import load_model
from cellprism.models.speed import Speed

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_positions_count_once_and_waiting_counts_as_the_model() -> None:
    batches = [np.arange(30), np.arange(30, 50)]

    def residuals() -> Iterator[tuple[np.ndarray, int, torch.Tensor]]:
        for positions in batches:
            for layer in (0, 2):
                time.sleep(0.02)
                yield positions, layer, torch.zeros(len(positions), 4)

    speed = Speed()
    seen = [(positions[0], layer) for positions, layer, _ in speed.watch(residuals())]
    assert seen == [(0, 0), (0, 2), (30, 0), (30, 2)]
    facts = speed.facts(load_model("demo", device="cpu", dtype="float32"))
    assert (facts["device"], facts["dtype"]) == ("cpu", "float32")
    assert 0 < facts["positions_per_second"] <= 50 / 0.08
    assert facts["positions_per_cpu_second"] > 0
    assert 0 < facts["share_of_time_in_model"] <= 1
