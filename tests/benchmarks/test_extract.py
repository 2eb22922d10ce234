from __future__ import annotations

from typing import TYPE_CHECKING

from cellprism.benchmarks import extract

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_it_compares_in_every_format_that_matters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"vocab_size": 800, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    monkeypatch.setattr(extract, "SIZES", {**extract.SIZES, **small, "intermediate_size": 32})
    monkeypatch.setenv("CELLPRISM_SHARED", str(tmp_path))
    rows = extract.rows(quick=True)
    assert {row.name.split(", ")[-1] for row in rows} >= {"float32"}
    assert len({row.name for row in rows}) == len(rows)
    assert all("4 cells of the demo" in row.shape and row.ratio > 0 for row in rows)
