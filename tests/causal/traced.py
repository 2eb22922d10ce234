"""A trace of the fabricated run, as files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
from tests.atlas.fabricated import DEAD, LAYERS, N_FEATURES

from cellprism.causal.calibration import SourceEffects, calibrate
from cellprism.causal.finish import finish, write_tables
from cellprism.causal.requests import FORMAT

if TYPE_CHECKING:
    from pathlib import Path

SOURCE, TARGET = LAYERS
NAME = "00-ablation"


def write_trace(path: Path, *, name: str = NAME, done: bool = True, **asked: object) -> Path:
    """A trace of the run at ``path`` in which feature ``s`` lowers target ``s`` and those beside it."""
    rng = np.random.default_rng(0)
    results = []
    for source in (feature for feature in range(N_FEATURES) if feature != DEAD):
        x = rng.normal(0, 1, (16, N_FEATURES)).astype(np.float32)
        x[:, source : source + 1 + source // 8] -= 2
        results.append(calibrate(SourceEffects(source, np.arange(16), {TARGET: x}), flips=100))
    folder = path / "causal" / name
    request = {
        "format": FORMAT, "source": SOURCE, "targets": [TARGET], "features": list(range(N_FEATURES)),
        "cells": list(range(16)), "method": "ablation", "alpha": 0.0, "control": "none", "replicate": 0,
        "key": "k",
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trace.json").write_text(json.dumps(request))
    write_tables(folder, finish(results))
    (folder / "trace.json").write_text(json.dumps({**request, **asked}))
    if done:
        (folder / "facts.json").write_text("{}")
    return folder
