from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cellprism.benchmarks import precision
from cellprism.benchmarks.precision import Traced, different
from cellprism.causal.calibration import SourceEffects


def traced(edges: list[tuple[int, int, int, int]], effect: list[float]) -> Traced:
    table = pd.DataFrame(edges, columns=["source", "target_layer", "target", "sign"])
    x = np.tile(np.array(effect, np.float32), (3, 1))
    return Traced([SourceEffects(0, np.arange(3), {1: x})], table, 10.0)


def test_edges_are_lost_added_or_turned() -> None:
    exact = traced([(0, 1, t, 1) for t in range(8)], [1.0, 0, 2, 0])
    found = traced([(0, 1, t, -1 if t == 0 else 1) for t in (*range(6), 9)], [1.0, 0.5, 2, 0])
    share, note = different(found, exact)
    assert share == pytest.approx(100 * 3 / 8)
    assert "8 edges: 2 lost, 1 added, 1 with the other sign" in note
    assert "off by 2.2e-01 of their size; 1 targets respond" in note
    many = traced([(0, 1, t, 1) for t in range(40)], [1.0, 0, 2, 0])
    assert different(many, exact)[0] == pytest.approx(80)
    assert different(exact, exact)[0] == 0
    assert different(traced([], [1.0, 0, -2, 0]), traced([], [1.0, 0, 2, 0]))[0] == pytest.approx(50)


def test_float32_keeps_the_edges_of_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"vocab_size": 2000, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
    monkeypatch.setattr(precision, "SIZES", {**precision.SIZES, **small, "intermediate_size": 32})
    monkeypatch.setattr(precision, "LARGE", (0, 1, 2))
    monkeypatch.setattr(precision, "SMALL", (1, 2))
    found = precision.rows(quick=True)
    coarse = [
        "float32, low rank in bfloat16 elsewhere", "float32, low rank in float32 elsewhere",
        "bfloat16 products, float32 residual", "bfloat16",
    ]
    assert [row.name.rpartition("kept by ")[2] for row in found] == ["float32", *coarse, *coarse]
    assert found[0].measured < 1
    assert found[0].measured <= found[4].measured
    assert "layer 1 to 2, 4 sources, 12 cells" in found[0].shape
    assert all(int(row.note.split(" ")[0].replace(",", "")) > 10 for row in found[:5])
