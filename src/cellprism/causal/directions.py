"""Directions of controls: the same sources, cells and lengths of edits, but not the atoms of the sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cellprism.errors import UserError
from cellprism.sae.files import load

if TYPE_CHECKING:
    from cellprism.causal.requests import Trace
    from cellprism.runs.directory import Run


def control_directions(run: Run, trace: Trace) -> np.ndarray | None:
    """Unit directions for the sources of a control, shape ``(sources, d_model)`` float32; None for the real trace.

    A source keeps its direction at all positions and in all cells, as its atom does; a direction that changed from
    cell to cell could have no effect of one sign by construction.
    """
    request = trace.request
    if request.control == "none":
        return None
    atoms = load(run.file("sae.safetensors", request.source)).W_dec.detach().numpy()
    rngs = [np.random.default_rng([request.seed, request.replicate, 5, int(f)]) for f in trace.features]
    if request.control == "random":
        drawn = np.stack([rng.normal(size=atoms.shape[1]) for rng in rngs])
        unit: np.ndarray = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
        return unit
    table = run.read("features", request.source)
    alive = np.sort(table.loc[~table["dead"], "feature"].to_numpy())
    if len(alive) < 2:
        msg = f"layer {request.source} of {run.path} has one live feature: there is no other to be a control."
        raise UserError(msg)
    others = [rng.choice(alive[alive != f]) for rng, f in zip(rngs, trace.features, strict=True)]
    picked: np.ndarray = atoms[others]
    return picked
