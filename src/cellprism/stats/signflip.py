"""Is the mean of few independent numbers 0? Sign-flip tests of very many columns over the same units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

EXACT = 20
"""Columns with at most so many non-zero values are enumerated where precision is wanted: 2^10 sums for each half."""
FEW = 10
"""A p-value from fewer exceedances is imprecise and is computed again with more flips."""
FLIPS = 9999
CHUNK = 2048
"""Columns whose flipped sums are held at a time."""
TIE, TIE_EXACT = 1e-5, 1e-6
"""Sums that differ by less, as a share of the column's norm or of its absolute sum, are equal."""


@dataclass(frozen=True)
class Sizes:
    """Effect sizes of the columns of ``x (n, m)``; every array has shape ``(m,)``.

    Attributes
    ----------
    mean, sd
        Mean and sample standard deviation over all units, zeros included.
    d, g
        ``mean / sd`` and Hedges' ``g = (1 - 3 / (4 n - 5)) d`` (Hedges 1981, one sample).
    agreement
        Share of the non-zero values that have the sign of the mean; 0 without any, or where the mean is 0.
    positive, n_nonzero
        Values above 0, and values other than 0.
    """

    mean: np.ndarray
    sd: np.ndarray
    d: np.ndarray
    g: np.ndarray
    agreement: np.ndarray
    positive: np.ndarray
    n_nonzero: np.ndarray


def hedges(n: int) -> float:
    """Hedges' small-sample factor of a standardised mean of ``n`` units."""
    return 1 - 3 / (4 * n - 5) if n > 1 else 0.0


def effect_sizes(x: np.ndarray) -> Sizes:
    """Effect sizes of every column; a column without spread has the largest ``d`` that its rounding supports.

    Parameters
    ----------
    x
        One row per unit, shape ``(n, m)``; without any, all sizes are 0.
    """
    n = len(x)
    wide = x.astype(np.float64)
    mean = wide.sum(axis=0) / max(n, 1)
    sd = np.sqrt(((wide - mean) ** 2).sum(axis=0) / max(n - 1, 1))
    floor = np.finfo(np.float32).eps * np.sqrt((wide**2).sum(axis=0) / max(n, 1))
    d = np.divide(mean, np.maximum(sd, floor), out=np.zeros_like(mean), where=mean != 0)
    positive, negative = (x > 0).sum(axis=0), (x < 0).sum(axis=0)
    nonzero = positive + negative
    same = np.where(mean > 0, positive, np.where(mean < 0, negative, 0))
    return Sizes(mean, sd, d, hedges(n) * d, same / np.maximum(nonzero, 1), positive, nonzero)


def shared_signs(units: np.ndarray, flips: int, *, seed: int, stream: int = 0) -> np.ndarray:
    """Random signs that depend on the unit, not on its place: tests that share a unit flip it together.

    Parameters
    ----------
    units
        Numbers of the units, non-negative, shape ``(n,)``.
    flips
        Sign vectors.
    seed, stream
        Equal numbers give equal signs; other streams are independent.

    Returns
    -------
    +1 and -1, float32, shape ``(flips, n)``.
    """
    signs = np.empty((len(units), flips), np.float32)
    for row, unit in enumerate(units.tolist()):
        signs[row] = np.random.default_rng([seed, stream, unit]).integers(0, 2, flips) * 2 - 1
    return np.ascontiguousarray(signs.T)


def unit_columns(x: np.ndarray) -> np.ndarray:
    """Columns divided by their Euclidean norm, which no flip changes; float32, columns of zeros stay."""
    norm = np.sqrt((x.astype(np.float64) ** 2).sum(axis=0))
    return np.asarray(x / np.where(norm > 0, norm, 1), dtype=np.float32)


def signflip_p(x: np.ndarray, signs: np.ndarray, more: Callable[[], np.ndarray]) -> np.ndarray:
    """Two-sided p of "the values are symmetric around 0" for every column.

    The sum of squares is the same under every flip, so that ``|mean|``, ``|t|``, ``|d|`` and ``|g|`` order the flips
    alike and ``p = (1 + #{|sum_flipped| >= |sum|}) / (1 + flips)`` (Fisher 1935; Phipson and Smyth 2010), with all sums
    as one matrix product. A p from fewer than ``FEW`` exceedances is replaced: by full enumeration where at most
    ``EXACT`` values are not 0 (zeros do not matter), else by the p of fresh flips. Replacing keeps ``P(p <= a) <= a``:
    below the cut only the second p counts, and above it a replaced p was below it already.

    Parameters
    ----------
    x
        One row per independent unit, shape ``(n, m)``.
    signs
        Sign vectors, shape ``(flips, n)``.
    more
        Gives the fresh sign vectors; called at most once.

    Returns
    -------
    p-values, shape ``(m,)``, never 0.
    """
    if len(x) <= np.log2(len(signs)) + 1:
        return exact_p(x)
    p = np.empty(x.shape[1])
    for start in range(0, x.shape[1], CHUNK):
        columns = slice(start, start + CHUNK)
        unit = unit_columns(x[:, columns])
        p[columns] = (1 + exceedances(np.abs(signs @ unit), unit)) / (1 + len(signs))
    return refine(x, p, len(signs), more)


def unit_p(x: np.ndarray, units: np.ndarray, *, seed: int, flips: int = FLIPS) -> np.ndarray:
    """`signflip_p` with as many flips once more where few reach the sum; the signs depend on unit and seed alone."""
    first = shared_signs(units, flips, seed=seed)
    return signflip_p(x, first, lambda: shared_signs(units, flips, seed=seed, stream=1))


def exceedances(flipped: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """How many absolute sums ``flipped (flips, m)`` reach that of the columns ``unit (n, m)``, shape ``(m,)``."""
    return np.asarray(_exceedances(flipped, np.abs(unit.sum(axis=0, dtype=np.float64)) - TIE))


def refine(x: np.ndarray, p: np.ndarray, flips: int, more: Callable[[], np.ndarray]) -> np.ndarray:
    """Replace the p-values of fewer than ``FEW`` exceedances among ``flips``; see `signflip_p`."""
    p = p.copy()
    imprecise = p < (1 + FEW) / (1 + flips)
    few = (x != 0).sum(axis=0) <= EXACT
    enumerate_, draw = np.flatnonzero(imprecise & few), np.flatnonzero(imprecise & ~few)
    p[enumerate_] = exact_p(x[:, enumerate_])
    if len(draw):
        signs = more()
        unit = unit_columns(x[:, draw])
        count = np.zeros(len(draw), np.int64)
        rows = max(1, CHUNK * 512 // len(draw))
        for start in range(0, len(signs), rows):
            count += exceedances(np.abs(signs[start : start + rows] @ unit), unit)
        p[draw] = (1 + count) / (1 + len(signs))
    return p


def exact_p(x: np.ndarray) -> np.ndarray:
    """The sign-flip p over all ``2^m`` sign vectors of a column's ``m`` non-zero values, without sampling.

    The sums of the two halves of the values are listed in order and pairs that reach the observed sum are counted,
    which takes about ``2^(m / 2)`` steps.
    """
    most = int((x != 0).sum(axis=0).max(initial=0))
    rows = np.ascontiguousarray(np.abs(x.T), np.float64)
    return np.asarray(_exact(rows, np.abs(x.sum(axis=0, dtype=np.float64)), most))


@numba.njit
def _exceedances(flipped, reach):  # type: ignore[no-untyped-def]  # pragma: no cover
    count = np.zeros(flipped.shape[1], np.int64)
    for b in range(flipped.shape[0]):
        for t in range(flipped.shape[1]):
            count[t] += flipped[b, t] >= reach[t]
    return count


@numba.njit
def _sums(values, into, spare):  # type: ignore[no-untyped-def]  # pragma: no cover
    """All signed sums of positive values in ascending order; returns how many."""
    size = 1
    into[0] = 0.0
    for v in values:
        low, high = 0, 0
        for place in range(2 * size):
            if high == size or (low < size and into[low] - v <= into[high] + v):
                spare[place] = into[low] - v
                low += 1
            else:
                spare[place] = into[high] + v
                high += 1
        size *= 2
        into[:size] = spare[:size]
    return size


@numba.njit
def _exact(rows, observed, most):  # type: ignore[no-untyped-def]  # pragma: no cover
    half = (most + 1) // 2
    a, b, spare = np.empty(1 << half), np.empty(1 << half), np.empty(1 << half)
    p = np.ones(rows.shape[0])
    for t in range(rows.shape[0]):
        values = rows[t][rows[t] != 0]
        reach = observed[t] - TIE_EXACT * values.sum()
        if reach <= 0:
            continue
        m = len(values)
        n_a = _sums(values[: m // 2], a, spare)
        n_b = _sums(values[m // 2 :], b, spare)
        count, j = 0, n_b
        for i in range(n_a):
            while j > 0 and a[i] + b[j - 1] >= reach:
                j -= 1
            count += n_b - j
        p[t] = 2.0 * count / (float(n_a) * n_b)
    return p
