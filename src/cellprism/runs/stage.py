"""How a stage is run: once, whole, and again only when something it depends on has changed."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cellprism.runs.files import remove_leftovers, sha256, size, write_json
from cellprism.runs.manifest import environment, peak_memory, write_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from cellprism.runs.config import Config
    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress


@dataclass(frozen=True)
class Stage:
    """One step of a run.

    Attributes
    ----------
    name
        Unique among the stages of a run.
    function
        Called with the run, the layer (None unless ``per_layer``) and a progress listener. It reads ``inputs``, writes
        ``outputs`` and may return facts for the manifest. Interrupted, it is called again and finds its own partial
        outputs; if anything it depends on changed meanwhile, it finds none.
    inputs, outputs
        Files or directories of the run. ``{layer}`` stands for the layer's folder; in the inputs of a stage that is
        not per layer it stands for the folders of all layers.
    config
        Names of the config sections and keys it depends on.
    external
        Files outside the run on which it depends.
    per_layer
        Run once for each layer.
    transient
        Outputs are deleted once every stage that reads them is done.
    kept
        Whether the config asks for transient outputs to stay.
    version
        Raise it when the function computes something else than before.
    """

    name: str
    function: Callable[[Run, int | None, Progress], dict[str, Any] | None]
    outputs: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    config: tuple[str, ...] = ()
    external: Callable[[Config], Sequence[Path]] = field(default=lambda _config: ())
    per_layer: bool = False
    transient: bool = False
    kept: Callable[[Config], bool] = field(default=lambda _config: False)
    version: int = 1


@dataclass(frozen=True)
class Task:
    """A stage, or a stage on one layer, within a run."""

    stage: Stage
    run: Run
    layer: int | None

    @property
    def name(self) -> str:
        return self.stage.name if self.layer is None else f"{self.stage.name}.{self.layer:02d}"

    @property
    def marker(self) -> Path:
        return self.run.path / "stages" / f"{self.name}.json"

    @property
    def begun(self) -> Path:
        return self.run.path / "stages" / f"{self.name}.begun"

    def outputs(self) -> list[str]:
        layers = [] if self.layer is None else [self.layer]
        return _expand(self.stage.outputs, layers if self.stage.per_layer else self.run_layers())

    def inputs(self) -> list[str]:
        return _expand(self.stage.inputs, self.run_layers() if self.layer is None else [self.layer])

    def run_layers(self) -> list[int]:
        return list(self.run.layers) if self.run.file("model.json").exists() else []


def run_stages(stages: Sequence[Stage], run: Run, progress: Progress) -> None:
    """Run every stage that is not up to date, in order. A failure leaves the finished stages as they are."""
    remove_leftovers(run.path)
    known: dict[str, str] = {}
    for position, stage in enumerate(stages):
        for task in _tasks(stage, run):
            key = _key(task, known)
            if not (_is_current(task, key) and (_is_whole(task) or _is_spent(task, stages[position + 1 :], known))):
                _execute(task, key, progress)
            known.update(_marker(task)["outputs"])
        write_manifest(run.path, run.config.seed)
    for stage in stages:
        if stage.transient and not stage.kept(run.config):
            for task in _tasks(stage, run):
                _remove(run.path / name for name in task.outputs())


def stage_states(stages: Sequence[Stage], run: Run) -> list[tuple[str, str, float]]:
    """Name, state (``done``, ``interrupted`` or ``waiting``) and seconds of every task, in order."""
    states = []
    for stage in stages:
        if stage.per_layer and not run.file("model.json").exists():
            states.append((f"{stage.name}.*", "waiting", 0.0))
            continue
        for task in _tasks(stage, run):
            if task.marker.exists():
                states.append((task.name, "done", float(_marker(task)["seconds"])))
            else:
                states.append((task.name, "interrupted" if task.begun.exists() else "waiting", 0.0))
    return states


def _tasks(stage: Stage, run: Run) -> list[Task]:
    return [Task(stage, run, layer) for layer in (run.layers if stage.per_layer else (None,))]


def _expand(patterns: Iterable[str], layers: Sequence[int]) -> list[str]:
    names = []
    for pattern in patterns:
        folders = [f"layers/{layer:02d}" for layer in layers] if "{layer}" in pattern else [""]
        names += [pattern.replace("{layer}", folder) for folder in folders]
    return names


def _key(task: Task, known: dict[str, str]) -> str:
    """Hash of everything the task's outputs depend on; ``known`` has the hashes of the outputs made before it."""
    settings = task.run.config.model_dump(mode="json")
    parts = {
        "stage": [task.name, task.stage.version],
        "config": {name: _setting(settings, name) for name in task.stage.config},
        "inputs": {name: known[name] for name in task.inputs()},
        "external": [sha256(path) for path in task.stage.external(task.run.config)],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _setting(settings: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        settings = settings[part]
    return settings


def _is_current(task: Task, key: str) -> bool:
    return task.marker.exists() and _marker(task)["key"] == key


def _is_whole(task: Task) -> bool:
    paths = {task.run.path / name: n for name, n in _marker(task)["sizes"].items()}
    return all(path.exists() and size(path) == n for path, n in paths.items())


def _is_spent(task: Task, later: Sequence[Stage], known: dict[str, str]) -> bool:
    """Whether a current task's outputs are transient and every stage that reads them is up to date."""
    if not task.stage.transient or task.stage.kept(task.run.config):
        return False
    outputs = _marker(task)["outputs"]
    known = {**known, **outputs}
    stale: set[str] = set()
    for other in (t for stage in later for t in _tasks(stage, task.run)):
        inputs = other.inputs()
        current = stale.isdisjoint(inputs) and _is_current(other, _key(other, known)) and _is_whole(other)
        if current:
            known.update(_marker(other)["outputs"])
        elif not outputs.keys().isdisjoint(inputs):
            return False
        else:
            stale.update(other.outputs())
    return True


def _execute(task: Task, key: str, progress: Progress) -> None:
    if task.marker.exists() or (task.begun.exists() and json.loads(task.begun.read_text())["key"] != key):
        task.marker.unlink(missing_ok=True)
        _remove(task.run.path / name for name in task.outputs())
    write_json(task.begun, {"key": key})
    started, cores = time.time(), time.process_time()
    facts = task.stage.function(task.run, task.layer, progress) or {}
    outputs = {name: task.run.path / name for name in task.outputs()}
    write_json(task.marker, {
        "key": key,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(time.time() - started, 3),
        "cpu_seconds": round(time.process_time() - cores, 3),
        "peak_memory": peak_memory(),
        "outputs": {name: sha256(path) for name, path in outputs.items()},
        "sizes": {name: size(path) for name, path in outputs.items()},
        "inputs": task.inputs(),
        "facts": facts,
        "environment": environment(),
    })
    task.begun.unlink()


def _marker(task: Task) -> dict[str, Any]:
    marker: dict[str, Any] = json.loads(task.marker.read_text())
    return marker


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
