from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from cellprism.compare.controls import begun_controls, control_config, control_table, create_controls
from cellprism.errors import UserError
from cellprism.reader import open_run
from cellprism.runs.config import Config, parse_config
from cellprism.runs.directory import Run, create

if TYPE_CHECKING:
    from pathlib import Path

BOTH = ["random_weights", "static_embedding"]


def with_rates(run: Run, values: dict[int, dict[str, float]]) -> Run:
    run.file("model.json").write_text(json.dumps({"layers": list(values)}))
    for layer, rates in values.items():
        for rate, value in rates.items():
            run.write("rates", pd.DataFrame([{
                "rate": rate, "value": value, "n": 100 + layer, "unit": "feature", "null_mean": value / 10,
                "null_q95": value / 5, "n_permutations": 20, "null": "...", "protocol": "calibrated",
            }]), layer, suffix=f"_{rate}")
    return run


def config(tmp_path: Path) -> Config:
    return parse_config({"out": str(tmp_path / "run"), "controls": BOTH, "sae": {"layers": [1, 3], "seeds": 2}})


def test_a_control_is_a_run_of_its_own(tmp_path: Path) -> None:
    asked = config(tmp_path)
    random, static = (control_config(asked, name) for name in BOTH)
    assert (random.model.control, static.model.control) == tuple(BOTH)
    assert (random.sae.layers, static.sae.layers) == ((1, 3), "all")
    assert random.controls == static.controls == ()
    assert random.sae.seeds == 1
    assert random.out == str(tmp_path / "run" / "controls" / "random_weights")
    kept = ("cells", "annotation", "modules", "seed")
    assert all(getattr(static, name) == getattr(asked, name) for name in kept)
    run = create(asked)
    assert begun_controls(run) == {}
    create_controls(asked)
    assert list(begun_controls(run)) == BOTH
    assert begun_controls(run)["static_embedding"].config == static


def test_rates_stand_beside_those_of_the_controls(tmp_path: Path) -> None:
    asked = config(tmp_path)
    run = with_rates(create(asked), {1: {"annotated": 0.5, "goes_on": 0.2}, 3: {"annotated": 0.4}})
    controls = create_controls(asked)
    with_rates(controls["random_weights"], {1: {"annotated": 0.3, "goes_on": 0.1}, 3: {"annotated": 0.2}})
    with_rates(controls["static_embedding"], {0: {"annotated": 0.1}})
    run.write("controls", control_table(run, controls))
    table = open_run(run.path).controls()
    assert table[["control", "control_layer", "layer", "rate", "value", "control_value"]].to_numpy().tolist() == [
        ["random_weights", 1, 1, "annotated", 0.5, 0.3],
        ["random_weights", 1, 1, "goes_on", 0.2, 0.1],
        ["random_weights", 3, 3, "annotated", 0.4, 0.2],
        ["static_embedding", 0, 1, "annotated", 0.5, 0.1],
        ["static_embedding", 0, 3, "annotated", 0.4, 0.1],
    ]
    assert table.loc[3, ["null_mean", "control_null_mean", "n", "control_n"]].tolist() == pytest.approx(
        [0.05, 0.01, 101, 100]
    )


def test_a_run_without_controls_has_an_empty_table(tmp_path: Path) -> None:
    run = with_rates(create(parse_config({"out": str(tmp_path), "controls": []})), {0: {"annotated": 0.5}})
    assert control_table(run, {}).empty
    assert open_run(run.path).controls().empty


def test_unknown_controls_are_refused() -> None:
    with pytest.raises(UserError, match="controls"):
        parse_config({"controls": ["shuffled"]})
