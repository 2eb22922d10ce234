"""Which features have more edges than their firing explains?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata, spearmanr, t

from cellprism.causal.rates import rate_row
from cellprism.stats.fdr import bh

if TYPE_CHECKING:
    import pandas as pd

TOP = 20
"""Features of largest degree that are compared with those of largest residual."""
PERMUTATIONS = 200
LABELS = 1000
"""Permutations of labels."""
NEAR = 25
"""Features of about the same frequency among which labels are permuted."""
_TIES = 1e-9


def degree_residuals(degree: np.ndarray, frequency: np.ndarray, n_cells: np.ndarray) -> dict[str, np.ndarray]:
    """Degree beside the degree expected from how often and in how many cells a feature fires.

    ``log(1 + degree)`` is regressed on a quadratic of ``log(frequency)`` and of ``log(n_cells)`` by least squares. The
    residual of each feature over its standard deviation estimated without the feature (externally studentised) is
    compared with Student's t, one-sided (Cook and Weisberg 1982).

    Parameters
    ----------
    degree, frequency, n_cells
        Edges, share of positions and number of cells with the feature, shape ``(n,)``; frequency and cells above 0.

    Returns
    -------
    ``expected`` (back on the scale of edges), ``residual`` (of the logarithm), ``z``, ``p``, ``q`` over all features.
    """
    y = np.log1p(degree)
    if not len(y):
        return dict.fromkeys(("expected", "residual", "z", "p", "q"), y)
    columns = [np.ones(len(y))]
    for covariate in (np.log(frequency), np.log(n_cells)):
        spread = covariate.std()
        if spread > _TIES:
            scaled = (covariate - covariate.mean()) / spread
            columns += [scaled, scaled**2]
    base, strength, _ = np.linalg.svd(np.stack(columns, axis=1), full_matrices=False)
    base = base[:, strength > strength.max() * _TIES]
    fitted = base @ (base.T @ y)
    residual = y - fitted
    free = len(y) - base.shape[1] - 1
    leverage = np.minimum((base**2).sum(axis=1), 1 - _TIES)
    if free < 1:
        z, p = np.zeros(len(y)), np.ones(len(y))
    else:
        without = np.maximum((residual @ residual - residual**2 / (1 - leverage)) / free, np.finfo(float).tiny)
        z = np.where(np.abs(residual) > _TIES, residual / np.sqrt(without * (1 - leverage)), 0.0)
        p = np.maximum(t.sf(z, free), np.finfo(float).tiny)
    return {"expected": np.maximum(np.expm1(fitted), 0.0), "residual": residual, "z": z, "p": p, "q": bh(p)}


def degree_rates(
    table: pd.DataFrame, side: str, rng: np.random.Generator, *, target_layer: int = -1,
) -> list[dict[str, object]]:
    """How much of the degree is firing: rank correlations, and how many of the top features are hubs by residual too.

    Parameters
    ----------
    table
        Columns degree, frequency, n_cells, residual; one row per feature.
    side
        Prefix of the names of the rates, ``out`` or ``in``.
    rng
        Source of the permutations.
    target_layer
        The layer of the targets, -1 for all together.

    Returns
    -------
    Rows of ``trace_rates``.
    """
    n = len(table)
    if n < 3:
        return []
    sentence = "degrees permuted between features; keeps the degrees, breaks what they have to do with firing"
    degree = rankdata(table["degree"])
    permuted = [rng.permutation(degree) for _ in range(PERMUTATIONS)]
    rows = []
    for covariate in ("frequency", "n_cells"):
        ranks = rankdata(table[covariate])
        if np.ptp(ranks) and np.ptp(degree):
            null = np.array([np.corrcoef(ranks, one)[0, 1] for one in permuted])
            value = float(spearmanr(table["degree"], table[covariate]).statistic)
            rows.append(rate_row(
                f"{side}_degree_by_{covariate}", value, n, "feature", null, sentence, target_layer=target_layer,
            ))
    k = min(TOP, n // 2)
    by_residual = rankdata(-table["residual"].to_numpy(), method="ordinal") <= k
    top = rankdata(-table["degree"].to_numpy(), method="ordinal") <= k
    null = np.array([by_residual[rankdata(-one, method="ordinal") <= k].mean() for one in permuted])
    value = float(by_residual[top].mean())
    return [
        *rows,
        rate_row(f"{side}_top_by_residual", value, k, "feature", null, sentence, target_layer=target_layer),
    ]


def annotated_rate(
    table: pd.DataFrame, labelled: np.ndarray, side: str, rng: np.random.Generator, *, target_layer: int = -1,
) -> list[dict[str, object]]:
    """Share of the features of largest degree that have a label, beside features that fire as often.

    Frequent features have more edges and more labels, so that labels are permuted among features of about the same
    frequency.

    Parameters
    ----------
    table
        Columns degree and frequency; one row per feature.
    labelled
        Which of them have a label, shape ``(features,)``.
    side, rng, target_layer
        As in `degree_rates`.

    Returns
    -------
    One row of ``trace_rates``; none for fewer than `NEAR` features.
    """
    n = len(table)
    if n < NEAR:
        return []
    k = min(TOP, n // 2)
    top = rankdata(-table["degree"].to_numpy(), method="ordinal") <= k
    order = np.argsort(table["frequency"].to_numpy(), kind="stable")
    blocks = [labelled[rows] for rows in np.array_split(order, n // NEAR)]
    null = [np.concatenate([rng.permutation(b) for b in blocks])[top[order]].mean() for _ in range(LABELS)]
    sentence = (
        "labels permuted among features of about the same frequency; keeps the degrees, and how many of the features "
        "that fire as often have a label"
    )
    value = float(labelled[top].mean())
    return [rate_row(f"{side}_top_annotated", value, k, "feature", np.array(null), sentence, target_layer=target_layer)]
