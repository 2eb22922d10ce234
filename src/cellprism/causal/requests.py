"""What is to be traced: a request in the user's words, checked against the run and spelled out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from cellprism.errors import UserError
from cellprism.runs.files import sha256

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cellprism.runs.directory import Run

Method = Literal["ablation", "attribution", "ig"]
Control = Literal["none", "random", "feature"]
FORMAT = 1
"""Version of ``trace.json``."""
STEPS = 5
"""Points on the path of integrated gradients."""
CHECKED = 16
"""Sources of a trace by estimates that are ablated as well."""
PRECISION = "float32"
"""Number format of a model that is traced; see `docs/decisions.md`."""
ELSEWHERE = "float32, low rank in {} elsewhere"
"""The same, but changes at positions that an edit does not touch are of low rank, and multiplied in this format."""
CHANGES = {ELSEWHERE.format(products): products for products in ("bfloat16", "float32")}


@dataclass(frozen=True)
class TraceRequest:
    """What somebody wants to be traced.

    Attributes
    ----------
    source
        The layer whose features are edited.
    targets
        Later layers whose features are read; None: all that have an autoencoder.
    features
        ``all`` that ever fire; ``top:N``, the N with the smallest q of their label among those that fire in ten cells
        or more; ``random:N`` among the latter; or a text file of feature numbers.
    cells
        At most so many cells of the run, a seeded sample.
    method
        ``ablation`` is exact; ``attribution`` and ``ig`` estimate it by gradients.
    target_features
        As ``features``, in every target layer. Ablation reads all of them at no cost; every target costs the methods
        with gradients a backward pass.
    alpha
        An edit multiplies the activation of the source with it: 0 ablates, above 1 amplifies.
    control
        In place of the source's own atom: ``random``, a random direction, or ``feature``, the atom of another feature
        that is alive; one for each source, drawn anew for each ``replicate``, with the length that the edit has.
    replicate
        Number of the control.
    seed
        Seed of everything that is drawn.
    """

    source: int
    targets: tuple[int, ...] | None = None
    features: str = "all"
    cells: int = 200
    method: Method = "ablation"
    target_features: str = "all"
    alpha: float = 0.0
    control: Control = "none"
    replicate: int = 0
    seed: int = 0

    def name(self) -> str:
        """The name of the trace's directory, unless the user gives one."""
        chosen = "" if self.features == "all" else f"-{_slug(self.features)}"
        control = "" if self.control == "none" else f"-{self.control}{self.replicate}"
        return f"{self.source:02d}-{self.method}{chosen}{control}"


@dataclass(frozen=True)
class Trace:
    """A request as resolved against a run, which is what ``trace.json`` holds.

    Attributes
    ----------
    request
        The request.
    targets
        Target layers, ascending.
    features, cells
        Source features and cells, ascending.
    target_features
        Layer -> target features that are read, ascending; None: all.
    dtype
        Number format: `PRECISION` or one of `CHANGES`.
    key
        Hash of what the trace rests on: model, tokens, autoencoders.
    off_by
        How much of a few effects changes of low rank get wrong, as a share of their size; None: not measured.
    """

    request: TraceRequest
    targets: tuple[int, ...]
    features: np.ndarray
    cells: np.ndarray
    target_features: dict[int, np.ndarray] | None
    dtype: str
    key: str
    off_by: float | None = None

    def describe(self) -> dict[str, Any]:
        """The trace for ``trace.json``."""
        asked, chosen = self.request, self.target_features
        return {
            "format": FORMAT, "asked": asdict(asked), "source": asked.source, "targets": list(self.targets),
            "features": self.features.tolist(), "cells": self.cells.tolist(), "method": asked.method,
            "target_features": None if chosen is None else {str(k): v.tolist() for k, v in chosen.items()},
            "alpha": asked.alpha, "control": asked.control, "replicate": asked.replicate, "seed": asked.seed,
            "dtype": self.dtype, "off_by": self.off_by, "key": self.key,
        }


READ = frozenset({"source", "targets", "features", "cells", "method", "alpha", "control", "replicate", "key"})
"""What readers of a trace need of ``trace.json``."""


def read_described(folder: Path) -> dict[str, Any]:
    """What ``trace.json`` in the folder of a trace says, as `Trace.describe` wrote it.

    Raises
    ------
    UserError
        Another version of cellprism wrote it, or nobody did.
    """
    path = folder / "trace.json"
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("format") != FORMAT or READ - found.keys():
        msg = f"{path} was written by another version of cellprism: delete {folder} and trace again."
        raise UserError(msg)
    return found


def resolve(run: Run, request: TraceRequest) -> Trace:
    """Check a request against a run and spell it out.

    Raises
    ------
    UserError
        The run has no such layers, features or cells, or the request contradicts itself.
    """
    _check_words(request)
    if not run.file("model.json").exists():
        msg = f"{run.path} has no layers yet: see `cellprism status {run.path}`."
        raise UserError(msg)
    targets = _targets(run, request)
    every_target = request.target_features == "all"
    if not every_target and request.method == "ablation":
        msg = "`--target-features` is for attribution and ig: ablation reads every target at no cost; leave it out."
        raise UserError(msg)
    return Trace(
        request=request, targets=targets, features=choose_features(run, request.source, request.features, request.seed),
        cells=_cells(run, request), dtype=_number_format(run, request), key=run_key(run, (request.source, *targets)),
        target_features=None if every_target else {
            layer: choose_features(run, layer, request.target_features, request.seed) for layer in targets
        },
    )


def steps(request: TraceRequest) -> int:
    """Points on the path of integrated gradients; 0: the gradient where the cell is."""
    return STEPS if request.method == "ig" else 0


def checked_sources(trace: Trace) -> np.ndarray:
    """The sources whose estimates are compared with exact effects, ascending."""
    rng = np.random.default_rng([trace.request.seed, 8])
    return np.sort(rng.permutation(trace.features)[:CHECKED])


def _number_format(run: Run, request: TraceRequest) -> str:
    """The fastest that keeps the edges, on this machine; gradients take float32."""
    from cellprism.models.base import pick_device
    from cellprism.models.differences import changes_format

    kind, device = str(run.model.get("kind")), pick_device(run.config.model.device)
    faster = changes_format(kind, int(run.model["d_model"]), device) if request.method == "ablation" else None
    return ELSEWHERE.format(faster) if faster else PRECISION


def run_key(run: Run, layers: Sequence[int]) -> str:
    """Hash of everything in a run that its effects between ``layers`` rest on."""
    files = [run.file("model.json"), run.file("tokens"), *(run.file("sae.safetensors", layer) for layer in layers)]
    missing = [path for path in files if not path.exists()]
    if missing:
        msg = f"no {missing[0].name} in {missing[0].parent}: the run has not come so far; see `cellprism status`."
        raise UserError(msg)
    return hashlib.sha256("\n".join(sha256(path) for path in files).encode()).hexdigest()


def is_current(run: Run, key: str, layers: Sequence[int]) -> bool:
    """Whether effects with this key still rest on what the run is made of; a copy of tables cannot have changed."""
    return run.tables_only or key == run_key(run, layers)


def choose_features(run: Run, layer: int, which: str, seed: int) -> np.ndarray:
    """The features of a layer that ``all``, ``top:N``, ``random:N`` or the file ``which`` name, ascending int64."""
    table = run.read("features", layer)
    kind, _, number = which.partition(":")
    if which == "all":
        return np.sort(table.loc[~table["dead"], "feature"].to_numpy(np.int64))
    if kind not in ("top", "random"):
        return _from_file(Path(which), len(table))
    if not number.isdigit() or int(number) < 1:
        msg = f"{which!r} names no features: give {kind}:N with a whole number N, such as {kind}:30."
        raise UserError(msg)
    pool = np.sort(table.loc[~table["dead"] & ~table["rare"], "feature"].to_numpy(np.int64))
    if kind == "top":
        labels = run.read("labels", layer).sort_values(["q", "feature"])["feature"].to_numpy(np.int64)
        pool = labels[np.isin(labels, pool)]
    if int(number) > len(pool):
        what = "have a label and fire" if kind == "top" else "fire"
        msg = f"only {len(pool)} features of layer {layer} {what} in ten cells or more: ask for {kind}:{len(pool)}."
        raise UserError(msg)
    if kind == "random":
        pool = np.random.default_rng([seed, layer, 3]).permutation(pool)
    return np.sort(pool[: int(number)])


def _from_file(path: Path, n_features: int) -> np.ndarray:
    try:
        words = path.read_text(encoding="utf-8").replace(",", " ").split()
    except (OSError, UnicodeDecodeError):
        msg = f"no features {str(path)!r}: give all, top:N, random:N or a text file of feature numbers."
        raise UserError(msg) from None
    wrong = [word for word in words if not word.isdecimal() or int(word) >= n_features]
    if wrong or not words:
        what = repr(wrong[0]) if wrong else "nothing"
        msg = f"{path} holds {what}: write feature numbers from 0 to {n_features - 1}."
        raise UserError(msg)
    return np.unique(np.array(words, np.int64))


def _check_words(request: TraceRequest) -> None:
    for name, value, known in (
        ("method", request.method, get_args(Method)), ("control", request.control, get_args(Control)),
    ):
        if value not in known:
            msg = f"no {name} {value!r}: choose {', '.join(known)}."
            raise UserError(msg)
    if request.control != "none" and request.method != "ablation":
        msg = f"controls are traced by ablation, not by {request.method}: leave out `--method`."
        raise UserError(msg)
    if not 0 <= request.alpha < np.inf or request.alpha == 1:
        msg = f"alpha {request.alpha:g} is no edit: give 0 to ablate, or a number above 0 other than 1."
        raise UserError(msg)
    if request.cells < 2:
        msg = f"`--cells {request.cells}` cannot show an effect: ask for 2 or more, ten or more for edges."
        raise UserError(msg)


def _targets(run: Run, request: TraceRequest) -> tuple[int, ...]:
    known = ", ".join(map(str, run.layers))
    if request.source not in run.layers:
        msg = f"{run.path} has no layer {request.source}: choose `--source` among {known}."
        raise UserError(msg)
    later = [layer for layer in run.layers if layer > request.source]
    if not later:
        msg = f"layer {request.source} is the last of {run.path}: choose an earlier `--source` among {known}."
        raise UserError(msg)
    wanted = sorted(set(request.targets)) if request.targets else later
    wrong = [layer for layer in wanted if layer not in later]
    if wrong:
        msg = f"layer {wrong[0]} cannot be a target: choose `--targets` among {', '.join(map(str, later))}."
        raise UserError(msg)
    return tuple(wanted)


def _cells(run: Run, request: TraceRequest) -> np.ndarray:
    n = len(run.read("cells"))
    if request.cells >= n:
        return np.arange(n)
    return np.sort(np.random.default_rng([request.seed, 4]).choice(n, request.cells, replace=False))


def _slug(text: str) -> str:
    stem = text.replace(":", "") if text.startswith(("top:", "random:")) else Path(text).stem
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in stem)
