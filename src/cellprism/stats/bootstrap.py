"""Bootstrap of means over units."""

from __future__ import annotations

import numpy as np

DRAWS = 2000


def bootstrap_means(x: np.ndarray, rng: np.random.Generator, *, draws: int = DRAWS) -> np.ndarray:
    """Means of ``x`` over units drawn with replacement (Efron 1979).

    Parameters
    ----------
    x
        One row per independent unit, shape ``(n, m)``.
    rng
        Source of randomness; all columns share the draws, so that functions of several means can be bootstrapped.
    draws
        Bootstrap samples.

    Returns
    -------
    Shape ``(draws, m)``.
    """
    n = len(x)
    weight = rng.multinomial(n, np.full(n, 1 / n), size=draws)
    return np.asarray((weight @ x) / n)


def interval(samples: np.ndarray, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """The percentile interval of bootstrap samples ``(draws, ...)``, without those that are not a number."""
    low, high = np.nanquantile(samples, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high
