"""From cells to replicates: a value for each guide with batches held equal, or the cells where there are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from cellprism.errors import UserError

if TYPE_CHECKING:
    from cellprism.regulation.screen import Screen


@dataclass(frozen=True)
class Replicates:
    """The units of a test.

    Attributes
    ----------
    value
        Shape ``(units, F)``.
    weight, batch, perturbed
        Of each unit, shape ``(units,)``; guides, whose values have no batch any more, are all in batch 0.
    """

    value: np.ndarray
    weight: np.ndarray
    batch: np.ndarray
    perturbed: np.ndarray

    def control(self) -> Replicates:
        """The units of the control."""
        rest = ~self.perturbed
        return Replicates(self.value[rest], self.weight[rest], self.batch[rest], self.perturbed[rest])


def replicates(
    values: sparse.csr_matrix, screen: Screen, cells: np.ndarray, *, intraclass: float,
) -> Replicates:
    """The units among ``cells``.

    With guides, a unit is a guide: its mean over cells with the effects of batches, as they are within guides, taken
    off. A mean of ``n`` cells weighs ``n / (1 + (n - 1) r)``, ``r`` being the correlation of cells of one guide.

    Parameters
    ----------
    values
        A value of each of ``cells``, ``(cells, F)``.
    intraclass
        The correlation ``r``, from `variance_parts`.
    """
    arm, batch = screen.arm[cells], screen.batch[cells]
    if screen.guide is None:
        return Replicates(values.toarray().astype(np.float64), np.ones(len(cells)), batch, arm > 0)
    guides, unit = np.unique(screen.guide[cells], return_inverse=True)
    sums, count = group_sums(values, unit, batch)
    perturbed = np.zeros(len(guides), bool)
    perturbed[unit] = arm > 0
    n = count.sum(axis=1)
    return Replicates(
        hold_batches_equal(sums, count), n / (1 + (n - 1) * intraclass), np.zeros(len(guides), np.int64), perturbed,
    )


def group_sums(values: sparse.csr_matrix, unit: np.ndarray, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums over the cells of each unit in each batch, ``(units, batches, F)``, and how many there are."""
    units, batches = int(unit.max()) + 1, int(batch.max()) + 1
    group = unit * batches + batch
    inside = sparse.csr_matrix((np.ones(len(group)), (group, np.arange(len(group)))), (units * batches, len(group)))
    sums = (inside @ values.astype(np.float64)).toarray().reshape(units, batches, -1)
    count = np.bincount(group, minlength=units * batches).reshape(units, batches)
    return sums, count


def hold_batches_equal(sums: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Least squares of ``cell = unit + batch``: the units, at the mean over batches, ``(units, F)``.

    The effects of batches are those within units, so that what one unit does has no part in them.

    Parameters
    ----------
    sums, count
        Sums over cells of each unit in each batch ``(units, batches, F)``, and their number ``(units, batches)``.

    Raises
    ------
    UserError
        Batches cannot be compared within units.
    """
    there = count.sum(axis=0) > 0
    sums, count = sums[:, there], count[:, there].astype(np.float64)
    n = count.sum(axis=1)
    within = np.diag(count.sum(axis=0)) - count.T @ (count / n[:, None])
    if np.linalg.matrix_rank(within) < len(within) - 1:
        msg = "no guide is in several batches, so that a batch cannot be told from its guides: leave out `--batch`."
        raise UserError(msg)
    totals = sums.sum(axis=1)
    effect = np.linalg.pinv(within) @ (sums.sum(axis=0) - (count / n[:, None]).T @ totals)
    return np.asarray((totals - count @ effect) / n[:, None])


def variance_parts(values: sparse.csr_matrix, screen: Screen) -> tuple[np.ndarray, float]:
    """Variance of cells of one guide (or arm) and batch, ``(F,)``, and the correlation of cells of one guide.

    By analysis of variance: with mean squares between guides of one arm ``B``, batches held equal, and between cells
    of a guide and batch ``W``, and ``n0`` cells in a guide, the variance between guides over that between cells is
    ``(B / W - 1) / n0``; the median over columns, at least 0, stands for all of them, as one correlation does in
    limma's ``duplicateCorrelation`` (Smyth, Michaud and Scott 2005).
    """
    unit = screen.arm if screen.guide is None else screen.guide
    _, unit = np.unique(unit, return_inverse=True)
    sums, count = group_sums(values, unit, screen.batch)
    square_sums = group_sums(values.power(2), unit, screen.batch)[0].sum(axis=(0, 1))
    full = np.maximum(count, 1)[:, :, None]
    inside = np.maximum(square_sums - (sums**2 / full).sum(axis=(0, 1)), 0)
    within = inside / max(count.sum() - (count > 0).sum(), 1)
    if screen.guide is None:
        return within, 0.0
    arm = np.zeros(len(count), np.int64)
    arm[unit] = screen.arm
    n = count.sum(axis=1).astype(np.float64)
    value = hold_batches_equal(sums, count)
    member = (arm == np.arange(len(screen.arms))[:, None]) * n
    centre = (member @ value) / member.sum(axis=1, keepdims=True)
    df = len(n) - len(screen.arms)
    between = (n[:, None] * (value - centre[arm]) ** 2).sum(axis=0) / df
    n0 = (n.sum() - ((member**2).sum(axis=1) / member.sum(axis=1)).sum()) / df
    live = within > 0
    ratio = float(np.median((between[live] / within[live] - 1) / n0)) if live.any() else 0.0
    return within, max(ratio, 0.0) / (1 + max(ratio, 0.0))
