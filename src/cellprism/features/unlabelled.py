"""Features without a label: what company they keep, and which of them are worth a look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from cellprism.features.tracking import Best


def unlabelled_table(
    features: pd.DataFrame, labels: pd.DataFrame, members: pd.DataFrame, top_genes: pd.DataFrame, span: pd.Series,
    nearest: Best, stability: pd.Series,
) -> pd.DataFrame:
    """Table ``unlabelled``, less its gene clusters: live features without a label that are not rare.

    They are ranked by how many layers they last, how reliably they fire and how stable they are between seeds, where
    there are several; a feature's place is the worst of its ranks.

    Parameters
    ----------
    features, labels, members, top_genes
        Tables of the layer.
    span
        Feature -> layers of its chain.
    stability
        Feature -> its stability between seeds; empty with one seed.
    nearest
        For each live unlabelled feature, in order, the nearest labelled one: place among the rows of ``labels``.
    """
    alive = features[~features["dead"]]
    dark = alive[~alive["feature"].isin(labels["feature"])].reset_index(drop=True)
    home = members.set_index("feature")["module"]
    n_labelled = home.reindex(labels["feature"]).dropna().astype(int).value_counts()
    module = dark["feature"].map(home)
    reliable = top_genes.groupby("feature")["lower"].median()
    found = nearest.cosine > 0
    table = pd.DataFrame({
        "feature": dark["feature"],
        "n_layers": dark["feature"].map(span).astype(int),
        "reliability": (dark["feature"].map(reliable) / dark["max_value"]).fillna(0.0),
        "stability": dark["feature"].map(stability).astype(float),
        "module": module.astype("Int32"),
        "labelled_in_module": module.map(n_labelled).where(module.isna(), module.map(n_labelled).fillna(0)),
        "nearest": pd.array(np.where(found, _take(labels["feature"], nearest.place), -1), dtype="Int32"),
        "nearest_term": pd.Series(_take(labels["term"], nearest.place), dtype=object).where(found, None),
        "cosine": nearest.cosine,
    })
    table["labelled_in_module"] = table["labelled_in_module"].astype("Int32")
    table.loc[~found, "nearest"] = pd.NA
    table = table[~dark["rare"].to_numpy()]
    ranks = table[["n_layers", "reliability", "stability"]].rank(method="min", ascending=False)
    table = table.assign(_worst=ranks.max(axis=1), _sum=ranks.sum(axis=1)).sort_values(["_worst", "_sum", "feature"])
    return table.drop(columns=["_worst", "_sum"]).assign(rank=np.arange(len(table))).reset_index(drop=True)


def company_rates(
    alive: np.ndarray, labelled: np.ndarray, members: pd.DataFrame, *, permutations: int, rng: np.random.Generator,
) -> pd.DataFrame:
    """Mean share of labelled features in the modules of unlabelled ones (table ``rates``).

    ``company`` is, over unlabelled features in a module, the mean share of the module's other members that have a
    label. The null shuffles labels over the live features of the layer that are in a module.
    """
    inside = members[members["feature"].isin(alive)]
    module = inside["module"].to_numpy()
    has = inside["feature"].isin(labelled).to_numpy()
    value = _company(module, has)
    null = np.array([_company(module, rng.permutation(has)) for _ in range(permutations)])
    return pd.DataFrame([{
        "rate": "company", "value": value, "n": int((~has).sum()), "unit": "feature", "null_mean": null.mean(),
        "null_q95": np.quantile(null, 0.95), "n_permutations": permutations, "protocol": "calibrated",
        "null": "labels shuffled over the features in modules; keeps the modules and how many features are labelled",
    }])


def _company(module: np.ndarray, has: np.ndarray) -> float:
    if has.all() or not len(has):
        return 0.0
    size = np.bincount(module)
    share = np.bincount(module, weights=has) / np.maximum(size - 1, 1)
    return float(share[module[~has]].mean())


def _take(column: pd.Series, place: np.ndarray) -> np.ndarray:
    values = column.to_numpy()
    return values[place] if len(values) else np.full(len(place), -1)
