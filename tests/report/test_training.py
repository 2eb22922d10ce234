"""The figure of the training is read back from its SVG and compared with the tables behind it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from tests.atlas.fabricated import write_run

from cellprism.errors import UserError
from cellprism.reader import RunReader, open_run
from cellprism.report.figures import draw_figures
from cellprism.report.training import draw_training, frequency_shares

if TYPE_CHECKING:
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunReader:
    """A fabricated run with a training log for each layer."""
    reader = open_run(write_run(tmp_path_factory.mktemp("report") / "run", traced=False))
    rng = np.random.default_rng(0)
    for layer in reader.layers:
        reader.run.write("training", pd.DataFrame({
            "step": np.arange(50, 1001, 50), "loss": np.sort(rng.random(20))[::-1],
            "explained": np.sort(rng.random(20)), "dead": rng.random(20) / 9,
        }), layer)
    return reader


def drawn(root: ElementTree.Element, panel: int, name: str) -> np.ndarray:
    """Corners of the line ``name`` in a panel, ``(points, 2)`` in points of the page, upwards."""
    axes = next(group for group in root.iter(f"{SVG}g") if group.get("id") == f"axes_{panel}")
    line = next(group for group in axes.iter(f"{SVG}g") if group.get("id") == name)
    numbers = re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", next(line.iter(f"{SVG}path")).get("d", ""))
    return np.array(numbers, float) * [1, -1]


def matches(line: np.ndarray, x: np.ndarray, y: np.ndarray) -> bool:
    """Whether a line is the given points but for the scale and the origin of the axes; the page has 6 decimals."""
    fits = [np.polyfit(values, line[:, side], 1) for side, values in enumerate((x, y))]
    apart = [
        np.abs(np.polyval(fit, values) - line[:, side])
        for side, (fit, values) in enumerate(zip(fits, (x, y), strict=True))
    ]
    return all(fit[0] > 0 for fit in fits) and max(map(np.max, apart)) < 1e-3


def test_curves_are_the_tables(run: RunReader, tmp_path: Path) -> None:
    draw_training(run, tmp_path / "a.svg")
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    texts = {"".join(text.itertext()) for text in root.iter(f"{SVG}text")}
    assert {"Loss", "Explained variance", "Dead features", "Firing frequency", "never"} <= texts
    assert {f"layer {layer}" for layer in run.layers} <= texts
    for layer in run.layers:
        log, frequency = run.training(layer), run.features(layer)["frequency"].to_numpy()
        for panel, column in enumerate(("loss", "explained", "dead"), start=1):
            line = drawn(root, panel, f"layer-{layer}")
            assert len(line) == len(log)
            assert matches(line, log["step"].to_numpy(), log[column].to_numpy())
        names, shares = frequency_shares(frequency)
        assert matches(drawn(root, 4, f"frequency-{layer}"), np.arange(len(names)), shares)


def test_the_same_run_gives_the_same_bytes(run: RunReader) -> None:
    files = draw_figures(run)
    assert files == [run.path / "report" / "training.svg"]
    first = files[0].read_bytes()
    assert draw_figures(run) == files
    assert files[0].read_bytes() == first
    assert len(first) < 150_000


def test_classes_of_frequency() -> None:
    frequency = np.array([0.0, 0, 3e-9, 1e-5, 1.1e-5, 1e-4, 0.05, 0.1, 0.11, 1.0])
    names, shares = frequency_shares(frequency)
    assert names == ["never", "0.001 %", "0.01 %", "0.1 %", "1 %", "10 %", "100 %"]
    assert (10 * shares).round().tolist() == [2, 2, 2, 0, 0, 2, 2]


def test_a_run_that_has_not_come_so_far_says_so(run: RunReader) -> None:
    path = run.run.file("training.parquet", run.layers[0])
    held = path.read_bytes()
    path.unlink()
    with pytest.raises(UserError, match="the run has not come so far"):
        draw_figures(run)
    path.write_bytes(held)
