"""The edge rule of the published work, kept so that its tables can be compared; see docs/statistics.md for its bias."""

from __future__ import annotations

import numpy as np

D, CONSISTENCY = 0.5, 0.7
KEPT = 50
"""Edges kept of one source in one target layer."""


def published_sizes(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``d = mean / max(sd, 1e-10)`` and ``consistency = max(pos, n - pos) / n``, as their code has them.

    ``pos`` counts values above 0, so that a value of exactly 0 counts as negative.

    Parameters
    ----------
    x
        One row per cell, shape ``(n, m)``.
    """
    n = len(x)
    wide = x.astype(np.float64)
    sd = wide.std(axis=0, ddof=1) if n > 1 else np.zeros(x.shape[1])
    positive = (x > 0).sum(axis=0)
    return wide.mean(axis=0) / np.maximum(sd, 1e-10), np.maximum(positive, n - positive) / n


def published_edges(d: np.ndarray, consistency: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which targets pass ``|d| > 0.5`` and ``consistency > 0.7``, and the 50 of largest ``|d|`` among them.

    Returns
    -------
    A mask, shape ``(m,)``, and the indices of those kept, ascending.
    """
    passes = (np.abs(d) > D) & (consistency > CONSISTENCY)
    found = np.flatnonzero(passes)
    largest = found[np.argsort(-np.abs(d[found]), kind="stable")[:KEPT]]
    return passes, np.sort(largest)
