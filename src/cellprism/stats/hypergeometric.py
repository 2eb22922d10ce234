"""The upper tail of the hypergeometric distribution, for very many overlaps at once."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln


def upper_tail(population: int, term: np.ndarray, query: np.ndarray, overlap: np.ndarray) -> np.ndarray:
    """P(X >= overlap) where X counts the term's genes among ``query`` genes drawn without replacement.

    Parameters
    ----------
    population
        Genes in the background.
    term, query, overlap
        Genes of the term, of the query and of both: non-negative integers, shape ``(n,)``.

    Returns
    -------
    p-values, float64, shape ``(n,)``, above 0.
    """
    levels, level = tail_levels(population, term, query, overlap)
    return np.asarray(levels[level])


def tail_levels(
    population: int, term: np.ndarray, query: np.ndarray, overlap: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The p-values of `upper_tail` as a table: ``p = levels[level]``.

    Millions of tests share a few thousand (term, query, overlap), so that tails are computed once for each, and sorting
    or adjusting p-values need only look at the levels.

    Returns
    -------
    levels
        p-values in ascending order, shape ``(m,)``.
    level
        Level of each test, shape ``(n,)``.
    """
    term, query, overlap = (np.asarray(a, dtype=np.int64) for a in (term, query, overlap))
    if term.size == 0:
        return np.empty(0), np.empty(0, np.int64)
    width = int(query.max()) + 1
    pairs, row = _distinct(term * width + query)
    tails = _tails(population, pairs // width, pairs % width, int(overlap.max()))
    triples, level = _distinct(row * tails.shape[1] + overlap)
    levels = tails.ravel()[triples]
    order = np.argsort(levels, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return levels[order], place[level]


def _distinct(key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`np.unique` with inverse, by marking instead of sorting: keys are far fewer than tests."""
    present = np.zeros(int(key.max()) + 1, dtype=bool)
    present[key] = True
    return np.flatnonzero(present), (np.cumsum(present) - 1)[key]


def _tails(population: int, term: np.ndarray, query: np.ndarray, largest: int) -> np.ndarray:
    """``out[i, x] = P(X_i >= x)`` up to ``largest``, summed from the far end so that small tails stay exact."""
    x = np.arange(max(largest, int(np.minimum(term, query).max())) + 1)
    good, drawn = term[:, None].astype(np.float64), query[:, None].astype(np.float64)
    possible = (x <= good) & (x <= drawn) & (x >= drawn + good - population)
    x_in = np.where(possible, x, np.maximum(0.0, drawn + good - population))
    log_p = (
        _log_choose(good, x_in) + _log_choose(population - good, drawn - x_in) - _log_choose(float(population), drawn)
    )
    mass = np.where(possible, np.exp(log_p), 0.0)
    tails = np.cumsum(mass[:, ::-1], axis=1)[:, ::-1]
    tails = np.where(x <= np.maximum(0, drawn + good - population), 1.0, np.minimum(tails, 1.0))
    return np.asarray(tails[:, : largest + 1])


def _log_choose(n: np.ndarray | float, k: np.ndarray) -> np.ndarray:
    return np.asarray(gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0))
