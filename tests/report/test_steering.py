"""The figure of steering shows the numbers of its table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cellprism.report.steering import draw_readout, draw_steering

if TYPE_CHECKING:
    from pathlib import Path

CONTROLS = ("matched", "random")
ROWS = pd.DataFrame([
    (1, "on", None, "atom", 2.0, "fate", 0.5), (2, "on", None, "atom", 2.0, "fate", 0.1),
    (1, "on", None, "random", 2.0, "fate", 0.2), (2, "on", None, "random", 2.0, "fate", -0.2),
    (3, "off", None, "atom", 2.0, "fate", -1.0), (3, "off", None, "random", 2.0, "fate", 0.0),
    (4, "matched", 1, "atom", 2.0, "fate", 0.03), (5, "matched", 3, "atom", 2.0, "fate", 0.07),
    (1, "on", None, "atom", 0.0, "fate", -9.0), (1, "on", None, "atom", 2.0, "state", 9.0),
], columns=["feature", "arm", "partner", "direction", "alpha", "readout", "effect"]).astype({"partner": "Int32"})


def test_every_feature_stands_in_its_group_in_percent_of_the_way() -> None:
    axes = Figure().subplots()
    draw_readout(axes, ROWS, "fate", 2.0)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["on", *CONTROLS, "off", *CONTROLS]
    points = [np.asarray(line.get_ydata()).tolist() for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(np.concatenate(points), [5, 25, 1.5, -10, 10, -50, 3.5, 0])
    assert axes.get_title() == "fate, times 2"


def test_the_file_has_a_panel_for_each_readout_and_is_the_same_each_time(tmp_path: Path) -> None:
    class Reader:
        def steering(self, _layer: int) -> pd.DataFrame:
            return ROWS

        def steering_readouts(self, _layer: int) -> pd.DataFrame:
            return pd.DataFrame({"readout": ["state", "fate"], "span": [2.0, 2.0]})

    for name in ("a.svg", "b.svg"):
        draw_steering(Reader(), 2, tmp_path / name)  # type: ignore[arg-type]
    drawn = (tmp_path / "a.svg").read_text()
    assert drawn == (tmp_path / "b.svg").read_text()
    assert "state, times 2" in drawn
    assert "fate, times 2" in drawn
