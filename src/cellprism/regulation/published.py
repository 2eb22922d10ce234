"""The papers' rule for a response: a difference of means over positions, in units of the control's spread.

Nothing is tested: the spread is that of positions, of which a cell has hundreds, features that hardly ever fire have
hardly any, and of thousands of features the twenty largest are looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from cellprism.regulation.activity import Activity
    from cellprism.regulation.screen import Screen

CELLS = 20
LARGEST = 20
THRESHOLD = 0.5
LEAST_VARIANCE = 1e-10


def published_effects(activity: Activity, cells: np.ndarray, control: np.ndarray) -> np.ndarray:
    """``(mean over positions of cells - mean of control) / sqrt(max(variance of control, 1e-10))``, ``(F,)``."""
    n = activity.lengths[control].sum()
    mean = np.asarray(activity.total[control].sum(axis=0)).ravel() / n
    spread = np.sqrt(np.maximum(activity.squares / n - mean**2, LEAST_VARIANCE))
    own = np.asarray(activity.total[cells].sum(axis=0)).ravel() / activity.lengths[cells].sum()
    return np.asarray((own - mean) / spread)


def published_responding(effect: np.ndarray) -> int:
    """Features among the twenty of the largest absolute effect whose effect exceeds 0.5."""
    size = np.abs(effect)
    return int((np.sort(size)[-LARGEST:] > THRESHOLD).sum())


def published_response(
    activity: Activity, screen: Screen, rng: np.random.Generator, *, permutations: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Responding features of every arm, ``(arms,)``, and of random cells of the control, ``(permutations,)``.

    As published, 20 cells of each arm are looked at.
    """
    control = np.flatnonzero(screen.arm == 0)
    arms = [
        rng.permutation(np.flatnonzero(screen.arm == number))[:CELLS] for number in range(1, len(screen.arms))
    ]
    null = [rng.permutation(control)[:CELLS] for _ in range(permutations)]
    observed = [published_responding(published_effects(activity, cells, control)) for cells in arms]
    by_chance = [published_responding(published_effects(activity, cells, control)) for cells in null]
    return np.array(observed), np.array(by_chance)
