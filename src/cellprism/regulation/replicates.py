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
    value, count = hold_batches_equal(values, unit, batch)
    perturbed = np.zeros(len(guides), bool)
    perturbed[unit] = arm > 0
    n = count.sum(axis=1)
    return Replicates(value, n / (1 + (n - 1) * intraclass), np.zeros(len(guides), np.int64), perturbed)


def hold_batches_equal(
    values: sparse.csr_matrix, unit: np.ndarray, batch: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Least squares of ``cell = unit + batch``: the units, at the mean over batches.

    The effects of batches are those within units, so that what one unit does has no part in them.

    Parameters
    ----------
    values
        Sparse ``(cells, F)``.
    unit, batch
        Of each cell, numbered from 0; every unit has a cell.

    Returns
    -------
    Values of the units, ``(units, F)``, and their cells in each batch that occurs, ``(units, batches)``.

    Raises
    ------
    ValueError
        Batches cannot be compared within units.
    """
    _, batch = np.unique(batch, return_inverse=True)
    units, batches = int(unit.max()) + 1, int(batch.max()) + 1
    count = np.bincount(unit * batches + batch, minlength=units * batches).reshape(units, batches)
    n, share = count.sum(axis=1), count / count.sum(axis=1, keepdims=True)
    within = np.diag(count.sum(axis=0)) - count.T @ share
    if np.linalg.matrix_rank(within) < batches - 1:
        msg = "no unit joins the batches"
        raise ValueError(msg)
    totals = group_sums(values, unit).toarray()
    effect = np.linalg.pinv(within) @ (group_sums(values, batch).toarray() - share.T @ totals)
    return totals / n[:, None] - share @ effect, count


def group_sums(values: sparse.csr_matrix, group: np.ndarray) -> sparse.csr_matrix:
    """Sums over the cells of each group, sparse float64 ``(groups, F)``."""
    shape = (int(group.max()) + 1, len(group))
    inside = sparse.csr_matrix((np.ones(len(group)), (group, np.arange(len(group)))), shape)
    return sparse.csr_matrix(inside @ values.astype(np.float64))


def variance_parts(values: sparse.csr_matrix, screen: Screen) -> tuple[np.ndarray, float]:
    """Variance of cells of one guide (or arm) and batch, ``(F,)``, and the correlation of cells of one guide.

    By analysis of variance: with mean squares between guides of one arm ``B``, batches held equal, and between cells
    of a guide and batch ``W``, and ``n0`` cells in a guide, the variance between guides over that between cells is
    ``(B / W - 1) / n0``; the median over columns, at least 0, stands for all of them, as one correlation does in
    limma's ``duplicateCorrelation`` (Smyth, Michaud and Scott 2005).

    Raises
    ------
    UserError
        No guide is in several batches.
    """
    _, unit = np.unique(screen.arm if screen.guide is None else screen.guide, return_inverse=True)
    within = _within(values, unit * (int(screen.batch.max()) + 1) + screen.batch)
    if screen.guide is None:
        return within, 0.0
    try:
        value, count = hold_batches_equal(values, unit, screen.batch)
    except ValueError:
        msg = "guides do not join the batches, so that a batch cannot be told from its guides: leave out `--batch`."
        raise UserError(msg) from None
    arm = np.zeros(len(count), np.int64)
    arm[unit] = screen.arm
    n = count.sum(axis=1).astype(np.float64)
    member = (arm == np.arange(len(screen.arms))[:, None]) * n
    size = member.sum(axis=1)
    df = len(n) - len(screen.arms)
    between = (n[:, None] * (value - (member @ value / size[:, None])[arm]) ** 2).sum(axis=0) / df
    n0 = (n.sum() - ((member**2).sum(axis=1) / size).sum()) / df
    live = within > 0
    ratio = float(np.median((between[live] / within[live] - 1) / n0)) if live.any() else 0.0
    return within, max(ratio, 0.0) / (1 + max(ratio, 0.0))


def _within(values: sparse.csr_matrix, group: np.ndarray) -> np.ndarray:
    """Mean square of cells about the mean of their group, ``(F,)``."""
    _, group = np.unique(group, return_inverse=True)
    n = np.bincount(group)
    squares = np.asarray(values.power(2).sum(axis=0, dtype=np.float64)).ravel()
    of_means = (1 / n) @ group_sums(values, group).power(2)
    return np.asarray(np.maximum(squares - of_means, 0) / max(len(group) - len(n), 1))
