"""Do edges between features say in which direction a gene changes when another is perturbed?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cellprism.causal.reading import named_edges, trace_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cellprism.regulation.responses import Response
    from cellprism.runs.directory import Run

GENES = 15
"""So many of a feature's top genes stand for it, as in the papers."""
RESPONDS = 0.05
PERMUTATIONS = 9999
NULL = "predictions exchanged among the genes of a perturbation; keeps how many of either sign there are"


def predicted_pairs(run: Run, layer: int) -> pd.DataFrame:
    """What the traces of a run that start at a layer predict of pairs of genes.

    An edge from a feature with ``a`` among its top genes to one with ``b`` predicts that ``b`` falls without ``a`` if
    it supports, and rises if it opposes. Several edges count by their size: ``- sum |g| sign / sum |g|``.

    Returns
    -------
    Columns target (the perturbed gene, ``a``), gene (``b``), predicted and n_edges; symbols in upper case; no pair of
    one gene. Empty without a finished trace by ablation that is no control.
    """
    traces = trace_table(run)
    usable = traces["done"] & (traces["method"] == "ablation") & (traces["control"] == "none")
    names = traces.loc[usable & (traces["source_layer"] == layer), "trace"]
    if not len(names):
        return pd.DataFrame({
            "target": pd.Series(dtype=str), "gene": pd.Series(dtype=str), "predicted": 0.0, "n_edges": 0,
        })
    edges = pd.concat([named_edges(run, str(name)) for name in names], ignore_index=True)
    pairs = edges.merge(_top(run, layer).rename(columns={"feature": "source", "gene": "target_gene"}), on="source")
    parts = [
        pairs[pairs["target_layer"] == after].merge(_top(run, after).rename(columns={"feature": "target"}), on="target")
        for after in pairs["target_layer"].unique().tolist()
    ]
    found = pd.concat(parts) if parts else pairs.assign(gene="")
    found = found[found["target_gene"] != found["gene"]]
    size = found["g"].abs()
    summed = found.assign(size=size, change=-size * found["sign"]).groupby(["target_gene", "gene"])
    table = summed.agg(change=("change", "sum"), size=("size", "sum"), n_edges=("size", "count")).reset_index()
    table["predicted"] = table["change"] / table["size"]
    return table.rename(columns={"target_gene": "target"})[["target", "gene", "predicted", "n_edges"]]


def measured_pairs(
    predicted: pd.DataFrame, names: Sequence[str], symbols: np.ndarray, tests: Sequence[Response],
) -> pd.DataFrame:
    """The predicted pairs that a screen measured, table ``gene_pairs``, smallest p first.

    Parameters
    ----------
    predicted
        From `predicted_pairs`.
    names, tests
        Perturbations, and the tests of expression at each.
    symbols
        Of the genes that ``tests`` number, upper case.
    """
    parts = [
        pd.DataFrame({
            "target": name, "key": name.upper(), "gene": symbols[test.column], "change": test.effect, "t": test.t,
            "p": test.p,
        })
        for name, test in zip(names, tests, strict=True)
    ]
    known = predicted[predicted["predicted"] != 0].rename(columns={"target": "key"})
    table = pd.concat(parts).merge(known, on=["key", "gene"]).drop(columns="key")
    return table.sort_values(["p", "target", "gene"], ignore_index=True)


def pair_rate(pairs: pd.DataFrame, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Row of the table ``rates``: predictions of the right sign among genes that change, p < `RESPONDS`.

    If most of either is negative, most signs agree: with shares ``p`` and ``q`` of positive predictions and changes the
    margins alone give ``p q + (1 - p) (1 - q)``. The null keeps them within every perturbation. No row without pairs.
    """
    own = pairs[pairs["p"] < RESPONDS].sort_values("target", kind="stable")
    if not len(own):
        return []
    predicted, measured = own["predicted"].to_numpy() > 0, own["t"].to_numpy() > 0
    _, arm = np.unique(own["target"].to_numpy(str), return_inverse=True)
    null = np.array([
        (predicted[np.lexsort((rng.random(len(arm)), arm))] == measured).mean() for _ in range(PERMUTATIONS)
    ])
    return [{
        "rate": "pair_signs", "value": float((predicted == measured).mean()), "n": len(own),
        "unit": "perturbed gene and gene that changes",
        "null_mean": float(null.mean()), "null_q95": float(np.quantile(null, 0.95)), "n_permutations": PERMUTATIONS,
        "null": NULL, "protocol": "calibrated",
    }]


def _top(run: Run, layer: int) -> pd.DataFrame:
    """Features and their first genes, upper case."""
    table = run.read("top_genes", layer)
    table = table[table["rank"] < GENES]
    return pd.DataFrame({"feature": table["feature"].to_numpy(), "gene": table["symbol"].str.upper().to_numpy()})
