"""The list of rates holds every rate once, beside its null and its controls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from tests.atlas.fabricated import write_run

from cellprism.reader import open_run
from cellprism.report.scorecard import scorecard, write_scorecard
from cellprism.runs.schemas import TABLES, empty

if TYPE_CHECKING:
    from pathlib import Path

RATES = pd.DataFrame([
    {"layer": layer, "rate": rate, "value": value, "n": 1024, "unit": "feature", "null_mean": 0.01, "null_q95": 0.02,
     "n_permutations": 5, "null": "", "protocol": protocol}
    for layer, rate, value, protocol in (
        (0, "annotated", 0.25, "calibrated"), (0, "aligned", 0.125, "calibrated"), (0, "aligned", 0.5, "published"),
        (1, "annotated", 0.375, "calibrated"), (1, "aligned", -0.00001, "calibrated"),
    )
])


def lines(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]


def test_every_rate_stands_beside_its_null_and_each_control() -> None:
    controls = pd.DataFrame([
        {"layer": 1, "rate": "annotated", "protocol": "calibrated", "control": control, "control_value": value,
         "control_null_mean": 0.03}
        for control, value in (("static_embedding", 0.2), ("random_weights", 0.1))
    ])
    header, _, *rows = lines(scorecard(RATES, controls))
    assert header[-4:] == ["random weights", "its null", "static embedding", "its null"]
    assert [row[:2] for row in rows] == [
        ["annotated", "0"], ["annotated", "1"], ["aligned", "0"], ["aligned (published)", "0"], ["aligned", "1"],
    ]
    assert rows[0] == ["annotated", "0", "1,024", "25.00", "1.00", "2.00", "", "", "", ""]
    assert rows[1][3:] == ["37.50", "1.00", "2.00", "10.00", "3.00", "20.00", "3.00"]
    assert rows[-1][3] == "0.00"


def test_it_is_written_into_the_run(tmp_path: Path) -> None:
    run = open_run(write_run(tmp_path / "run", traced=False))
    text = write_scorecard(run).read_text(encoding="utf-8")
    assert text.startswith(f"# {run.config.title}: rates\n\n| rate, %")
    assert len(lines(text)) == 4 + len(run.rates())
    assert scorecard(run.rates(), empty(TABLES["controls"])).count("|") == (2 + len(run.rates())) * 7
