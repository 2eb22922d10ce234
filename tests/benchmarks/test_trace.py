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
    assert all("layer 0 to 1, 2" in row.shape and row.ratio > 0 for row in effects)
    assert [row.name.split(", ")[-1] for row in effects] == ["float32"] * 2 + ["bfloat16 changes"] * 2
    assert [row.baseline.split()[-1] for row in effects] == ["eager", "sdpa"] * 2
    assert effects[0].baseline_s == effects[2].baseline_s != effects[1].baseline_s
    assert effects[0].ours_s == effects[1].ours_s == arithmetic.ours_s  # eight of eight edits
    assert "peak memory" in effects[0].note and "GFLOP/s" in arithmetic.note
