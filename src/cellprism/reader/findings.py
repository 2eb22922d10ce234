"""Which features of a run to look at first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

Q = 0.05
"""Tests of features against groups of cells count below this q."""


def best_groups(celltypes: pd.DataFrame) -> pd.DataFrame:
    """The group of cells with the largest AUROC among those with q < 0.05, for each feature that has one.

    Parameters
    ----------
    celltypes
        A table ``celltypes``.

    Returns
    -------
    pandas.DataFrame
        Columns feature, group_key, group_value, group_auroc, group_q; one row per feature.
    """
    rows = celltypes[celltypes["q"] < Q].sort_values(["auroc", "key", "value"], ascending=[False, True, True])
    rows = rows.drop_duplicates("feature").sort_values("feature", ignore_index=True)
    names = {"key": "group_key", "value": "group_value", "auroc": "group_auroc", "q": "group_q"}
    return rows[["feature", *names]].rename(columns=names)


def rank_findings(rows: pd.DataFrame) -> pd.DataFrame:
    """Sort features by the worse of their ranks by ``label_q`` and ``group_auroc``; keep the first of each label."""
    by_label = rows["label_q"].rank(method="min")
    by_group = rows["group_auroc"].rank(method="min", ascending=False)
    rows = rows.assign(_worse=by_label.combine(by_group, max), _sum=by_label + by_group)
    rows = rows.sort_values(["_worse", "_sum", "layer", "feature"]).drop(columns=["_worse", "_sum"])
    return rows.drop_duplicates(["source", "label"])


def convincing(table: pd.DataFrame) -> pd.Series[bool]:
    """Whether a feature is neither dead nor rare, has a label, and fires more in a group of cells than in the rest."""
    return ~table["dead"] & ~table["rare"] & (table["label_q"] < Q) & (table["group_auroc"] > 0.5)


def symbols_of(top_genes: pd.DataFrame) -> dict[int, list[str]]:
    """Symbols of each feature's top genes, by rank."""
    symbols: dict[int, list[str]] = {}
    ordered = top_genes.sort_values(["feature", "rank"])
    for feature, symbol in zip(ordered["feature"].tolist(), ordered["symbol"], strict=True):
        symbols.setdefault(feature, []).append(symbol)
    return symbols

