"""The state of an unfinished training: a killed run goes on where it was and ends with the very same numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from cellprism.runs.files import atomic_path

if TYPE_CHECKING:
    from pathlib import Path

    import torch


class Checkpoint:
    """One file, safetensors with a JSON header.

    Parameters
    ----------
    path
        The file.
    task
        What is being trained: a file written for another task is not read.
    """

    def __init__(self, path: Path, task: dict[str, Any]) -> None:
        self.path = path
        self.task = json.dumps(task, sort_keys=True)

    def write(self, step: int, log: list[dict[str, Any]], tensors: dict[str, torch.Tensor]) -> None:
        """Replace the file. ``tensors`` may share memory with what training changes afterwards."""
        with atomic_path(self.path) as temporary:
            whole = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
            save_file(whole, temporary, metadata={"task": self.task, "step": str(step), "log": json.dumps(log)})

    def read(self) -> tuple[int, list[dict[str, Any]], dict[str, torch.Tensor]] | None:
        """Step, log and tensors, or None if there is no whole file for this task."""
        try:
            with safe_open(self.path, framework="pt") as handle:
                header = handle.metadata() or {}
                if header.get("task") != self.task:
                    return None
                tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
        except (FileNotFoundError, SafetensorError):
            return None
        return int(header["step"]), json.loads(header["log"]), tensors
