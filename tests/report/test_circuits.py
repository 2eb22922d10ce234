"""The figure of a trace shows the numbers of its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from tests.atlas.fabricated import write_run
from tests.causal.traced import NAME, SOURCE, write_trace

from cellprism.causal import requests, tails
from cellprism.causal.summary import describe
from cellprism.reader import open_run
from cellprism.report.circuits import (
    draw_degrees,
    draw_edge_rates,
    draw_fdr,
    draw_label_pairs,
    draw_pagerank,
    draw_signs,
    draw_trace,
)
from cellprism.runs.directory import open_directory
from cellprism.runs.schemas import TABLES, empty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from matplotlib.axes import Axes

    from cellprism.causal.reading import TraceReader


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TraceReader]:
    path = write_run(tmp_path_factory.mktemp("report") / "run", traced=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tails, "BOOTSTRAPS", 20)
        patch.setattr(requests, "run_key", lambda _run, _layers: "k")
        describe(open_directory(path), write_trace(path), source_layer=SOURCE)
        yield open_run(path).trace(NAME)


@pytest.fixture
def axes() -> Axes:
    from matplotlib.figure import Figure

    return Figure().subplots()


def test_the_figure_is_small_and_always_the_same(trace: TraceReader, tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        draw_trace(trace, tmp_path / name)
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    assert len(text) < 120_000
    titles = ("Edges", "False discoveries", "Signs", "Degree", "published", "Pairs of labels", "Labels by PageRank")
    for title in titles:
        assert f">{title}<" in text


def test_bars_are_the_rates(trace: TraceReader, axes: Axes) -> None:
    rates = trace.rates()
    draw_edge_rates(axes, rates)
    wanted = 100 * rates.query("rate == 'edge_rate'")["value"]
    assert [bar.get_height() for bar in axes.patches] == pytest.approx(wanted.tolist())


def test_signs_are_those_of_both_protocols(trace: TraceReader, axes: Axes) -> None:
    rates = trace.rates()
    draw_signs(axes, rates)
    wanted = rates.query("rate == 'supports'").set_index("protocol")["value"]
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([
        100 * wanted["calibrated"], 100 * wanted["published"],
    ])


def test_the_sweep_is_the_table(trace: TraceReader, axes: Axes) -> None:
    fdr = trace.fdr()
    draw_fdr(axes, fdr)
    rows = fdr.query("rule == 'thresholds' and agreement == 0.7 and edges > 0").sort_values("g")
    assert axes.lines[0].get_ydata() == pytest.approx(100 * rows["fdr"].to_numpy())


def test_every_source_is_a_point(trace: TraceReader, axes: Axes) -> None:
    degrees = trace.degrees()
    draw_degrees(axes, degrees)
    points = sum(len(line.get_xdata()) for line in axes.lines[:2])
    assert points == (degrees["side"] == "out").sum()


def test_pairs_of_labels_stand_out_by_q_and_labels_by_p(axes: Axes) -> None:
    pairs = pd.DataFrame({
        "source_term": ["a", "a", "b", "c"], "target_term": ["a", "b", "b", "d"], "n_edges": [40, 30, 4, 5],
        "expected": [10.0, 9.0, 5.0, 6.0], "q": [0.01, 0.02, 0.9, 0.8],
    })
    draw_label_pairs(axes, pairs)
    drawn = {line.get_label(): sorted(line.get_ydata()) for line in axes.lines}
    assert drawn["q < 0.05, a label with itself"] == [40]
    assert drawn["q < 0.05"] == [30]
    assert drawn["pair of labels"] == [4, 5]


def test_pagerank_stands_beside_that_of_shuffled_labels(axes: Axes) -> None:
    draw_pagerank(axes, pd.DataFrame({"pagerank": [0.2, 0.1], "expected": [0.1, 0.11], "p": [0.01, 0.6]}))
    drawn = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    assert drawn["p < 0.05, not corrected"] == [0.2]
    assert drawn["label"] == [0.1]


@pytest.mark.parametrize("draw", [draw_label_pairs, draw_pagerank])
def test_a_trace_without_labels_has_an_empty_panel(
    draw: Callable[[Axes, pd.DataFrame], None], axes: Axes, tmp_path: Path,
) -> None:
    draw(axes, empty(TABLES["domain_edges" if draw is draw_label_pairs else "domains"]))
    axes.figure.savefig(tmp_path / "empty.svg")
    assert all(len(line.get_ydata()) == 0 for line in axes.lines if not line.get_label().startswith("_"))
