from __future__ import annotations

from typing import TYPE_CHECKING

from cellprism.benchmarks import calibrate

if TYPE_CHECKING:
    import pytest


def test_rows_state_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "FEATURES", 64)
    row = calibrate.rows(quick=True)[0]
    assert row.shape == "600 sources x 192 targets x 20 cells x 500 flips"
    assert row.baseline_s > 0
    assert row.ours_s > 0
    assert "ours from 5 sources, the loop from 60 targets" in row.note
