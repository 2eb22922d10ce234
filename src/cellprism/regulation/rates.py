"""How many pairs, perturbations and factors there are to show, each beside the same by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.stats.fdr import bh

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from cellprism.regulation.factors import Factor
    from cellprism.regulation.targets import RankTest

LEVEL = 0.05
RELABELLED = "control replicates called perturbed, as many of each batch; keeps replicates, cells and features"
EXCHANGED = "chance says which gene of each match is the target; keeps expression"
RANDOM_CELLS = "random cells of the control in place of the perturbed"


def response_rates(
    p: Sequence[np.ndarray], responding: np.ndarray, null: Sequence[np.ndarray], null_below: float,
) -> list[dict[str, Any]]:
    """Rows of the table ``rates`` about perturbations and features.

    A perturbation counts as responding if more of its features respond than in 95 % of the relabellings.

    Parameters
    ----------
    p
        p-values of each perturbation.
    responding, null
        Responding features of each perturbation, and under each relabelling, ``(permutations,)`` or empty.
    null_below
        Share of the p-values of relabellings below `LEVEL`.
    """
    tests = sum(map(len, p))
    known = [(own, chance, len(part)) for own, chance, part in zip(responding, null, p, strict=True) if len(chance)]
    chance = np.stack([one for _, one, _ in known], axis=1) if known else np.zeros((0, 0))
    more = np.quantile(chance, 0.95, axis=0) if known else np.zeros(0)
    above = np.array([own for own, _, _ in known]) > more
    below = sum(int((part < LEVEL).sum()) for part in p)
    unit = "perturbation and feature"
    by_chance = chance.sum(axis=1) / max(sum(n for _, _, n in known), 1)
    row = _row("p_below_0.05", below / tests, tests, unit, np.array([null_below]), RELABELLED)
    return [
        _row("responding", responding.sum() / tests, tests, unit, by_chance, RELABELLED),
        {**row, "null_q95": np.nan, "n_permutations": len(chance)},
        _row("perturbations_responding", above.mean() if known else np.nan, len(known), "perturbation",
             (chance > more).mean(axis=1) if known else np.zeros(0), RELABELLED),
    ]


def published_rate(responding: np.ndarray, by_chance: np.ndarray) -> dict[str, Any]:
    """The row of the papers' rule: arms with a responding feature, and random cells of the control with one."""
    row = _row("perturbations_responding", (responding > 0).mean(), len(responding), "perturbation",
               (by_chance > 0).astype(np.float64), RANDOM_CELLS, protocol="published")
    return {**row, "null_q95": np.nan}


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
