"""What made a run: versions, machine, seed, and the hash and time of every stage."""

from __future__ import annotations

import json
import platform
import resource
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from cellprism._version import __version__
from cellprism.runs.files import write_json

if TYPE_CHECKING:
    from pathlib import Path

_PACKAGES = (
    "torch", "transformers", "numpy", "scipy", "pandas", "pyarrow", "anndata", "scanpy", "igraph", "umap-learn",
)


@cache
def environment() -> dict[str, str]:
    """Versions of cellprism, Python and the packages that compute, and the kind of machine."""
    found = {"cellprism": __version__, "python": platform.python_version(), "machine": platform.machine()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def peak_memory() -> int:
    """Bytes of memory that this process has held at most so far."""
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(held if sys.platform == "darwin" else held * 1024)


def write_manifest(run: Path, seed: int) -> None:
    """Gather the stage markers of ``run`` into ``manifest.json``."""
    markers = {path.stem: json.loads(path.read_text()) for path in sorted((run / "stages").glob("*.json"))}
    write_json(run / "manifest.json", {"environment": environment(), "seed": seed, "stages": markers})
