"""The commands that wrote tables of steering and of perturbations, put together again from the notes in them."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Any

from cellprism.atlas.public import public
from cellprism.runs.schemas import read_notes

if TYPE_CHECKING:
    from pathlib import Path

STEERING = ("steering", "switches", "rates_steering")
"""Beginnings of the names of files that ``cellprism steer`` writes."""
STEER: dict[str, Any] = {
    "layer": None, "along": None, "order": [], "root": None, "features": 10, "cells": 40, "alphas": [0.0, 2.0, 5.0],
    "seed": 0,
}
"""Options of ``cellprism steer`` and what they are if left out."""
PERTURB: dict[str, Any] = {
    "layer": None, "target": None, "control": None, "guide": None, "batch": None, "where": [], "counts": None,
    "cells": 200, "networks": [], "seed": 0,
}
"""The same of ``cellprism perturb``."""
SEVERAL = {"where": "where", "networks": "network"}
"""What may be given more than once, and the option that gives it."""


def result_command(path: Path, name: str) -> dict[str, Any] | None:
    """Command and seed of a table at ``name`` within a run; None for a table of another command."""
    if name.startswith("regulation/"):
        notes: dict[str, Any] = read_notes(path)
        screen = public(str(notes.get("screen", "SCREEN")))
        words = ["cellprism perturb RUN", quote(screen), *_options(notes, PERTURB)]
    elif name.startswith("causal/") and path.stem.startswith(STEERING):
        notes = read_notes(path)
        words = ["cellprism steer RUN", *_options(notes, STEER)]
    else:
        return None
    return {"command": " ".join(words), "seed": notes.get("seed", 0)}


def _options(notes: dict[str, Any], options: dict[str, Any]) -> list[str]:
    asked = {name: notes[name] for name, default in options.items() if notes.get(name, default) != default}
    words = []
    for name, value in asked.items():
        several = value if name in SEVERAL else [value]
        words += [f"--{SEVERAL.get(name, name)} {quote(_text(name, public(one)))}" for one in several]
    return words


def _text(name: str, value: Any) -> str:
    if name in ("root", "where"):
        return "=".join(map(str, value))
    if isinstance(value, list):
        return ",".join(f"{one:g}" if isinstance(one, float) else str(one) for one in value)
    return str(value)
