"""False discovery rates."""

from __future__ import annotations

import numpy as np


def bh(p: np.ndarray, n_tests: int | None = None) -> np.ndarray:
    """Benjamini-Hochberg adjusted p-values.

    ``q_(i) = min over j >= i of p_(j) m / j`` with ``m`` tests in the family (Benjamini and Hochberg 1995).

    Parameters
    ----------
    p
        p-values, shape ``(n,)``.
    n_tests
        Size of the family. Above ``n``, the tests that are not given count as ``p = 1``; given p-values must then
        be those of every test below some level, and adjusted values below that level are exact.

    Returns
    -------
    Adjusted p-values in the order of ``p``, shape ``(n,)``.
    """
    p = np.asarray(p, dtype=np.float64)
    m = p.size if n_tests is None else n_tests
    if m < p.size:
        msg = f"a family of {m} tests cannot hold {p.size} p-values"
        raise ValueError(msg)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * (m / np.arange(1, p.size + 1))
    q = np.empty_like(p)
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return q
