from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cellprism.causal.requests import READ, TraceRequest, choose_features, read_described, resolve
from cellprism.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.runs.directory import Run

ASKED = TraceRequest(source=1, cells=10)


def test_all_are_the_features_that_ever_fire(run: Run) -> None:
    trace = resolve(run, ASKED)
    table = run.read("features", 1)
    assert trace.features.tolist() == table.loc[table["n_fired"] > 0, "feature"].tolist()
    assert trace.targets == (2, 3)
    assert len(trace.cells) == 10
    assert (np.diff(trace.cells) > 0).all()


def test_top_features_have_the_smallest_q_of_their_label(run: Run) -> None:
    table, labels = run.read("features", 1), run.read("labels", 1)
    often = table.loc[~table["rare"] & ~table["dead"], "feature"]
    labels = labels[labels["feature"].isin(often)].sort_values(["q", "feature"])
    assert len(labels) > 2
    assert choose_features(run, 1, "top:2", 0).tolist() == sorted(labels["feature"].iloc[:2])


def test_random_features_fire_often_and_depend_on_the_seed(run: Run) -> None:
    table = run.read("features", 1).set_index("feature")
    first, again, other = (choose_features(run, 1, "random:12", seed) for seed in (0, 0, 1))
    assert first.tolist() == again.tolist() != other.tolist()
    assert len(set(first)) == 12
    assert (table.loc[first, "n_cells"] >= 10).all()


def test_features_come_from_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("7, 3\n3 11\n")
    assert choose_features(run, 1, str(tmp_path / "mine.txt"), 0).tolist() == [3, 7, 11]


def test_more_cells_than_there_are_means_all(run: Run) -> None:
    assert resolve(run, replace(ASKED, cells=500)).cells.tolist() == list(range(24))


@pytest.mark.parametrize(("change", "sentence"), [
    ({"source": 7}, "has no layer 7"),
    ({"source": 3}, "layer 3 is the last"),
    ({"targets": (1, 2)}, "layer 1 cannot be a target"),
    ({"features": "top:x"}, "names no features"),
    ({"features": "random:0"}, "names no features"),
    ({"features": "random:9999"}, "fire in ten cells or more: ask for random:"),
    ({"features": "nothing.txt"}, "give all, top:N, random:N or a text file"),
    ({"cells": 1}, "ask for 2 or more"),
    ({"method": "guess"}, "choose ablation, attribution, ig"),
    ({"control": "other"}, "choose none, random, feature"),
    ({"control": "random", "method": "ig"}, "controls are traced by ablation"),
    ({"alpha": 1.0}, "is no edit"),
    ({"target_features": "top:2"}, "is for attribution and ig"),
])
def test_what_cannot_be_traced_is_refused_in_a_sentence(run: Run, change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        resolve(run, replace(ASKED, **change))


@pytest.mark.parametrize("text", ["3 four", "99999", ""])
def test_a_file_of_something_else_is_refused(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.txt").write_text(text)
    with pytest.raises(UserError, match="write feature numbers from 0 to 127"):
        resolve(run, replace(ASKED, features=str(tmp_path / "mine.txt")))


def test_a_run_that_has_not_come_so_far_is_refused(run: Run) -> None:
    run.file("sae.safetensors", 2).unlink()
    with pytest.raises(UserError, match="has not come so far"):
        resolve(run, ASKED)


def test_what_another_version_wrote_is_refused_in_a_sentence(run: Run, tmp_path: Path) -> None:
    said = json.loads(json.dumps(resolve(run, ASKED).describe()))
    path = tmp_path / "trace.json"
    path.write_text(json.dumps(said))
    assert read_described(tmp_path) == said
    older = [{k: v for k, v in said.items() if k != name} for name in sorted(READ)]
    for other in [json.dumps(one) for one in (*older, {**said, "format": 2}, [])] + ["{"]:
        path.write_text(other)
        with pytest.raises(UserError, match=r"trace.json was written by another version of cellprism: delete "):
            read_described(tmp_path)
