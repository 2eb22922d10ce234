"""The state of an unfinished pretraining, so that a killed one goes on and ends with the very same weights."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from cellprism.errors import UserError
from cellprism.runs.files import atomic_path

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from cellprism.cells.expression import Expression
    from cellprism.models.pretrain import PretrainConfig


def fingerprint(expression: Expression, config: PretrainConfig) -> str:
    """Hash of everything that decides the weights: configuration, counts, totals, names of genes."""
    digest = hashlib.sha256(json.dumps([asdict(config), expression.genes]).encode())
    for array in (expression.counts.data, expression.counts.indices, expression.counts.indptr, expression.totals):
        digest.update(array.tobytes())
    return digest.hexdigest()


class State:
    """The file in ``folder`` that an unfinished training leaves; ``key`` is its `fingerprint`.

    Raises
    ------
    UserError
        The folder holds anything but an unfinished training with the same key.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.path = folder / "unfinished.pt"
        self.key = key
        if self.path.exists():
            if self._read()["key"] != key:
                msg = f"{folder} holds an unfinished training of other cells or options: choose a new folder."
                raise UserError(msg)
        elif folder.exists() and any(folder.iterdir()):
            msg = f"{folder} is not empty: choose a new folder for the model."
            raise UserError(msg)

    def save(self, step: int, parts: dict[str, Any], rng: np.random.Generator) -> None:
        """Write the state after ``step`` steps of ``parts``, which have a ``state_dict`` each."""
        state = {name: part.state_dict() for name, part in parts.items()}
        with atomic_path(self.path) as temporary:
            torch.save({**state, "step": step, "rng": rng.bit_generator.state, "key": self.key}, temporary)

    def load(self, parts: dict[str, Any], rng: np.random.Generator) -> int:
        """Put what was saved into ``parts`` and ``rng``; returns the steps done, 0 if nothing was saved."""
        if not self.path.exists():
            return 0
        state = self._read()
        for name, part in parts.items():
            part.load_state_dict(state[name])
        rng.bit_generator.state = state["rng"]
        return int(state["step"])

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = torch.load(self.path, weights_only=True)
        except Exception as error:
            msg = f"{self.path} is damaged: delete it, and the training starts anew."
            raise UserError(msg) from error
        return state
