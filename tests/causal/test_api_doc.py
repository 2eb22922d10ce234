"""The example of docs/api.md runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

    from cellprism.runs.directory import Run

DOCUMENT = Path(__file__).parents[2] / "docs" / "api.md"


def test_the_example_runs_as_it_stands(labelled: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "demo").symlink_to(labelled.path)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) == 1
    got: dict[str, Any] = {}
    exec(blocks[0], got)  # the documentation's own example
    run, effects = got["run"], got["effects"]
    assert run.traces()["done"].tolist() == [True, True]
    own = got["traced"].sources().query(f"source == {got['source']}")
    assert len(effects) == own["n_cells"].iloc[0] > 0
    assert [*effects.columns.unique(0)] == [2, 3]
    assert set(run.neighbourhood(got["start"], steps=2)["trace"]) <= set(run.traces()["trace"])
    assert len(run.neighbourhood(got["start"])) > 0
    assert (run.intermediates(got["start"], got["end"])["layer"] == 2).all()
    assert len(got["patching"]) and len(got["combinations"]) and len(got["arms"]) == 4
    assert run.combinations(got["name"])["combination"].tolist() == got["combinations"]["combination"].tolist()
