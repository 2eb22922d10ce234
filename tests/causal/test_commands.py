"""Patching, interactions and damage on a small run: tables, resuming, refusals, and what the commands print."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import cellprism
from cellprism.causal import damage as damage_room
from cellprism.causal import interact_run as interact_room
from cellprism.causal import patch_run as patch_room
from cellprism.causal.damage_run import DamageRequest, damage_run, hubs
from cellprism.causal.interact_run import InteractRequest, interact_run
from cellprism.causal.patch_run import PatchRequest, patch_run, patching_rates
from cellprism.causal.requests import TraceRequest
from cellprism.causal.subjects import MIN_GENES, find_subjects
from cellprism.causal.tracing import trace
from cellprism.cli import app
from cellprism.errors import UserError
from cellprism.knowledge.gene_sets import load_gene_sets
from cellprism.runs.files import sha256

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.runs.directory import Run

LAYER = 1


def interrupt(monkeypatch: pytest.MonkeyPatch, room: Any, name: str, after: int) -> None:
    """Let ``room.name`` work so many times and then be interrupted."""
    function, calls = getattr(room, name), []

    def once_too_often(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) > after:
            raise KeyboardInterrupt
        return function(*args, **kwargs)

    monkeypatch.setattr(room, name, once_too_often)


def test_held_out_genes_are_of_the_term_and_never_top_genes(labelled: Run) -> None:
    features = labelled.read("labels", LAYER)["feature"].to_numpy()
    subjects = find_subjects(labelled, LAYER, features)
    assert subjects
    genes = labelled.read("genes")["symbol"].str.upper()
    top = labelled.read("top_genes", LAYER)
    sets = load_gene_sets(["immune"])["immune"]
    for subject in subjects:
        own = set(top.loc[top["feature"] == subject.feature, "gene"])
        assert len(subject.held_out) >= MIN_GENES
        assert set(genes[subject.held_out]) <= set(sets[subject.term])
        assert not own & set(subject.held_out)
        assert not set(genes[subject.pool]) & set(sets[subject.term])
        assert not own & set(subject.pool)
    assert find_subjects(labelled, LAYER, np.array([], np.int64)) == []


def test_patching_goes_on_where_it_was_interrupted(labelled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    request = PatchRequest(LAYER, "top:4", cells=10)
    whole = patch_run(labelled, request)
    with monkeypatch.context() as context:
        interrupt(context, patch_room, "measure", after=1)
        with pytest.raises(KeyboardInterrupt):
            patch_run(labelled, request)
    assert (labelled.file("causal") / f"patching_{LAYER:02d}.work").is_dir()
    calls: list[int] = []
    measure = patch_room.measure
    monkeypatch.setattr(patch_room, "measure", lambda *a, **k: calls.append(1) or measure(*a, **k))
    again = patch_run(labelled, request)
    pd.testing.assert_frame_equal(again, whole)
    assert len(calls) == len(whole) - 1
    assert not list(labelled.file("causal").glob("*.work"))
    reader = cellprism.open_run(labelled.path)
    pd.testing.assert_frame_equal(reader.patching(LAYER), whole, check_dtype=False)  # int32 on disk
    assert set(reader.causal_rates()["rate"]) == {"carries_term", "specific"}
    assert (whole["low"] <= whole["effect"]).all()
    assert (whole["p"] > 0).all()


def test_a_table_of_other_autoencoders_is_refused(labelled: Run) -> None:
    patch_run(labelled, PatchRequest(LAYER, "top:2", cells=10))
    reader = cellprism.open_run(labelled.path)
    assert len(reader.patching(LAYER))
    labelled.file("sae.safetensors", LAYER).write_bytes(labelled.file("sae.safetensors", 2).read_bytes())
    with pytest.raises(UserError, match="make it anew with `cellprism patch"):
        reader.patching(LAYER)


def test_interactions_go_on_where_they_were_interrupted(labelled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interact_room, "BLOCK", 2)
    request = InteractRequest((LAYER, LAYER), target=3, each=2, cells=10)
    name, whole = interact_run(labelled, request)
    assert name == "01-01-to-03"
    tests = cellprism.open_run(labelled.path).interactions()
    with monkeypatch.context() as context:
        interrupt(context, interact_room, "joint_effects", after=25)
        with pytest.raises(KeyboardInterrupt):
            interact_run(labelled, request)
    _, again = interact_run(labelled, request)
    pd.testing.assert_frame_equal(again, whole)
    reader = cellprism.open_run(labelled.path)
    pd.testing.assert_frame_equal(reader.interactions(name), tests)
    assert set(whole["scheme"]) == {"same term", "different terms", "random"}
    assert (reader.combinations()["live"] == tests.groupby("combination").size()).all()
    assert whole["feature_c"].isna().all()
    named, table = interact_run(labelled, InteractRequest(
        named=(tuple((LAYER, int(whole.loc[0, f"feature_{part}"])) for part in "ab"),), cells=10,
    ))
    assert named == "named-to-03"
    np.testing.assert_allclose(table.loc[0, "additivity"], whole.loc[0, "additivity"], rtol=0.2)
    with pytest.raises(UserError, match=r"several interactions: choose among 01-01-to-03, named-to-03"):
        reader.interactions()


def test_damage_is_on_the_same_cells_for_all_arms(labelled: Run) -> None:
    arms = damage_run(labelled, DamageRequest(LAYER, "top:4", cells=8))
    assert arms["arm"].tolist() == ["matched", "random"] * 2
    assert (arms["n_cells"] == 8).all()
    damage = cellprism.open_run(labelled.path).damage(LAYER)
    assert damage["arm"].value_counts().to_dict() == {"chosen": 4, "matched": 4, "random": 4}
    chosen = set(damage.loc[damage["arm"] == "chosen", "feature"])
    assert set(damage.loc[damage["arm"] == "matched", "partner"]) == chosen
    assert not chosen & set(damage.loc[damage["arm"] != "chosen", "feature"])


def test_damage_goes_on_where_it_was_interrupted(labelled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    request = DamageRequest(LAYER, "top:4", cells=8)
    whole = damage_run(labelled, request)
    with monkeypatch.context() as context:
        interrupt(context, damage_room, "_damage_in", after=5)
        with pytest.raises(KeyboardInterrupt):
            damage_run(labelled, request)
    assert len(list((labelled.file("causal") / f"damage_{LAYER:02d}.work").glob("cell_*.npz"))) == 5
    calls: list[int] = []
    measure = damage_room._damage_in
    monkeypatch.setattr(damage_room, "_damage_in", lambda *a: calls.append(1) or measure(*a))
    pd.testing.assert_frame_equal(damage_run(labelled, request), whole)
    assert len(calls) == 3
    assert not list(labelled.file("causal").glob("*.work"))
    damage_run(labelled, DamageRequest(LAYER, "top:4", cells=8, seed=1))
    assert len(calls) == 11


def test_a_kill_of_damage_at_a_random_moment_changes_nothing(labelled: Run) -> None:
    words = ["damage", str(labelled.path), "--layer", str(LAYER), "--features", "random:6", "--cells", "24"]
    folder = labelled.file("causal")
    tables = [folder / f"{name}_{LAYER:02d}.parquet" for name in ("damage", "damage_arms")]
    with subprocess.Popen([sys.executable, "-m", "cellprism", *words], stdout=subprocess.DEVNULL) as victim:
        while not list(folder.rglob("cell_*.npz")) and victim.poll() is None:
            time.sleep(0.002)
        time.sleep(np.random.default_rng().uniform(0, 0.05))
        victim.send_signal(signal.SIGKILL)
    assert 0 < len(list(folder.rglob("cell_*.npz"))) < 24
    assert not any(path.exists() for path in tables)
    assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0
    resumed = [sha256(path) for path in tables]
    assert not list(folder.glob("*.work"))
    assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0
    assert [sha256(path) for path in tables] == resumed


def test_hubs_are_the_sources_of_a_trace_with_more_edges_than_firing_explains(run: Run) -> None:
    with pytest.raises(UserError, match=r"has 0 traces by ablation from layer 1, and hubs need one: `cellprism trace"):
        hubs(run, LAYER, "hubs:3", None)
    trace(run, TraceRequest(source=LAYER, features="random:12", cells=12, targets=(2,)))
    degrees = cellprism.open_run(run.path).trace("01-ablation-random12").degrees()
    expected = degrees[degrees["side"] == "out"].nlargest(3, "residual")["feature"]
    assert hubs(run, LAYER, "hubs:3", None).tolist() == sorted(expected)
    assert hubs(run, LAYER, "hubs:3", "01-ablation-random12").tolist() == sorted(expected)
    with pytest.raises(UserError, match="names no hubs of layer 1: give hubs:N with N from 1 to"):
        hubs(run, LAYER, "hubs:99", None)
    assert (damage_run(run, DamageRequest(LAYER, "hubs:3", cells=4))["n_features"] == 3).all()


@pytest.mark.parametrize(("call", "sentence"), [
    (lambda run: patch_run(run, PatchRequest(9)), "has no layer 9: choose among 0, 1, 2, 3"),
    (lambda run: interact_run(run, InteractRequest((1, 3))), "layer 3 does not come after layer 3"),
    (lambda run: interact_run(run, InteractRequest((0,))), "two or three parts, not 1"),
    (lambda run: interact_run(run, InteractRequest(named=(((0, 1), (1, 9999)),))), "layer 1 has no feature 9999"),
    (lambda run: damage_run(run, DamageRequest(1, "all")), "only 0 other features of layer 1 fire in ten cells"),
])
def test_what_cannot_be_done_is_said_in_one_sentence(run: Run, call: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        call(run)


def test_features_without_terms_cannot_be_patched(labelled: Run, tmp_path: Path) -> None:
    with_label = labelled.read("labels", LAYER)["feature"]
    unlabelled = sorted(set(labelled.read("features", LAYER)["feature"]) - set(with_label))
    (tmp_path / "list.txt").write_text(f"{unlabelled[0]}, {unlabelled[1]}")
    with pytest.raises(UserError, match="has a term with 3 genes beside its top genes"):
        patch_run(labelled, PatchRequest(LAYER, str(tmp_path / "list.txt")))


def test_rates_count_features_and_permuted_sets_by_the_same_rule() -> None:
    rng = np.random.default_rng(0)
    nulls = rng.standard_normal((5, 400))
    table = pd.DataFrame({
        "q": [0.01, 0.01, 0.2, 0.01, 0.5], "effect": [-1.0, -1.0, -1.0, 1.0, -0.1],
        "published_ratio": [2.0, 3.0, 4.0, 5.0, 0.5], "published_random": [2.0, 0.5, 2.0, 0.5, 0.5],
    })
    rates = patching_rates(table, nulls).set_index("rate")
    assert rates.loc["carries_term", "value"] == 0.4
    assert rates.loc["carries_term", "null_mean"] < 0.02
    assert rates.loc["carries_term", "n_permutations"] == 400
    assert rates.loc["specific", ["value", "null_mean"]].tolist() == [0.8, 0.4]


def test_the_commands_say_what_was_found_and_where(labelled: Run, tmp_path: Path) -> None:
    def said(*words: str) -> str:
        result = CliRunner().invoke(app, list(words), catch_exceptions=False)
        assert result.exit_code == 0
        return result.output

    path = str(labelled.path)
    output = said("patch", path, "--layer", "1", "--features", "top:2")
    assert "tested features carry hidden genes of their terms (q < 0.05); with permuted sets of genes" in output
    first, second = labelled.read("labels", LAYER)["feature"].head(2)
    (tmp_path / "pairs.txt").write_text(f"1:{first} 1:{second}\n\n")
    output = said("interact", path, "--features", str(tmp_path / "pairs.txt"), "--cells", "10")
    assert "named: 1 combinations in 10 to 10 cells, together" in output
    assert "live targets interact (signs flipped 0.00%)" in output
    assert "interactions('named-to-03')" in output
    output = said("damage", path, "--layer", "1", "--features", "top:2", "--cells", "4")
    assert "damage of 2 chosen features less that of as many others" in output
    assert "loss                 against matched" in output
    for words, sentence in (
        (["interact", path], "give one of the two"),
        (["damage", path, "--layer", "1"], f"`cellprism trace {path} --source 1` finds them"),
        (["interact", path, "--layers", "x"], "names no layers"),
        (["interact", path, "--features", str(tmp_path / "none.txt")], "no combinations in"),
    ):
        with pytest.raises(UserError, match=sentence):
            CliRunner().invoke(app, words, catch_exceptions=False)
    (tmp_path / "wrong.txt").write_text("1:2 3")
    with pytest.raises(UserError, match="line 1 is '1:2 3'"):
        CliRunner().invoke(app, ["interact", path, "--features", str(tmp_path / "wrong.txt")], catch_exceptions=False)


@pytest.mark.parametrize("words", [
    ["patch", "--layer", "1", "--cells", "9"], ["interact", "--layers", "0,1", "--cells", "0"],
    ["interact", "--layers", "0,1", "--each", "0"], ["damage", "--layer", "1", "--cells", "1"],
    ["patch", "--layer", "1", "--seed", "-1"],
])
def test_numbers_that_cannot_work_are_refused(run: Run, words: list[str]) -> None:
    result = CliRunner().invoke(app, [words[0], str(run.path), *words[1:]])
    assert result.exit_code == 2
    assert "greater than or equal to" in result.output
