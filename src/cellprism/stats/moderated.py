"""Differences of two arms over replicates, with variances shrunk towards each other: limma's moderated t."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, digamma, fdtrc, polygamma, stdtr, stdtrit

FLOOR = 1e-5
"""Variances below this share of their median count as that much: a constant is no measurement of a variance of 0."""
UNLIKELY = 0.05
STEPS = 50


@dataclass(frozen=True)
class Difference:
    """Least-squares differences of ``L`` labellings of the same units, in ``F`` columns.

    Attributes
    ----------
    effect
        Mean of the units called perturbed less that of the others, batches held equal, ``(L, F)``.
    control
        Mean of the others, ``(L, F)``.
    variance
        Residual variance of a unit of weight 1, ``(L, F)``.
    information
        The variance of an effect is the residual variance over this, ``(L,)``.
    df
        Residual degrees of freedom.
    """

    effect: np.ndarray
    control: np.ndarray
    variance: np.ndarray
    information: np.ndarray
    df: int


@dataclass(frozen=True)
class ModeratedT:
    """Moderated t, two-sided p and 95 % interval, each ``(L, F)``; prior degrees of freedom ``(L,)``."""

    t: np.ndarray
    p: np.ndarray
    low: np.ndarray
    high: np.ndarray
    prior_df: np.ndarray


def difference(y: np.ndarray, perturbed: np.ndarray, *, weight: np.ndarray, batch: np.ndarray) -> Difference:
    """Fit ``y = batch + effect * perturbed`` by weighted least squares, for many labellings at once.

    With ``~`` for what is left after the weighted mean of each batch is taken off (Frisch, Waugh and Lovell):
    ``effect = sum w x~ y~ / sum w x~^2``, ``variance = (sum w y~^2 - effect^2 sum w x~^2) / df`` with
    ``df = units - batches - 1``.

    Parameters
    ----------
    y
        Shape ``(units, F)``.
    perturbed
        Which units are called perturbed, bool ``(L, units)``.
    weight
        Shape ``(units,)``, in units of the inverse variance.
    batch
        Shape ``(units,)``, whole numbers.

    Raises
    ------
    ValueError
        A labelling cannot be told from batches, or no degree of freedom is left.
    """
    _, batch = np.unique(batch, return_inverse=True)
    inside = (batch == np.arange(batch.max() + 1)[:, None]) * weight
    total = inside.sum(axis=1, keepdims=True)
    x = perturbed.astype(np.float64)
    y_left = y - (inside @ y / total)[batch]
    x_left = x - (x @ inside.T / total.T)[:, batch]
    information = (x_left**2) @ weight
    df = len(y) - len(total) - 1
    if df < 1 or (information < 1e-9).any():
        msg = "the labels leave nothing to compare: too few units, or a batch for each of them"
        raise ValueError(msg)
    effect = (x_left * weight) @ y_left / information[:, None]
    rest = weight @ y_left**2 - effect**2 * information[:, None]
    share = (x @ weight / weight.sum())[:, None]
    mean = weight @ y / weight.sum()
    return Difference(effect, mean - effect * share, np.maximum(rest, 0) / df, information, df)


def moderated_t(found: Difference, unit: np.ndarray) -> ModeratedT:
    """Shrink the variances of all columns towards a common one and test each effect against 0.

    ``s~^2 = (d0 s0^2 + d s^2) / (d0 + d)``, ``t = effect / (s~ / sqrt(information))`` on ``d0 + d`` degrees of freedom
    (Smyth 2004, Stat Appl Genet Mol Biol 3:3), at most those of all columns together. Variances are compared in units
    of ``unit``, so that columns of different scale share one prior. A column whose variance is larger than the prior
    allows (p < 0.05 by ``F(d, d0)``) keeps its own, on ``d`` degrees of freedom: the others cannot vouch for it.

    Parameters
    ----------
    unit
        What a variance is divided by before it is compared, ``(F,)``, above 0.
    """
    ratio = found.variance / unit
    d0, s0 = (part[:, None] for part in prior(ratio, found.df))
    known = np.isfinite(d0)
    lent = np.where(known, d0, 0.0)
    shrunk = np.where(known, (lent * s0 + found.df * ratio) / (lent + found.df), s0)
    df = np.broadcast_to(np.minimum(found.df + d0, found.df * ratio.shape[1]), ratio.shape)
    excess = np.where(
        known, fdtrc(found.df, np.where(known, d0, 1.0), ratio / s0), chdtrc(found.df, found.df * ratio / s0),
    )
    unlike = excess < UNLIKELY
    shrunk, df = np.where(unlike, np.maximum(ratio, shrunk), shrunk), np.where(unlike, found.df, df)
    error = np.sqrt(shrunk * unit / found.information[:, None])
    t = found.effect / error
    p = np.clip(2 * stdtr(df, -np.abs(t)), np.finfo(np.float64).tiny, 1.0)
    reach = stdtrit(df, 0.975) * error
    return ModeratedT(t, p, found.effect - reach, found.effect + reach, d0[:, 0])


def prior(variance: np.ndarray, df: int) -> tuple[np.ndarray, np.ndarray]:
    """Degrees of freedom ``d0`` and value ``s0^2`` of the scaled inverse chi-square that variances were drawn from.

    With ``e = log s^2 - digamma(d / 2) + log(d / 2)``: ``trigamma(d0 / 2) = var(e) - trigamma(d / 2)`` and
    ``log s0^2 = mean(e) + digamma(d0 / 2) - log(d0 / 2)``; ``d0`` is infinite where the left side would not be above 0
    (Smyth 2004, section 6.2).

    Parameters
    ----------
    variance
        Variances on ``df`` degrees of freedom each, ``(L, F)``; every row is an estimate of its own.
    """
    floor = np.maximum(FLOOR * np.median(variance, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    e = np.log(np.maximum(variance, floor)) - digamma(df / 2) + np.log(df / 2)
    mean = e.mean(axis=1)
    spread = e.var(axis=1, ddof=1) - polygamma(1, df / 2) if e.shape[1] > 1 else np.zeros(len(e))
    finite = spread > 0
    half = inverse_trigamma(np.where(finite, spread, 1.0))
    d0 = np.where(finite, 2 * half, np.inf)
    return d0, np.exp(np.where(finite, mean + digamma(half) - np.log(half), mean))


def inverse_trigamma(x: np.ndarray) -> np.ndarray:
    """The ``y`` with ``trigamma(y) = x``, by Newton's method on ``1 / trigamma``, which is nearly straight."""
    x = np.asarray(x, np.float64)
    y = 0.5 + 1 / x
    for _ in range(STEPS):
        value = polygamma(1, y)
        step = value * (1 - value / x) / polygamma(2, y)
        y = y + step
        if (np.abs(step) < 1e-10 * y).all():
            break
    return np.asarray(y)
