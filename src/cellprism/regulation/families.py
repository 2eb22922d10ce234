"""One correction over all perturbations and columns, and over those of each relabelling."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from cellprism.stats.fdr import bh

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVEL = 0.05


@dataclass
class NullFamilies:
    """The small p-values of every relabelling: what Benjamini and Hochberg need of it at `LEVEL`.

    Attributes
    ----------
    permutations
        Relabellings.
    """

    permutations: int
    _small: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    _known: list[bool] = field(default_factory=list)
    _below: int = 0
    _tests: int = 0

    def add(self, p: np.ndarray) -> None:
        """Add a perturbation's p-values, ``(permutations, F)``, or no rows if it has no null."""
        row, column = np.nonzero(p < LEVEL)
        self._small.append((row, p[row, column]))
        self._known.append(len(p) > 0)
        self._below += len(row)
        self._tests += p.size

    @property
    def known(self) -> np.ndarray:
        """Which perturbations have a null, ``(perturbations,)``."""
        return np.array(self._known, bool)

    @property
    def share_below(self) -> float:
        """Share of all null p-values below `LEVEL`; it should be `LEVEL`."""
        return self._below / self._tests if self._tests else float("nan")

    def responding(self) -> np.ndarray:
        """Columns that respond, q < `LEVEL`, ``(permutations, perturbations)``."""
        family = self._tests // self.permutations
        found = np.zeros((self.permutations, len(self._small)), np.int64)
        for number in range(self.permutations):
            own = [p[row == number] for row, p in self._small]
            called = bh(np.concatenate(own), family) < LEVEL
            arm = np.repeat(np.arange(len(own)), [len(p) for p in own])
            found[number] = np.bincount(arm[called], minlength=len(own))
        return found


def adjust(p: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Benjamini-Hochberg over the p-values of all perturbations together."""
    return np.split(bh(np.concatenate(p)), np.cumsum([len(part) for part in p])[:-1])
