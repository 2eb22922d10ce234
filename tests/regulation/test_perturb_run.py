"""The command on a small run: a knock-out that takes genes away is seen, one that does nothing is not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from tests.regulation.conftest import KNOCKED_OUT, SILENT
from tests.regulation.test_screen import request
from typer.testing import CliRunner

import cellprism
from cellprism.cli import app
from cellprism.errors import UserError
from cellprism.regulation import activity as activity_room
from cellprism.regulation import perturb_run as room
from cellprism.regulation.networks import known_targets
from cellprism.regulation.perturb_run import perturb_run
from cellprism.regulation.summary import summary, verdict
from cellprism.runs.schemas import read_notes

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.runs.directory import Run

LAYER = 1
TABLES = ("perturbations", "responses", "tf_targets", "regulation_rates")


def test_a_screen_is_answered_in_tables(
    run: Run, screen_file: Path, network: Path, targets: list[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = perturb_run(run, request(screen_file, networks=(str(network),)))
    reader = cellprism.open_run(run.path)
    tables = {name: getattr(reader, name)(LAYER) for name in TABLES}
    arms = tables["perturbations"].set_index("target")
    assert arms.index[0] == KNOCKED_OUT
    assert arms.loc[KNOCKED_OUT, "responding"] > 10 > arms.loc[SILENT, "responding"]
    assert arms.loc[KNOCKED_OUT, "knockdown"] < -1
    assert arms.loc[KNOCKED_OUT, "knockdown_p"] < 0.01
    assert arms.loc[SILENT, "knockdown_p"] > 0.01
    assert (arms[["n_guides", "n_replicates"]] == 4).all(axis=None)
    assert (arms["n_control"] == 6).all()
    responses = tables["responses"]
    assert responses.groupby("target")["p"].is_monotonic_increasing.all()
    assert ((responses["low"] < responses["effect"]) & (responses["effect"] < responses["high"])).all()
    factor = tables["tf_targets"].iloc[0]
    assert (factor["target"], factor["n_targets"]) == (KNOCKED_OUT, len(targets))  # itself and what is not read: out
    assert factor["auroc_expression"] > 0.9
    assert factor["p_expression"] < 0.05
    assert factor["auroc"] > 0.6
    assert len(tables["tf_targets"]) == 1  # the other factor knows one target
    rates = tables["regulation_rates"].set_index(["rate", "protocol"])
    assert rates.loc[("responding", "calibrated"), "value"] > 5 * rates.loc[("responding", "calibrated"), "null_mean"]
    assert rates.loc[("p_below_0.05", "calibrated"), "null_mean"] < 0.075
    assert ("perturbations_responding", "published") in rates.index
    assert not list(run.file("regulation").glob("*.work"))
    text = "\n".join(summary(found, run.read("labels", LAYER)))
    assert KNOCKED_OUT in text
    assert "guides are the replicates" in text
    assert "far from what the run knows" not in text
    monkeypatch.setattr(room, "FAR", 5.0)
    found = perturb_run(run, request(screen_file, cells=12))
    assert read_notes(run.file("regulation") / f"responses_{LAYER:02d}.parquet")["cautions"] == found.notes["cautions"]
    assert "far from what the run knows" in "\n".join(summary(found, run.read("labels", LAYER)))


def test_cells_are_the_replicates_without_guides(run: Run, screen_file: Path) -> None:
    found = perturb_run(run, request(screen_file, guide=None))
    arms = found.perturbations.set_index("target")
    assert arms["n_guides"].isna().all()
    assert (arms["n_replicates"] == arms["n_cells"]).all()
    text = "\n".join(summary(found, run.read("labels", LAYER)))
    assert "cells are the replicates" in text
    assert "name some by `--network`" in text


def test_an_interrupted_command_goes_on_and_another_request_starts_anew(
    run: Run, screen_file: Path, network: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = request(screen_file, cells=12, networks=(str(network),))
    whole = perturb_run(run, asked)
    with monkeypatch.context() as context:
        context.setattr(room, "perturbed_tables", lambda *_a, **_k: pytest.fail("stop"))
        with pytest.raises(pytest.fail.Exception):
            perturb_run(run, asked)
    calls: list[int] = []
    encode = activity_room._encode
    monkeypatch.setattr(activity_room, "_encode", lambda *a: calls.append(1) or encode(*a))
    again = perturb_run(run, asked)
    assert calls == []
    for name in ("perturbations", "responses", "tf_targets", "rates"):
        pd.testing.assert_frame_equal(getattr(whole, name), getattr(again, name))
    perturb_run(run, replace(asked, seed=1))
    assert calls


def test_the_command_prints_and_refuses(run: Run, screen_file: Path, network: Path, tmp_path: Path) -> None:
    options = ["--target", "target", "--control", "control", "--guide", "guide", "--where", "cell_line=A"]
    command = ["perturb", str(run.path), str(screen_file), "--layer", "1", *options, "--cells", "20"]
    result = CliRunner().invoke(app, [*command, "--network", str(network)])
    assert result.exit_code == 0, result.output
    assert "known targets come first for" in result.output
    assert "responses(1)" in result.output
    with pytest.raises(UserError, match=r"`--where cell_line` is no choice of cells: write column=value"):
        CliRunner().invoke(app, [*command, "--where", "cell_line"], catch_exceptions=False)
    with pytest.raises(UserError, match="has no layer 7"):
        perturb_run(run, request(screen_file, layer=7))
    genes = tmp_path / "sets.gmt"
    genes.write_text("a term\tnone\tCD74\tCD79A\n")
    with pytest.raises(UserError, match=r"names no factors and targets: give a table of TRRUST"):
        perturb_run(run, request(screen_file, networks=(str(genes),)))


def test_tables_that_are_not_there_or_rest_on_something_else_are_refused(run: Run, screen_file: Path) -> None:
    reader = cellprism.open_run(run.path)
    with pytest.raises(UserError, match=r"no table responses in regulation/: make it with `cellprism perturb"):
        reader.responses(LAYER)
    perturb_run(run, request(screen_file, cells=12))
    (run.file("model.json")).write_text(run.file("model.json").read_text() + " ")
    with pytest.raises(UserError, match="make it anew with `cellprism perturb"):
        reader.perturbations(LAYER)


def test_factors_are_the_terms_named_after_them(network: Path, shared: Path) -> None:
    found = known_targets(["immune"], [str(network), str(shared / "data/networks/collectri.csv")])
    assert list(found) == ["regulons", "collectri"]
    assert KNOCKED_OUT not in found["regulons"][KNOCKED_OUT]
    assert {"IRF1", "SOCS3"} <= found["collectri"]["STAT1"]


@pytest.mark.parametrize(("q", "q_expression", "power", "words"), [
    ([0.01, 0.9], [0.5, 0.5], 0.9, "1 of them cannot be seen in the expression itself"),
    ([0.01, 0.9], [0.01, 0.9], 0.9, "the expression already answers, the model adds nothing"),
    ([0.2, 0.9], [0.01, 0.9], 0.9, "the features do not show it"),
    ([0.2, 0.9], [0.2, 0.9], 0.9, "not in the expression either"),
    ([0.2, 0.9], [0.2, 0.9], 0.1, "too low to conclude"),
])
def test_the_verdict_says_what_the_model_adds(
    q: list[float], q_expression: list[float], power: float, words: str,
) -> None:
    table = pd.DataFrame({"q": q, "q_expression": q_expression, "power": np.full(2, power)})
    assert words in verdict(table)
