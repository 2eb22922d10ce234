from __future__ import annotations

import io
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from rich.console import Console

import cellprism
from cellprism.cli import main
from cellprism.cli.progress import Listener
from cellprism.cli.trace import _labels

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
    assert f"{run.path / 'causal' / '02-ablation-random2'} is done; its tables: `cellprism.open_run(" in said.out
    table = cellprism.open_run(run.path).trace("02-ablation-random2").sources()
    assert f"{table['edges'].sum():,} edges in {table['live'].sum():,} live tests" in said.out
    assert "with the signs of cells flipped" in said.out
    assert "warning" not in said.out
    assert "22 passes in" in said.err
    assert "256 edges in" in said.err


@pytest.mark.parametrize(("words", "sentence"), [
    (["--source", 2, "--targets", "last"], "`--targets last` names no layers"),
    (["--source", 2, "--features", "top:5000"], "ask for top:"),
    (["--source", 9], "has no layer 9"),
    (["--source", 2, "--name", "../../elsewhere"], "names no directory in causal/ of the run"),
    (["--source", 2, "--name", ""], "names no directory in causal/ of the run"),
    (["--source", 2, "--alpha", "nan"], "alpha nan is no edit"),
    (["--source", 2, "--method", "ig", "--controls", 1], "controls are traced by ablation"),
    (["--source", 2, "--seed", -1], "greater than or equal to 0"),
    (["--source", 2, "--controls", -1], "greater than or equal to 0"),
])
def test_what_makes_no_sense_is_refused_in_a_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[object], sentence: str,
) -> None:
    assert call(monkeypatch, run.path, *words) == 2
    assert sentence in capsys.readouterr().err
    assert not run.file("causal").exists()


def test_pairs_of_labels_that_stand_out_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = pd.DataFrame({
        "source_term": ["B cell", "T cell"], "target_term": ["B cell", "B cell"], "n_edges": [35, 4],
        "expected": [9.6, 3.9], "q": [0.01, 0.8],
    })
    said = list(_labels(SimpleNamespace(domain_edges=lambda: pairs)))  # type: ignore[arg-type]
    assert said == [
        "  1 of 2 pairs of labels have more edges than chance (q < 0.05); first B cell to B cell, 35 (10 with labels "
        "shuffled)"
    ]
    assert list(_labels(SimpleNamespace(domain_edges=lambda: pairs.iloc[:0]))) == []  # type: ignore[arg-type]


def test_few_cells_estimates_and_controls_are_said(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    few = [run.path, "--source", 2, "--features", "random:2", "--cells", 4]
    assert call(monkeypatch, *few, "--controls", 1) == 0
    said = capsys.readouterr().out
    assert "passes                  24 " in said
    assert "warning: 2 of the sources fire in fewer than 10 of these cells and cannot have an edge." in said
    assert "edges to layer 3 of the same edits along a random direction: 0" in said
    assert "edges to layer 3 of the same edits along the atom of another feature: 0" in said
    assert call(monkeypatch, *few, "--method", "attribution", "--target-features", "random:3") == 0
    said = capsys.readouterr().out
    assert "edges                    6 " in said
    assert "layer 3, 2 sources ablated as well: rank correlation" in said
    assert "these are estimates" in said


def test_without_a_terminal_progress_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(width=200, file=io.StringIO())
    clock = iter([0.0, 0.0, 30.0, 61.0, 90.0, 122.0, 130.0])
    monkeypatch.setattr("cellprism.cli.progress.time.monotonic", lambda: next(clock))
    with Listener(console).bar("passing", 5000, "pass") as passed:
        for n in (1000, 1000, 1000, 2000):
            passed(n)
    said = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert said == [
        "passing: 2,000 of 5,000 passes after 61 s", "passing: 5,000 of 5,000 passes after 2 min",
        "passing: 5,000 passes in 130.0 s, 38 passes/s",
    ]


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
