"""Three disjoint parts of the cells: one chooses features, one fits readouts, one is steered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cellprism.causal.ordering import EARLY, LATE, NOWHERE
from cellprism.errors import UserError

if TYPE_CHECKING:
    from cellprism.causal.ordering import Ordering

CHOOSE, READ, STEER = 0, 1, 2
MIN_CELLS = 10
"""Early cells and late cells that each part has, at least."""
DRAWS = 200
"""Random divisions of the donors, of which the most even is taken."""


def split_cells(order: Ordering, donors: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """Divide the ordered cells into three parts, by donor if every part then has ten early and ten late cells.

    Cells of a donor resemble each other, so that parts that share donors are not quite independent. Otherwise early,
    middle and late cells are each divided evenly at random.

    Parameters
    ----------
    donors
        Donor of each cell as an integer, negative where unknown; shape ``(cells,)``.

    Returns
    -------
    CHOOSE, READ or STEER for each cell, NOWHERE for cells without a place, shape ``(cells,)``; and the unit that was
    divided: ``donor`` or ``cell``.

    Raises
    ------
    UserError
        There are too few early or late cells.
    """
    there = order.group != NOWHERE
    part = np.full(len(order.group), NOWHERE)
    own = _by_donor(order.group[there], donors[there], rng)
    if own is not None:
        part[there] = own
        return part, "donor"
    sizes = [int((order.group == group).sum()) for group in (EARLY, LATE)]
    if min(sizes) < 3 * MIN_CELLS:
        msg = (
            f"{sizes[0]} cells are early and {sizes[1]} late along {order.name}, and three parts need {MIN_CELLS} of "
            "each: give more cells, or another order."
        )
        raise UserError(msg)
    for group in np.unique(order.group[there]):
        cells = np.flatnonzero(order.group == group)
        part[cells] = rng.permutation(np.arange(len(cells)) % 3)
    return part, "cell"


def _by_donor(group: np.ndarray, donors: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """Part of each ordered cell, the same for all cells of a donor; None if no division leaves enough."""
    if (donors < 0).any() or len(np.unique(donors)) < 3:
        return None
    number = np.unique(donors, return_inverse=True)[1]
    best, most = None, MIN_CELLS - 1
    for _ in range(DRAWS):
        part = rng.permutation(np.arange(number.max() + 1) % 3)[number]
        smallest = min(int(((part == p) & (group == g)).sum()) for p in range(3) for g in (EARLY, LATE))
        if smallest > most:
            best, most = part, smallest
    return best
