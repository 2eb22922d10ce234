"""A rate of a trace beside its null."""

from __future__ import annotations

import numpy as np

from cellprism.stats.permutation import permutation_p


def rate_row(
    rate: str, value: float, n: int, unit: str, null: np.ndarray, sentence: str, *, target_layer: int = -1,
    protocol: str = "calibrated",
) -> dict[str, object]:
    """One row of the table ``trace_rates``.

    Parameters
    ----------
    rate, value, n, unit
        The observed rate, and how many units of what are its denominator.
    null
        The same rate under each permutation, shape ``(permutations,)``.
    sentence
        What the null keeps and what it breaks.
    target_layer
        The layer of the targets, -1 for all together.
    """
    null = np.asarray(null, np.float64)
    low, high = np.quantile(null, [0.05, 0.95]) if len(null) else (np.nan, np.nan)
    known = len(null) > 0 and not np.isnan(value)
    return {
        "rate": rate, "target_layer": target_layer, "value": float(value), "n": int(n), "unit": unit,
        "null_mean": float(null.mean()) if len(null) else np.nan, "null_q05": float(low), "null_q95": float(high),
        "p": two_sided(value, null) if known else np.nan, "n_permutations": len(null), "null": sentence,
        "protocol": protocol,
    }


def share(part: float, whole: float) -> float:
    """A part of the whole, NaN if there is no whole."""
    return float(part / whole) if whole else np.nan


def two_sided(value: float, null: np.ndarray) -> float:
    """Twice the smaller of the two permutation p-values, at most 1."""
    return min(1.0, 2 * min(float(permutation_p(value, null)), float(permutation_p(-value, -null))))
