from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from cellprism import benchmarks
from cellprism.benchmarks import Row, benchmark_names, best_seconds, machine, run_benchmark
from cellprism.cli import main
from cellprism.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

TOY = """
from cellprism.benchmarks import Row
def rows(quick):
    return [Row("toy", "2 x 2", "the old way", 3.0, 1.5, "quick" if quick else "")]
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toy.py").write_text(TOY)
    monkeypatch.setattr(benchmarks, "__path__", [*benchmarks.__path__, str(tmp_path)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


@pytest.mark.usefixtures("toy")
def test_a_benchmark_is_a_file_and_its_rows_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    assert "toy" in benchmark_names()
    monkeypatch.setattr(sys, "argv", ["cellprism", "bench", "toy", "--quick", "--json"])
    with pytest.raises(SystemExit):
        main()
    assert json.loads(capsys.readouterr().out) == [{
        "name": "toy", "shape": "2 x 2", "baseline": "the old way", "baseline_s": 3.0, "ours_s": 1.5, "ratio": 2.0,
        "note": "quick",
    }]
    monkeypatch.setattr(sys, "argv", ["cellprism", "bench", "toy"])
    with pytest.raises(SystemExit):
        main()
    out = capsys.readouterr().out
    assert "2.00x as fast as the old way" in out
    assert machine() in out


@pytest.mark.usefixtures("toy")
def test_an_unknown_benchmark_is_refused_with_the_names_of_the_others() -> None:
    with pytest.raises(UserError, match=r"no benchmark 'speed': there are .*toy"):
        run_benchmark("speed", quick=True)


def test_functions_take_turns() -> None:
    calls: list[str] = []
    seconds = best_seconds([lambda: calls.append("a"), lambda: calls.append("b")], repeats=2)
    assert calls == ["a", "b", "a", "b"]
    assert all(s > 0 for s in seconds)
    assert Row("n", "s", "b", 1.0, 4.0).ratio == 0.25
