"""Rank tests of many columns at once: AUROC and the Wilcoxon rank-sum test of one group against the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr
from scipy.stats import rankdata


@dataclass(frozen=True)
class Ranks:
    """Mid-ranks within each column.

    Attributes
    ----------
    rank
        Ranks from 1, ties averaged, shape ``(units, columns)``.
    ties
        Sum of ``t^3 - t`` over the tie groups of each column, shape ``(columns,)``.
    """

    rank: np.ndarray
    ties: np.ndarray


def ranks(values: np.ndarray) -> Ranks:
    """Rank the units of each column of ``values``, shape ``(units, columns)``.

    Averaging the ranks of ``t`` tied units lowers the sum of squared ranks by ``(t^3 - t) / 12``, which gives the tie
    term without counting ties.
    """
    rank = np.asarray(rankdata(values, axis=0), dtype=np.float64)
    n = len(rank)
    return Ranks(rank, np.rint(12.0 * (n * (n + 1) * (2 * n + 1) / 6.0 - (rank**2).sum(axis=0))))


def one_against_rest(ranked: Ranks, member: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUROC and two-sided Wilcoxon rank-sum p of every group against the units outside it.

    ``U = R - n1 (n1 + 1) / 2``, ``AUROC = U / (n1 n2)``; ``U`` is compared with the normal distribution of mean
    ``n1 n2 / 2`` and variance ``n1 n2 / 12 (n + 1 - ties / (n (n - 1)))``, without continuity correction (Hollander and
    Wolfe, Nonparametric Statistical Methods). The unit is whatever a row is.

    Parameters
    ----------
    ranked
        Ranks of ``units x columns``.
    member
        Whether a unit is in a group, shape ``(units, groups)``; each group and its rest hold at least one unit.

    Returns
    -------
    AUROC and p, each of shape ``(groups, columns)``. A column of equal values has AUROC 0.5 and p 1.
    """
    inside = member.astype(np.float64)
    n = len(inside)
    n1 = inside.sum(axis=0)[:, None]
    n2 = n - n1
    u = inside.T @ ranked.rank - n1 * (n1 + 1) / 2
    variance = n1 * n2 / 12 * (n + 1 - ranked.ties / (n * (n - 1)))
    varies = variance > 1e-9
    z = np.where(varies, (u - n1 * n2 / 2) / np.sqrt(np.where(varies, variance, 1.0)), 0.0)
    p = np.maximum(2 * ndtr(-np.abs(z)), np.finfo(np.float64).tiny)
    return u / (n1 * n2), np.minimum(p, 1.0)
