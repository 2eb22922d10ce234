"""Features that switch along an order of cells, and features like them that do not."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cellprism.stats.fdr import bh
from cellprism.stats.ranks import rank_sum, ranks

G, Q, SHARE = 0.5, 0.05, 0.05
"""A feature switches with a larger ``|g|``, a smaller q, and if it fires in so many of the cells."""
STILL = 0.2
"""One with a smaller ``|g|`` does not."""
ARMS = ("on", "off")


def switch_table(means: np.ndarray, early: np.ndarray, late: np.ndarray) -> pd.DataFrame:
    """Test every feature that fires at all for a difference between late and early cells, one number a cell.

    ``g`` is Hedges' for two samples, ``(1 - 3 / (4 (n1 + n2) - 9)) (mean late - mean early) / pooled SD`` (Hedges
    1981); p is of the Wilcoxon rank-sum test, q by Benjamini and Hochberg over all features that fire in these cells.

    Parameters
    ----------
    means
        Mean activation over the positions of each cell, shape ``(cells, features)``, of the cells that choose.
    early, late
        Whether a cell is early or late, shape ``(cells,)``.

    Returns
    -------
    Columns feature, share_cells, early, late, g, p, q; features ascending.
    """
    live = np.flatnonzero((means > 0).any(axis=0))
    x = means[:, live].astype(np.float64)
    used = early | late
    p = rank_sum(ranks(x[used]), late[used, None]).p()[0]
    return pd.DataFrame({
        "feature": live, "share_cells": (x > 0).mean(axis=0), "early": x[early].mean(axis=0),
        "late": x[late].mean(axis=0), "g": two_sample_g(x[late], x[early]), "p": p, "q": bh(p),
    })


def two_sample_g(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Hedges' g of the rows of ``a`` against those of ``b``, for every column; 0 where nothing varies."""
    n, m = len(a), len(b)
    squares = ((a - a.mean(axis=0)) ** 2).sum(axis=0) + ((b - b.mean(axis=0)) ** 2).sum(axis=0)
    sd = np.sqrt(squares / (n + m - 2))
    difference = a.mean(axis=0) - b.mean(axis=0)
    d = np.divide(difference, sd, out=np.zeros_like(sd), where=sd > 0)
    return np.asarray((1 - 3 / (4 * (n + m) - 9)) * d)


def choose_switches(
    table: pd.DataFrame, frequency: np.ndarray, steerable: np.ndarray, n: int,
) -> tuple[pd.DataFrame, dict[str, int]]:
    """The strongest on and off features, and for each one as frequent that does not switch; no feature serves twice.

    Parameters
    ----------
    table
        From `switch_table`.
    frequency
        Share of all positions at which each feature of the dictionary fires, shape ``(features,)``.
    steerable
        Whether a feature fires in enough early cells to be steered, shape ``(features,)``.
    n
        Features of either arm, at most.

    Returns
    -------
    Columns feature, arm (on, off or matched) and partner (Int32); and how many features switch on and off in all,
    steerable or not.
    """
    switches = (table["q"] < Q) & (table["share_cells"] >= SHARE)
    arms = {"on": table[switches & (table["g"] >= G)], "off": table[switches & (table["g"] <= -G)]}
    found = {arm: len(own) for arm, own in arms.items()}
    can = steerable[table["feature"].to_numpy()]
    still = table.loc[can & (table["share_cells"] >= SHARE) & (table["g"].abs() < STILL), "feature"]
    free = still.to_numpy(np.int64)
    ranked: list[tuple[int, int, str]] = []
    for arm, every in arms.items():
        own = every[steerable[every["feature"].to_numpy()]]
        strongest = own.loc[own["g"].abs().sort_values(ascending=False, kind="stable").index[:n], "feature"]
        ranked += [(rank, int(feature), arm) for rank, feature in enumerate(strongest)]
    rows: list[tuple[int, str, int | None]] = [(feature, arm, None) for _, feature, arm in ranked]
    for _, feature, _ in sorted(ranked, key=lambda one: one[0])[: len(free)]:  # the strongest of both arms come first
        nearest = int(np.abs(np.log(frequency[free]) - np.log(frequency[feature])).argmin())
        rows.append((int(free[nearest]), "matched", feature))
        free = np.delete(free, nearest)
    chosen = pd.DataFrame(rows, columns=["feature", "arm", "partner"])
    return chosen.astype({"feature": "int64", "partner": "Int32"}), found
