from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cellprism.errors import UserError
from cellprism.pipeline import run as run_pipeline
from cellprism.runs.config import Config, parse_config
from cellprism.runs.directory import Run, create, open_directory
from cellprism.runs.files import write_json, write_text
from cellprism.runs.progress import Silent
from cellprism.runs.stage import Stage, run_stages, stage_states

if TYPE_CHECKING:
    from pathlib import Path


class Chain:
    """Stages a -> b (transient) -> c per layer -> d, which count how often they ran."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.fail = ""
        self.stages = (
            Stage("a", self.a, outputs=("model.json", "a.txt"), config=("seed",)),
            Stage("b", self.b, inputs=("a.txt",), outputs=("{layer}/b.txt",), transient=True),
            Stage(
                "c", self.c, inputs=("{layer}/b.txt",), outputs=("{layer}/c.txt",), config=("sae.k",), per_layer=True,
            ),
            Stage("d", self.d, inputs=("{layer}/c.txt",), outputs=("d.txt",), config=("title",)),
        )

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name == self.fail:
            msg = "stop"
            raise RuntimeError(msg)

    def a(self, run: Run, _layer: int | None, _progress: Any) -> dict[str, Any]:
        self._call("a")
        write_json(run.file("model.json"), {"layers": [0, 1]})
        write_text(run.file("a.txt"), f"seed {run.config.seed}")
        return {"fact": 1}

    def b(self, run: Run, _layer: int | None, _progress: Any) -> None:
        self._call("b")
        for layer in run.layers:
            write_text(run.file("b.txt", layer), run.file("a.txt").read_text() + str(layer))

    def c(self, run: Run, layer: int | None, _progress: Any) -> None:
        self._call(f"c{layer}")
        write_text(run.file("c.txt", layer), run.file("b.txt", layer).read_text() + f"k {run.config.sae.k}")

    def d(self, run: Run, _layer: int | None, _progress: Any) -> None:
        self._call("d")
        write_text(run.file("d.txt"), "".join(run.file("c.txt", n).read_text() for n in run.layers))

    def run(self, out: Path, **changes: Any) -> list[str]:
        """Run the chain; return the stages that were called."""
        self.calls = []
        target = create(parse_config({"out": str(out), **changes}))
        run_stages(self.stages, target, Silent())
        return self.calls


def test_stages_run_once_and_again_when_what_they_depend_on_changes(tmp_path: Path) -> None:
    chain = Chain()
    assert chain.run(tmp_path) == ["a", "b", "c0", "c1", "d"]
    assert chain.run(tmp_path) == []
    assert chain.run(tmp_path, title="new") == ["d"]
    assert chain.run(tmp_path, title="new", sae={"k": 3}) == ["b", "c0", "c1", "d"]
    assert chain.run(tmp_path, title="new", sae={"k": 3}, seed=1) == ["a", "b", "c0", "c1", "d"]
    assert (tmp_path / "d.txt").read_text() == "seed 10k 3seed 11k 3"


def test_transient_outputs_are_deleted_and_made_again_only_if_needed(tmp_path: Path) -> None:
    chain = Chain()
    chain.run(tmp_path)
    assert not (tmp_path / "layers/00/b.txt").exists()
    (tmp_path / "d.txt").unlink()
    assert chain.run(tmp_path) == ["d"]
    (tmp_path / "layers/01/c.txt").unlink()
    assert chain.run(tmp_path) == ["b", "c1"]


def test_a_truncated_output_is_made_again(tmp_path: Path) -> None:
    chain = Chain()
    chain.run(tmp_path)
    (tmp_path / "a.txt").write_text("")
    assert chain.run(tmp_path) == ["a"]


def test_a_failure_keeps_what_is_done(tmp_path: Path) -> None:
    chain = Chain()
    chain.fail = "c1"
    with pytest.raises(RuntimeError):
        chain.run(tmp_path)
    states = {name: state for name, state, _ in stage_states(chain.stages, open_directory(tmp_path))}
    assert states == {"a": "done", "b": "done", "c.00": "done", "c.01": "interrupted", "d": "waiting"}
    chain.fail = ""
    assert chain.run(tmp_path) == ["c1", "d"]


def test_partial_outputs_survive_only_for_the_same_key(tmp_path: Path) -> None:
    seen = []

    def slow(run: Run, _layer: int | None, _progress: Any) -> None:
        seen.append(run.file("part.txt").exists())
        write_text(run.file("part.txt"), "half")
        if len(seen) < 3:
            msg = "stop"
            raise RuntimeError(msg)

    stages = (Stage("slow", slow, outputs=("part.txt",), config=("seed",)),)
    for seed in (0, 0, 1):
        target = create(parse_config({"out": str(tmp_path), "seed": seed}))
        try:
            run_stages(stages, target, Silent())
        except RuntimeError:
            continue
    assert seen == [False, True, False]


def test_the_manifest_names_versions_hashes_and_facts(tmp_path: Path) -> None:
    Chain().run(tmp_path, seed=7)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["seed"] == 7
    assert manifest["environment"]["cellprism"]
    assert manifest["stages"]["a"]["facts"] == {"fact": 1}
    assert manifest["stages"]["a"]["cpu_seconds"] >= 0
    assert manifest["stages"]["a"]["peak_memory"] > 1e7
    assert len(manifest["stages"]["c.01"]["outputs"]["layers/01/c.txt"]) == 64


def test_directories_that_are_no_run_or_too_new_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a cellprism run"):
        open_directory(tmp_path)
    (tmp_path / "letter.doc").write_text("dear")
    for path, words in ((tmp_path, "letter"), (tmp_path / "letter.doc", "is a file")):
        with pytest.raises(UserError, match=words):
            run_pipeline(Config(out=str(path)))
    assert [p.name for p in tmp_path.iterdir()] == ["letter.doc"]
    new = tmp_path / "new"
    create(Config(out=str(new)))
    write_json(new / "format.json", {"format": 99})
    for attempt in (lambda: open_directory(new), lambda: create(Config(out=str(new)))):
        with pytest.raises(UserError, match="format 99"):
            attempt()
