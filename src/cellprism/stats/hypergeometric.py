"""The upper tail of the hypergeometric distribution, for very many overlaps at once."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln


def upper_tail(population: int, term: np.ndarray, query: np.ndarray, overlap: np.ndarray) -> np.ndarray:
    """P(X >= overlap) where X counts the term's genes among ``query`` genes drawn without replacement.

    Millions of tests share a few thousand (term size, query size) pairs, so the tails are computed once for each pair
    and looked up.

    Parameters
    ----------
    population
        Genes in the background.
    term, query, overlap
        Genes of the term, of the query and of both: integers, shape ``(n,)``.

    Returns
    -------
    p-values, float64, shape ``(n,)``, above 0.
    """
    term, query, overlap = (np.asarray(a, dtype=np.int64) for a in (term, query, overlap))
    if term.size == 0:
        return np.empty(0)
    pairs, row = np.unique(term * (population + 1) + query, return_inverse=True)
    tails = _tails(population, pairs // (population + 1), pairs % (population + 1), int(overlap.max()))
    return np.asarray(tails[row.ravel(), np.maximum(overlap, 0)])


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
