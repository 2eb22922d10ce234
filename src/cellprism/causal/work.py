"""Work files: what is measured already when a long command is interrupted."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.runs.files import atomic_path, write_json

if TYPE_CHECKING:
    from pathlib import Path


class Work:
    """A folder of arrays that belong to one request; those of another request are deleted.

    Parameters
    ----------
    folder
        Where the arrays are kept.
    request
        Everything the arrays depend on, as JSON can write it.
    """

    def __init__(self, folder: Path, request: dict[str, Any]) -> None:
        self.folder = folder
        path = folder / "request.json"
        if path.exists() and json.loads(path.read_text()) != json.loads(json.dumps(request)):
            self.remove()
        write_json(path, request)

    def get(self, name: str) -> dict[str, np.ndarray] | None:
        """The arrays kept under a name; None if there are none."""
        path = self.folder / f"{name}.npz"
        if not path.exists():
            return None
        with np.load(path) as arrays:
            return dict(arrays)

    def put(self, name: str, **arrays: np.ndarray) -> None:
        with atomic_path(self.folder / f"{name}.npz") as temporary, temporary.open("wb") as handle:
            np.savez(handle, allow_pickle=False, **arrays)

    def remove(self) -> None:
        shutil.rmtree(self.folder)
