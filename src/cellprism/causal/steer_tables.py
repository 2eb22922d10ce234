"""From what steering did in every cell to its tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cellprism.causal.readouts import READOUTS
from cellprism.causal.switches import ARMS
from cellprism.stats.bootstrap import DRAWS, bootstrap_means, interval
from cellprism.stats.fdr import bh
from cellprism.stats.signflip import unit_p

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cellprism.causal.steering import Steered

Q = 0.05
TOP = 20
"""Genes that are listed of either sign."""
DIRECTIONS = ("atom", "random")


@dataclass(frozen=True)
class Result:
    """A steered feature: its arm (on, off or matched), the feature that a matched one stands beside, and its cells."""

    feature: int
    arm: str
    partner: int | None
    cells: np.ndarray
    steered: Steered


def effect_table(
    results: Sequence[Result], alphas: Sequence[float], *, algebraic: bool, seed: int,
) -> pd.DataFrame:
    """Table ``steering``: every feature, direction, alpha and readout.

    Parameters
    ----------
    algebraic
        Whether no block follows the steered layer. Then all cells move along one line, their signs say nothing of the
        model, and there is no p.
    """
    rows: list[dict[str, Any]] = []
    for result in results:
        effect = result.steered.effect
        flat = effect.reshape(len(effect), -1)
        rng = np.random.default_rng([seed, 43, result.feature])
        low, high = interval(bootstrap_means(flat, rng))
        p = np.full(flat.shape[1], np.nan) if algebraic else unit_p(flat, result.cells, seed=seed)
        places = np.ndindex(effect.shape[1:])
        rows += [{
            "feature": result.feature, "arm": result.arm, "partner": result.partner, "direction": DIRECTIONS[direction],
            "alpha": alphas[alpha], "readout": list(READOUTS)[readout], "n_cells": len(effect),
            "effect": flat[:, i].mean(), "low": low[i], "high": high[i], "positive": (flat[:, i] > 0).mean(), "p": p[i],
            "algebraic": algebraic,
        } for i, (direction, alpha, readout) in enumerate(places)]
    table = pd.DataFrame(rows).astype({"partner": "Int32"})
    return table.assign(q=adjusted(table["p"].where(table["direction"] == "atom")))


def arm_table(effects: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Table ``steering_arms``: on and off features less their controls, with the feature as the unit."""
    key = ["alpha", "readout"]
    rows: list[dict[str, Any]] = []
    for arm in ARMS:
        own = effects[(effects["arm"] == arm) & (effects["direction"] == "atom")]
        for against in ("matched", "random"):
            for names, pairs in with_controls(own, effects, against).groupby(key, sort=False):
                difference = (pairs["effect"] - pairs["control"]).to_numpy()[:, None]
                low, high = interval(bootstrap_means(difference, np.random.default_rng([seed, 44])))
                rows.append({
                    "arm": arm, **dict(zip(key, names, strict=True)), "against": against, "n_features": len(pairs),
                    "chosen": pairs["effect"].mean(), "other": pairs["control"].mean(),
                    "difference": difference.mean(), "low": low[0], "high": high[0],
                    "p": unit_p(difference, pairs["feature"].to_numpy(), seed=seed)[0],
                    "algebraic": bool(pairs["algebraic"].iloc[0]),
                })
    table = pd.DataFrame(rows)
    return table.assign(q=bh(table["p"].to_numpy()))


def with_controls(own: pd.DataFrame, effects: pd.DataFrame, against: str) -> pd.DataFrame:
    """Rows of on and off features beside the effect and p of their controls, as ``control`` and ``control_p``."""
    if against == "random":
        other = effects[effects["direction"] == "random"]
    else:
        other = effects[effects["arm"] == "matched"].drop(columns="feature").rename(columns={"partner": "feature"})
    columns = ["feature", "alpha", "readout"]
    other = other[[*columns, "effect", "p"]].rename(columns={"effect": "control", "p": "control_p"})
    return own.merge(other.astype({"feature": own["feature"].dtype}), on=columns)


def rate_table(effects: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Share of the on and off features that move ``fate`` as expected, beside the same share of their controls.

    More of an on feature should move cells towards late, and less of it towards early; of an off feature the other way
    round. ``fate_expected`` counts features with that sign and q < 0.05, controls with that sign and a p as small;
    ``fate_sign`` counts signs alone, which the last layer has as well. One row for each alpha and control.
    """
    own = effects[effects["arm"].isin(ARMS) & (effects["direction"] == "atom") & (effects["readout"] == "fate")]
    passed = effects.loc[(effects["direction"] == "atom") & (effects["q"] < Q), "p"]
    cut = passed.max() if len(passed) else 0.0
    rows: list[dict[str, Any]] = []
    for against, sentence in (
        ("matched", "features as frequent that do not switch, expected to do as their partners"),
        ("random", "one random direction for each feature, as far and at the same positions"),
    ):
        for alpha, pairs in with_controls(own, effects, against).groupby("alpha", sort=True):
            sign = np.where(pairs["arm"] == "on", 1, -1) * np.sign(float(str(alpha)) - 1)
            right, control = pairs["effect"] * sign > 0, pairs["control"] * sign > 0
            shares = {"fate_sign": (right, control)}
            if not pairs["algebraic"].iloc[0]:
                shares["fate_expected"] = right & (pairs["p"] <= cut), control & (pairs["control_p"] <= cut)
            for name, (value, null) in shares.items():
                drawn = bootstrap_means(null.to_numpy(np.float64)[:, None], np.random.default_rng([seed, 45]))
                rows.append({
                    "rate": f"{name}_alpha_{alpha:g}_{against}", "value": value.mean(), "n": len(pairs),
                    "unit": "feature", "null_mean": null.mean(), "null_q95": np.quantile(drawn, 0.95),
                    "null": f"{sentence}; its spread is a bootstrap over features", "n_permutations": DRAWS,
                    "protocol": "calibrated",
                })
    return pd.DataFrame(rows)


def gene_table(results: Sequence[Result], alpha: float, symbols: np.ndarray) -> pd.DataFrame:
    """Table ``steering_genes``: the genes whose logit or predicted value each feature changes most, of either sign."""
    parts = []
    for result in results:
        change = result.steered.change
        for sign in (1, -1):
            order = np.argsort(-sign * np.where(np.isfinite(change), change, 0.0), kind="stable")[:TOP]
            order = order[sign * change[order] > 0]
            parts.append(pd.DataFrame({
                "feature": result.feature, "alpha": alpha, "gene": symbols[order], "rank": np.arange(1, len(order) + 1),
                "change": change[order],
            }))
    return pd.concat(parts, ignore_index=True)


def adjusted(p: pd.Series) -> np.ndarray:
    """Benjamini-Hochberg adjusted values of the p that are there; NaN elsewhere."""
    q = np.full(len(p), np.nan)
    there = p.notna().to_numpy()
    q[there] = bh(p.to_numpy()[there])
    return q
