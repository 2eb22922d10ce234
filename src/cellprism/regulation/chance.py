"""How many columns pass the bar of one correction over all perturbations, and how many would by chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cellprism.stats.fdr import bh

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVEL = 0.05


def adjust(p: Sequence[np.ndarray]) -> tuple[list[np.ndarray], float]:
    """Benjamini-Hochberg over the p-values of all perturbations together.

    Returns
    -------
    The adjusted p-values of each, and the largest p that passes at `LEVEL`; where none does, the p that one alone
    would have to have.
    """
    together = np.concatenate(p)
    q = bh(together)
    passed = together[q < LEVEL]
    bar = float(passed.max()) if len(passed) else LEVEL / len(together)
    return np.split(q, np.cumsum([len(part) for part in p])[:-1]), bar


@dataclass(frozen=True)
class SmallP:
    """p-values below `LEVEL` of one perturbation under every relabelling of the control.

    Attributes
    ----------
    row, p
        Relabelling and value of each.
    permutations, tests
        Relabellings, and p-values of all sizes; both 0 if the control has too few replicates.
    """

    row: np.ndarray
    p: np.ndarray
    permutations: int
    tests: int

    @classmethod
    def of(cls, p: np.ndarray) -> SmallP:
        """From all p-values, ``(permutations, F)``."""
        row, column = np.nonzero(p < LEVEL)
        return cls(row, p[row, column], len(p), p.size)

    def passing(self, bar: float) -> np.ndarray:
        """Columns with ``p <= bar`` in each relabelling, ``(permutations,)``.

        The bar is that of the observed family: were this perturbation nothing but chance among the others as they
        are, so many of its columns would be called responding.
        """
        return np.bincount(self.row[self.p <= bar], minlength=self.permutations)


def share_below(parts: Sequence[SmallP]) -> float:
    """Share of all p-values under relabelling that are below `LEVEL`, which it should be; NaN without any."""
    tests = sum(part.tests for part in parts)
    return sum(len(part.p) for part in parts) / tests if tests else float("nan")
