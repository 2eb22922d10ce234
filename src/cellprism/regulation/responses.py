"""What changes when a gene is perturbed: a moderated t for every column, and the same with control called perturbed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cellprism.errors import UserError
from cellprism.regulation.replicates import Replicates, replicates
from cellprism.stats.moderated import difference, moderated_t

if TYPE_CHECKING:
    from scipy import sparse

    from cellprism.regulation.screen import Screen

MIN_CELLS = 10
"""A column is tested if it is not 0 in so many cells of the perturbation and the control together."""
LEVEL = 0.05


@dataclass(frozen=True)
class Response:
    """The tested columns of one perturbation.

    Attributes
    ----------
    column
        Which columns were tested, ascending.
    control, effect, low, high, t, p
        Of each of them.
    n_perturbed, n_control
        Replicates.
    prior_df
        Degrees of freedom that the common prior of the variances lends to each.
    """

    column: np.ndarray
    control: np.ndarray
    effect: np.ndarray
    low: np.ndarray
    high: np.ndarray
    t: np.ndarray
    p: np.ndarray
    n_perturbed: int
    n_control: int
    prior_df: float


def respond(values: sparse.csr_matrix, screen: Screen, cells: np.ndarray, *, scale: np.ndarray,
            intraclass: float) -> tuple[Response, Replicates]:
    """Test every column of ``values`` that is live; also gives the replicates of these columns.

    Parameters
    ----------
    values
        A value of each of ``cells`` (an arm and the control), sparse ``(cells, F)``.
    scale
        Variance between cells of one guide and batch, ``(F,)``.
    intraclass
        Correlation of cells of one guide.

    Raises
    ------
    UserError
        The arm shares no batch with the control, or no column is live.
    """
    live = np.flatnonzero((np.bincount(values.indices, minlength=values.shape[1]) >= MIN_CELLS) & (scale > 0))
    arm = screen.arms[screen.arm[cells].max()]
    if not len(live):
        msg = f"{arm}: nothing is active in {MIN_CELLS} cells of it and the control: give more cells."
        raise UserError(msg)
    try:
        units = replicates(values[:, live], screen, cells, intraclass=intraclass)
        found = difference(units.value, units.perturbed[None], weight=units.weight, batch=units.batch)
    except ValueError:
        msg = f"{arm} shares no batch with the control: leave out `--batch`, or choose other cells by `--where`."
        raise UserError(msg) from None
    test = moderated_t(found, scale[live])
    return Response(
        live, found.control[0], found.effect[0], test.low[0], test.high[0], test.t[0], test.p[0],
        int(units.perturbed.sum()), int((~units.perturbed).sum()), float(test.prior_df[0]),
    ), units


def relabel(units: Replicates, rng: np.random.Generator, *, permutations: int) -> np.ndarray:
    """Draw control replicates to be called perturbed, bool ``(permutations, control replicates)``.

    As many of each batch as are perturbed there, at most half; none at all where a batch has too few to choose from.
    """
    control = units.control()
    labels = np.zeros((permutations, len(control.weight)), bool)
    for batch in np.unique(control.batch):
        there = np.flatnonzero(control.batch == batch)
        wanted = min(int((units.perturbed & (units.batch == batch)).sum()), len(there) // 2)
        order = np.argsort(rng.random((permutations, len(there))), axis=1)[:, :wanted]
        labels[np.arange(permutations)[:, None], there[order]] = True
    return labels


def null_p(units: Replicates, scale: np.ndarray, rng: np.random.Generator, *, permutations: int) -> np.ndarray:
    """p-values with control replicates called perturbed, ``(permutations, F)``; no rows if there are too few.

    Parameters
    ----------
    scale
        As for `respond`, of the columns of ``units``.
    """
    control, labels = units.control(), relabel(units, rng, permutations=permutations)
    if not labels.any() or len(control.weight) - len(np.unique(control.batch)) < 2:
        return np.zeros((0, units.value.shape[1]))
    found = difference(control.value, labels, weight=control.weight, batch=control.batch)
    return moderated_t(found, scale).p
