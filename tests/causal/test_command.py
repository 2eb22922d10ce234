from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from cellprism.cli import main
from cellprism.cli.progress import Listener

if TYPE_CHECKING:
    from cellprism.runs.directory import Run


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["cellprism", "trace", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_the_plan_spends_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, run.path, "--source", 2, "--plan") == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("passes", "edges", "operations", "time", "disk", "memory"))
    assert "float32   whatever the run used" in said
    assert not run.file("causal").exists()


def test_it_traces_and_reports_its_rates(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, run.path, "--source", 2, "--targets", "3", "--features", "random:2", "--cells", 11) == 0
    said = capsys.readouterr()
    assert f"{run.path / 'causal' / '02-ablation-random2'} is done." in said.out
    assert "22 passes in" in said.err
    assert "256 edges in" in said.err


@pytest.mark.parametrize(("words", "sentence"), [
    (["--source", 2, "--targets", "last"], "`--targets last` names no layers"),
    (["--source", 2, "--features", "top:5000"], "ask for top:"),
    (["--source", 9], "has no layer 9"),
])
def test_what_makes_no_sense_is_refused_in_a_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[object], sentence: str,
) -> None:
    assert call(monkeypatch, run.path, *words) == 2
    assert sentence in capsys.readouterr().err


def test_two_bars_can_be_open_at_once() -> None:
    console = Console(force_terminal=True, width=120, file=io.StringIO())
    listener = Listener(console)
    with listener.bar("passing", 4, "pass") as passed, listener.bar("testing", 8, "edge") as tested:
        passed(4)
        tested(8)
    with listener.bar("again", 1, "pass") as passed:
        passed(1)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(word in shown for word in ("passing", "testing", "again"))
