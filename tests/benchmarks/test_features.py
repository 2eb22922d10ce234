from __future__ import annotations

from typing import TYPE_CHECKING

from cellprism.benchmarks import features

if TYPE_CHECKING:
    import pytest


def test_rows_at_a_small_size(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"FEATURES": 96, "TERMS": 40, "GENES": 900, "PERMUTATIONS": 2, "FISHER_SAMPLE": 10, "POSITION_SAMPLE": 50}
    for name, value in small.items():
        monkeypatch.setattr(features, name, value)
    rows = [row for row in features.rows(quick=True) if "leidenalg" not in row.baseline]
    assert [row.name for row in rows] == [
        "annotation", "annotation null, 2 permutations", "co-firing counts, test and Leiden",
    ]
    assert all(row.ratio > 0 for row in rows)
    assert "extrapolated from 10 tests" in rows[0].note
    assert rows[0].shape == "460 features x 40 terms x 20 genes"
    assert " 0 edges" not in rows[2].note
