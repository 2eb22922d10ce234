"""Trace circuits: edit source features in many cells, test what follows, and write the edges."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.causal.agreement import agreement
from cellprism.causal.calibration import SourceEffects, calibrate
from cellprism.causal.cost import check_fit, read_targets, trace_cost
from cellprism.causal.engine import Engine
from cellprism.causal.finish import finish, write_tables
from cellprism.causal.notes import write_trace_table
from cellprism.causal.requests import CHANGES, PRECISION, checked_sources, read_described, resolve, run_key
from cellprism.causal.results import load_results, save_results
from cellprism.causal.summary import describe
from cellprism.causal.workfiles import by_source, read_effects, write_effects
from cellprism.errors import UserError
from cellprism.runs.files import remove_leftovers, write_json
from cellprism.runs.lock import exclusive
from cellprism.runs.manifest import environment
from cellprism.runs.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cellprism.causal.cost import Cost
    from cellprism.causal.requests import Trace, TraceRequest
    from cellprism.causal.results import SourceResult
    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress


def trace(
    run: Run, request: TraceRequest, *, name: str | None = None, keep_effects: bool = False,
    memory: float | None = None, like: Path | None = None, progress: Progress | None = None,
) -> Path:
    """Trace what ``request`` asks for into ``RUN/causal/NAME``, from where an earlier call left off.

    Sources go in blocks; for a block every cell is edited, the effects of each source are calibrated and reduced, and
    only the result is kept. A kill loses the block's work in one cell.

    Parameters
    ----------
    run
        A run whose layers are encoded and catalogued.
    request
        Sources, targets, cells, method.
    name
        Directory of the trace in ``RUN/causal``; default: what the request says.
    keep_effects
        Keep the effect on every target in every cell, as float16 in ``effects/``.
    memory
        Bytes that the trace may take; default: what is free.
    like
        Directory of a trace whose number format this one takes: a control's.
    progress
        Listener.

    Returns
    -------
    The directory with ``trace.json``, the tables of `runs.schemas`, and ``facts.json`` once it is done.

    Raises
    ------
    UserError
        The request does not fit the run, another trace is in the directory, or disk or memory will not do.
    """
    asked, folder = planned(run, request, name=name, like=like)
    said = progress or Silent()
    with exclusive(run.path):
        if not (folder / "facts.json").exists():
            cost = trace_cost(run, asked, keep_effects=keep_effects, memory=memory)
            check_fit(run, cost, memory)
            asked = replace(asked, dtype=cost.dtype)
            begun = (folder / "trace.json").exists()
            if begun:
                _begin(folder, asked, keep_effects=keep_effects)
            engine = Engine(run, asked, states=cost.states)
            if not begun and asked.dtype in CHANGES and asked.off_by is None:
                engine.hold_to_float32(cost.shared, said)
            _begin(folder, engine.trace, keep_effects=keep_effects)
            _work(run, engine, folder, said, cost=cost, keep_effects=keep_effects)
        else:
            _begin(folder, asked, keep_effects=keep_effects)
        shutil.rmtree(folder / "blocks", ignore_errors=True)
    return folder


def planned(
    run: Run, request: TraceRequest, *, name: str | None = None, like: Path | None = None,
) -> tuple[Trace, Path]:
    """A request as it will be traced, in the number format in which it was begun, and its directory.

    Parameters are those of `trace`.
    """
    asked = resolve(run, request)
    folder = run.file("causal") / (request.name() if name is None else _plain(name))
    begun = folder if (folder / "trace.json").exists() else like
    return (asked if begun is None else _as_begun(begun, asked)), folder


def is_stale(run: Run, folder: Path) -> bool:
    """Whether a trace is there, but of another version or of another model, cells or autoencoders than the run has."""
    if not (folder / "trace.json").exists():
        return False
    try:
        there = read_described(folder)
    except UserError:
        return True
    return bool(there["key"] != run_key(run, (there["source"], *there["targets"])))


def _plain(name: str) -> str:
    """The name, if it is one of a directory beside the other traces."""
    if not name or name.startswith(".") or set(name) & set("/\\"):
        msg = f"`--name {name}` names no directory in causal/ of the run: leave out slashes and a dot in front."
        raise UserError(msg)
    return name


def _as_begun(folder: Path, asked: Trace) -> Trace:
    """The trace in the number format of another, or in which it was begun, on another machine too."""
    there = read_described(folder)
    dtype = there.get("dtype", PRECISION)
    if dtype not in (PRECISION, *CHANGES) and not (folder / "facts.json").exists():
        msg = f"{folder} was begun in a number format that this version does not have: delete it and trace again."
        raise UserError(msg)
    return replace(asked, dtype=dtype, off_by=there.get("off_by")) if asked.request.method == "ablation" else asked


def _begin(folder: Path, asked: Trace, *, keep_effects: bool) -> None:
    """Write ``trace.json``, or check that the one that is there says the same."""
    remove_leftovers(folder)
    wanted: dict[str, Any] = json.loads(json.dumps({**asked.describe(), "keeps_effects": keep_effects}))
    path = folder / "trace.json"
    there = read_described(folder) if path.exists() else wanted
    differing = _differing(wanted, there) | _differing(wanted["asked"], there.get("asked", {}))
    if "key" in differing:
        msg = f"{folder} was traced before the run changed its model, cells or autoencoders: delete it and trace again."
        raise UserError(msg)
    if differing:
        what = ", ".join(sorted(differing - {"asked"}))
        msg = f"{folder} holds a trace with other {what}: choose another `--name`, or delete it."
        raise UserError(msg)
    if not path.exists():
        write_json(path, wanted)


def _differing(a: dict[str, Any], b: dict[str, Any]) -> set[str]:
    return {name for name in a.keys() | b.keys() if a.get(name) != b.get(name)}


def _work(run: Run, engine: Engine, folder: Path, progress: Progress, *, cost: Cost, keep_effects: bool) -> None:
    started, asked, work = time.monotonic(), engine.trace, folder / "blocks"
    # the names say which sources, so that another division into blocks finds nothing
    files = {work / f"{block[0]:06d}-{block[-1]:06d}.npz": block for block in cost.blocks}
    todo = {path: block for path, block in files.items() if not path.exists()}
    width, left = read_targets(asked, engine.widths), np.concatenate([*todo.values(), asked.features[:0]])
    exact = asked.request.method == "ablation"
    label = f"running the layers after layer {engine.source}"
    passes = int(cost.fires[np.isin(asked.features, left)].sum()) if exact else cost.passes
    with (
        progress.bar(label, passes, "pass") as passed, progress.bar("testing", len(left) * width, "edge") as tested,
    ):
        if not exact:
            _estimate(engine, todo, asked.cells, work, passed)
        for path, features in todo.items():
            here = path.with_suffix("")
            if exact:
                _edit(engine, features, asked.cells, here, passed)
            kept = folder / "effects" / path.stem if keep_effects else None
            save_results(path, _reduce(here, features, asked, kept))
            shutil.rmtree(here, ignore_errors=True)
            tested(len(features) * width)
    results = [one for path in files for one in load_results(path)]
    _write(run, folder, results, asked)
    if not exact:
        _check(engine, folder, progress)
    write_json(folder / "facts.json", {
        "passes": sum(result.n_cells for result in results), "seconds": round(time.monotonic() - started, 1),
        "environment": environment(),
    })


def _edit(
    engine: Engine, features: np.ndarray, cells: np.ndarray, folder: Path, passed: Callable[[int], None],
) -> None:
    """Write the effects of a block of sources in every cell; cells that are there are not run again."""
    for cell in map(int, cells):
        path = folder / f"{cell}.npz"
        if not path.exists():
            write_effects(path, engine.ablate(cell, features))
        passed(len(read_effects(path).source))


def _estimate(
    engine: Engine, todo: dict[Path, np.ndarray], cells: np.ndarray, work: Path, passed: Callable[[int], None],
) -> None:
    """Write the estimates of every block in every cell, one cell after another; a target serves all sources."""
    parts = {path.with_suffix(""): block for path, block in todo.items()}
    parts[work / "estimated"] = checked_sources(engine.trace)
    for cell in map(int, cells):
        missing = {folder: block for folder, block in parts.items() if not (folder / f"{cell}.npz").exists()}
        if missing:
            effects = engine.estimate(cell, engine.trace.features)
            for folder, block in missing.items():
                write_effects(folder / f"{cell}.npz", effects.take(np.flatnonzero(np.isin(effects.source, block))))
        passed(engine.passes_back(cell))


def _check(engine: Engine, folder: Path, progress: Progress) -> None:
    """Ablate some of the sources and write how well the estimates agree."""
    asked, work = engine.trace, folder / "blocks"
    checked = checked_sources(asked)
    with progress.bar("ablating some sources to compare", len(checked) * len(asked.cells), "pass") as passed:
        _edit(engine, checked, asked.cells, work / "exact", passed)
    files = [{int(c): read_effects(work / part / f"{c}.npz") for c in asked.cells} for part in ("estimated", "exact")]
    estimated, exact = ([SourceEffects(*one) for one in by_source(part, checked) if len(one[1]) >= 2] for part in files)
    table = agreement(estimated, exact, asked.target_features, seed=asked.request.seed)
    write_trace_table(folder, "agreement", table)


def _reduce(folder: Path, features: np.ndarray, asked: Trace, kept: Path | None) -> list[SourceResult]:
    """Calibrate the sources of a block that fire in two cells or more."""
    files = {int(cell): read_effects(folder / f"{cell}.npz") for cell in asked.cells}
    if kept is not None:
        for cell, effects in files.items():
            write_effects(kept / f"{cell}.npz", effects, half=True)
    return [
        calibrate(SourceEffects(source, cells, effect), seed=asked.request.seed)
        for source, cells, effect in by_source(files, features) if len(cells) >= 2
    ]


def _write(run: Run, folder: Path, results: list[SourceResult], asked: Trace) -> None:
    if not results:
        msg = f"none of the sources fires in two of the {len(asked.cells)} cells: ask for other features or more cells."
        raise UserError(msg)
    write_tables(folder, finish(results, amplified=asked.request.alpha > 1))
    if asked.request.control == "none":
        describe(run, folder, source_layer=asked.request.source)
