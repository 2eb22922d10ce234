"""Confidence bounds."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit


def lower_bound(
    total: np.ndarray, squares: np.ndarray, n: np.ndarray, *, level: float = 0.95,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, standard deviation and one-sided lower confidence bound of the mean, from sums.

    ``mean - t_{level, n - 1} sd / sqrt(n)`` with the sample standard deviation (Student 1908).

    Parameters
    ----------
    total, squares
        Sums of the values and of their squares, shape ``(...)``.
    n
        Number of values, at least 2.
    level
        Confidence of the bound.
    """
    n = np.asarray(n, dtype=np.float64)
    mean = total / n
    sd = np.sqrt(np.maximum(squares - n * mean**2, 0.0) / (n - 1))
    return mean, sd, mean - stdtrit(n - 1, level) * sd / np.sqrt(n)
