"""How many pairs, perturbations and factors there are to show, each beside the same by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.stats.fdr import bh

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from cellprism.regulation.factors import Factor
    from cellprism.regulation.responses import Response
    from cellprism.regulation.targets import RankTest

LEVEL = 0.05
RELABELLED = "control replicates called perturbed, as many of each batch; keeps replicates, cells and features"
EXCHANGED = "chance says which gene of each match is the target; keeps expression"
RANDOM_CELLS = "random cells of the control in place of the perturbed"


def response_rates(
    found: Sequence[Response], responding: np.ndarray, null: np.ndarray, null_below: float,
    published: tuple[np.ndarray, np.ndarray],
) -> list[dict[str, Any]]:
    """Rows of the table ``rates`` about perturbations and features.

    Parameters
    ----------
    responding, null
        Responding features of each perturbation, and under each relabelling ``(permutations, perturbations)``.
    null_below
        Share of the p-values of relabellings below `LEVEL`.
    published
        From `published.published_response`.
    """
    tests = sum(len(response.p) for response in found)
    below = sum(int((response.p < LEVEL).sum()) for response in found)
    p_row = _row("p_below_0.05", below / tests, tests, "perturbation and feature", np.array([null_below]), RELABELLED)
    arms, by_chance = published
    null = null if null.size else null[:0]
    return [
        _row("responding", responding.sum() / tests, tests, "perturbation and feature", null.sum(axis=1) / tests,
             RELABELLED),
        _row("perturbations_responding", (responding > 0).mean(), len(found), "perturbation", (null > 0).mean(axis=1),
             RELABELLED),
        {**p_row, "null_q95": np.nan, "n_permutations": len(null)},
        {**_row("perturbations_responding", (arms > 0).mean(), len(arms), "perturbation", (by_chance > 0).astype(float),
                RANDOM_CELLS, protocol="published"), "null_q95": np.nan},
    ]


def factor_rates(table: pd.DataFrame, factors: Sequence[Factor]) -> list[dict[str, Any]]:
    """Rows about factors whose targets come first, by features and by expression.

    Parameters
    ----------
    table
        Table ``tf_targets``.
    factors
        Its rows with the AUROC of permuted sets.
    """
    if not factors:
        return []
    by_features = _null_first([factor.features for factor in factors])
    by_expression = _null_first([factor.expression for factor in factors])
    n, unit = len(table), "factor in a network"
    return [
        _row("targets_first", (table["q"] < LEVEL).mean(), n, unit, by_features, EXCHANGED),
        _row("targets_first_by_expression", (table["q_expression"] < LEVEL).mean(), n, unit, by_expression, EXCHANGED),
    ]


def _null_first(tests: Sequence[RankTest]) -> np.ndarray:
    """Share of factors with q below `LEVEL` in every permutation."""
    null = np.stack([test.null for test in tests])
    n = null.shape[1]
    p = np.stack([(n - np.searchsorted(np.sort(row), row - 1e-9)) / n for row in null])
    return np.array([(bh(column) < LEVEL).mean() for column in p.T])


def _row(
    rate: str, value: float, n: int, unit: str, null: np.ndarray, sentence: str, *, protocol: str = "calibrated",
) -> dict[str, Any]:
    known = len(null) > 0 and bool(np.isfinite(null).all())
    return {
        "rate": rate, "value": float(value), "n": int(n), "unit": unit,
        "null_mean": float(null.mean()) if known else np.nan,
        "null_q95": float(np.quantile(null, 0.95)) if known else np.nan,
        "n_permutations": len(null) if known else 0, "null": sentence, "protocol": protocol,
    }
