"""Steering on a run of the demo: tables, going on after an interruption, refusals, and what the command prints."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from tests.causal.test_commands import interrupt
from typer.testing import CliRunner

import cellprism
from cellprism.causal import ordering as ordering_room
from cellprism.causal import readouts as readouts_room
from cellprism.causal import steer_run as room
from cellprism.causal.ordering import EARLY, NOWHERE, order_cells
from cellprism.causal.parts import STEER, split_cells
from cellprism.causal.pseudotime import diffusion_pseudotime
from cellprism.causal.readouts import READOUTS
from cellprism.causal.steer_run import SteerRequest, run_donors, steer_run
from cellprism.causal.steering import Steerer
from cellprism.cli import app
from cellprism.cli.steer import described
from cellprism.codes.stages import ENCODE
from cellprism.errors import UserError
from cellprism.features.stages import CATALOG
from cellprism.models.stages import TOKENIZE
from cellprism.runs.config import parse_config
from cellprism.runs.directory import create, open_directory
from cellprism.runs.progress import Silent
from cellprism.runs.schemas import read_notes
from cellprism.runs.stage import run_stages
from cellprism.sae.stages import RESIDUALS, TRAIN

if TYPE_CHECKING:
    from cellprism.runs.directory import Run

ORDER = ("CD34+", "CD56+ NK", "CD14+ Monocyte")
REQUEST = SteerRequest(2, along="bulk_labels", order=ORDER, features=2, cells=10, alphas=(0.0, 5.0))


@pytest.fixture(scope="session")
def ordered_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three kinds of cells of the demo with little dictionaries; do not write into it."""
    config = parse_config({
        "out": str(tmp_path_factory.mktemp("ordered") / "run"), "model": {"dtype": "float32"},
        "cells": {"where": {"bulk_labels": ORDER}, "labels": ["bulk_labels", "n_genes", "phase"]},
        "sae": {"layers": [2, 3], "expansion": 1, "k": 6, "steps": 20, "batch_size": 512},
    })
    run = create(config)
    run_stages([TOKENIZE, RESIDUALS, TRAIN, ENCODE, CATALOG], run, Silent())
    return run.path


@pytest.fixture
def run(ordered_run: Path, tmp_path: Path) -> Run:
    return open_directory(Path(shutil.copytree(ordered_run, tmp_path / "run")))


@pytest.fixture(autouse=True)
def few_permutations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readouts_room, "PERMUTATIONS", 9)


def test_steering_writes_tables_and_goes_on_where_it_was_interrupted(
    run: Run, monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = steer_run(run, REQUEST)
    reader = cellprism.open_run(run.path)
    names = ("switches", "steering", "steering_arms", "steering_readouts", "steering_genes")
    tables = {name: getattr(reader, name)(2) for name in names}
    with monkeypatch.context() as context:
        interrupt(context, Steerer, "steer", after=3)
        with pytest.raises(KeyboardInterrupt):
            steer_run(run, REQUEST)
    assert (run.file("causal") / "steering_02.work").is_dir()
    pd.testing.assert_frame_equal(steer_run(run, REQUEST), whole)
    for name, table in tables.items():
        pd.testing.assert_frame_equal(getattr(reader, name)(2), table)
    assert not list(run.file("causal").glob("*.work"))
    effects = tables["steering"]
    assert set(effects["readout"]) == set(READOUTS)
    assert effects.loc[effects["arm"] == "matched", "partner"].notna().all()
    assert (effects["n_cells"] == 10).all()
    assert not effects["algebraic"].any()
    steered = effects[["feature", "arm"]].drop_duplicates()
    marked = tables["switches"].dropna(subset="arm")[["feature", "arm"]]
    assert set(map(tuple, steered.to_numpy())) == set(map(tuple, marked.to_numpy()))
    assert tables["steering_readouts"].set_index("readout").loc["fate", "quality"] > 0.9
    assert set(tables["steering_genes"]["alpha"]) == {5.0}
    rates = reader.causal_rates()
    assert {"fate_expected_alpha_5_matched", "fate_sign_alpha_0_random"} <= set(rates["rate"])
    notes = read_notes(run.file("causal") / "steering_02.parquet")
    assert notes["split_by"] == "cell"
    assert notes["seed"] == 0
    sizes = [notes[f"cells_{part}"] for part in ("choose", "read", "judged")]
    assert sum(map(int, sizes)) == len(reader.cells())  # type: ignore[arg-type]


def test_only_early_cells_of_the_third_part_are_steered(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    order = order_cells(run, along="bulk_labels", order=ORDER)
    part, _ = split_cells(order, run_donors(run), np.random.default_rng([0, 41]))
    allowed, steer = set(np.flatnonzero((part == STEER) & (order.group == EARLY))), Steerer.steer
    used: list[int] = []

    def watched(self: Steerer, feature: int, cells: np.ndarray, **rest: Any) -> Any:
        used.extend(cells.tolist())
        return steer(self, feature, cells, **rest)

    monkeypatch.setattr(Steerer, "steer", watched)
    steer_run(run, REQUEST)
    assert used
    assert set(used) <= allowed


def test_the_command_says_what_was_found_what_readouts_are_worth_and_what_is_algebra(run: Run) -> None:
    words = [
        "steer", str(run.path), "--layer", "3", "--along", "bulk_labels", "--order", ",".join(ORDER), "--features", "2",
        "--cells", "10", "--alphas", "3",
    ]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0
    for text in (
        "readouts, on cells that they were not fitted on:", "AUROC of late against early",
        "features that switch on, times 3", "less matched", "less random", "no block follows the last layer",
        "steering(3)",
    ):
        assert text in result.output
    effects = cellprism.open_run(run.path).steering(3)
    assert effects["algebraic"].all()
    assert effects["p"].isna().all()


def test_a_readout_that_is_no_better_than_its_null_is_called_so() -> None:
    arms = pd.DataFrame({
        "arm": "on", "against": "matched", "alpha": 5.0, "readout": list(READOUTS), "n_features": 3, "difference": -1.0,
        "low": -2.0, "high": 1.0, "q": 0.5, "algebraic": False,
    })
    judged = pd.DataFrame({
        "readout": list(READOUTS), "measure": "AUROC", "quality": [0.9, 0.6, 0.9, 0.9], "null_mean": 0.5,
        "null_q95": 0.7, "span": [2.0, 2.0, 2.0, -4.0],
    })
    lines = list(described(arms, judged))
    assert [line for line in lines if line.startswith("warning")] == [
        "warning: progress tells cells apart no better than 1 in 20 readouts fitted to a permuted order.",
    ]
    assert "  state     -50.00 [-100.00, +50.00]  q 0.5" in lines
    assert "  markers   +25.00 [-25.00, +50.00]  q 0.5" in lines


@pytest.mark.parametrize(("request_", "sentence"), [
    (SteerRequest(9, along="n_genes"), "has no layer 9: choose among 2, 3"),
    (SteerRequest(2), "say how to order cells"),
    (SteerRequest(2, along="age"), r"no label 'age' of its cells \(it has bulk_labels, n_genes, phase\)"),
    (SteerRequest(2, along="phase"), "phase of .* holds '.*', which is no number: list its values with"),
    (SteerRequest(2, along="bulk_labels", order=("CD34+", "B")), "has bulk_labels 'B': order some of CD14"),
    (SteerRequest(2, along="bulk_labels", order=("CD34+", "CD34+")), "names a value twice"),
    (SteerRequest(2, along="bulk_labels", order=("CD34+",)), "cells have the same place along bulk_labels"),
    (SteerRequest(2, along="bulk_labels", order=("CD34+", "CD56+ NK")), "13 cells are early and .* late along"),
    (SteerRequest(2, root=("bulk_labels", "B")), "has bulk_labels 'B': choose one of CD14"),
    (SteerRequest(2, along="n_genes", alphas=(1.0,)), "alphas '1' are no doses"),
    (SteerRequest(2, along="n_genes", cells=3), "cannot show an effect"),
])
def test_what_cannot_be_done_is_said_in_one_sentence(run: Run, request_: SteerRequest, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        steer_run(run, request_)


def test_a_layer_without_switches_says_how_near_the_best_came(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = run.read("cell_labels")
    shuffled = np.random.default_rng(0).permutation(np.arange(len(run.read("cells")), dtype=float))
    own = pd.DataFrame({"cell": np.arange(len(shuffled)), "key": "chance", "value": shuffled.astype(str)})
    run.write("cell_labels", pd.concat([labels, own]))
    with pytest.raises(UserError, match=r"switches along chance with \|g\| of 0.5 and q < 0.05 \(the best has g = "):
        steer_run(run, SteerRequest(2, along="chance"))
    monkeypatch.setattr(room, "MIN_CELLS", 10**6)
    with pytest.raises(UserError, match="none fires in 1000000 early cells"):
        steer_run(run, SteerRequest(2, along="bulk_labels", order=ORDER, cells=10**6))


def test_cells_without_a_number_or_a_path_are_named_and_left_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    labels, names = run.read("cell_labels"), run.read("cells")["name"]
    rows = labels["key"] == "n_genes"
    labels.loc[rows & (labels["cell"] == 4), "value"] = "nan"
    run.write("cell_labels", labels[~(rows & (labels["cell"] == 7))])
    order = order_cells(run, along="n_genes")
    assert np.flatnonzero(np.isnan(order.place)).tolist() == [4, 7]
    assert order.notes == (f"2 of {len(names)} cells have no finite n_genes and are left out: {names[4]}, {names[7]}",)
    assert (order.group[[4, 7]] == NOWHERE).all()
    time = np.append(np.inf, np.arange(len(names) - 1.0))
    monkeypatch.setattr(ordering_room, "diffusion_pseudotime", lambda _run, _inside: (time, 1))
    order = order_cells(run, root=("bulk_labels", "CD34+"))
    assert order.group[0] == NOWHERE
    assert f"1 of {len(names)} cells have no path to cell {names[1]}" in order.notes[1]
    assert order.notes[1].endswith(f"are left out: {names[0]}")


def test_bad_words_on_the_command_line(run: Run) -> None:
    wrong = ((["--root", "day"], "write LABEL=VALUE"), (["--along", "x", "--alphas", "a"], "holds no numbers"))
    for words, sentence in wrong:
        with pytest.raises(UserError, match=sentence):
            CliRunner().invoke(app, ["steer", str(run.path), "--layer", "2", *words], catch_exceptions=False)


def test_pseudotime_starts_at_the_medoid_of_the_root_and_runs_away_from_it(run: Run) -> None:
    labels = run.read("cell_labels").query("key == 'bulk_labels'").set_index("cell")["value"]
    inside = (labels == "CD34+").to_numpy()
    time, start = diffusion_pseudotime(run, inside)
    assert inside[start]
    assert time[start] == 0
    finite = np.isfinite(time)
    assert time[finite & ~inside].mean() > time[finite & inside].mean()
    order = order_cells(run, root=("bulk_labels", "CD34+"))
    assert order.notes[0].endswith("the medoid of bulk_labels CD34+")
    assert order.place[start] == np.nanmin(order.place)
    names = run.read("cells")["name"]
    run.write("cells", run.read("cells").assign(name="c" + names))
    with pytest.raises(UserError, match="does not have each cell of"):
        order_cells(run, root=("bulk_labels", "CD34+"))
