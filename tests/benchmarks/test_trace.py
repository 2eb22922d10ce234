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
    effects, changes, arithmetic = trace.rows(quick=True)
    assert "layer 0 to 1, 2" in effects.shape
    assert changes.name == effects.name.replace("float32", "bfloat16 changes")
    assert changes.baseline_s == effects.baseline_s
    assert effects.ratio > 0
    assert changes.ratio > 0
    assert arithmetic.ours_s == effects.ours_s
    assert "peak memory" in effects.note and "GFLOP/s" in arithmetic.note
