from __future__ import annotations

from typing import TYPE_CHECKING

from cellprism.benchmarks import trace

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_it_compares_with_whole_passes_and_with_the_plain_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = {"vocab_size": 800, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
    monkeypatch.setattr(trace, "SIZES", {**trace.SIZES, **small, "intermediate_size": 32})
    monkeypatch.setattr(trace, "SOURCE", 0)
    monkeypatch.setattr(trace, "TARGETS", (1, 2))
    monkeypatch.setenv("CELLPRISM_SHARED", str(tmp_path))
    *effects, arithmetic = trace.rows(quick=True)
    assert all("layer 0 to the 2 after it" in row.shape and row.ratio > 0 for row in effects)
    assert [row.name.rpartition(" ")[2] for row in effects] == ["elsewhere"] * 2 + ["float32"] * 2
    assert [row.baseline.split()[-1] for row in effects] == ["eager", "sdpa"] * 2
    assert effects[0].baseline_s == effects[2].baseline_s != effects[1].baseline_s
    assert effects[2].ours_s == effects[3].ours_s == arithmetic.ours_s  # eight of eight edits
    assert "peak memory" in effects[0].note and "GFLOP/s" in arithmetic.note


def test_cells_are_added_up() -> None:
    one = trace.Measured("a", "", {"eager": 4.0, "sdpa": 3.0}, {"float32": 2.0})
    other = trace.Measured("b", "", {"eager": 8.0, "sdpa": 1.0}, {"float32": 1.0})
    rows = trace._compared(trace._sum([one, other]))
    assert [(row.baseline_s, row.ours_s) for row in rows] == [(12, 3), (4, 3)]
