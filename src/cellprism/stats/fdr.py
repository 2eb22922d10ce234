"""False discovery rates."""

from __future__ import annotations

import numpy as np


def bh(p: np.ndarray, n_tests: int | None = None, *, count: np.ndarray | None = None) -> np.ndarray:
    """Benjamini-Hochberg adjusted p-values.

    ``q_(i) = min over j >= i of p_(j) m / j`` with ``m`` tests in the family (Benjamini and Hochberg 1995).

    Parameters
    ----------
    p
        p-values, shape ``(n,)``.
    n_tests
        Size of the family. Above ``n``, the tests that are not given count as ``p = 1``; given p-values must then
        be those of every test below some level, and adjusted values below that level are exact.
    count
        Tests that have each p-value, shape ``(n,)``; default: one. Discrete tests have few distinct p-values.

    Returns
    -------
    Adjusted p-values in the order of ``p``, shape ``(n,)``.
    """
    p = np.asarray(p, dtype=np.float64)
    count = np.ones(p.size, np.int64) if count is None else count
    given = int(count.sum())
    m = given if n_tests is None else n_tests
    if m < given:
        msg = f"a family of {m} tests cannot hold {given} p-values"
        raise ValueError(msg)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * (m / np.cumsum(count[order]))
    q = np.empty_like(p)
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return q
