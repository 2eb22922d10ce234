"""What a screen says, in sentences: what responds beside chance, and whether the model adds to the expression."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from cellprism.regulation.perturb_run import Perturbed

SHOWN = 8
LEVEL = 0.05
POWER = 0.5
"""With less power, a test that finds nothing says nothing."""


def summary(found: Perturbed, labels: pd.DataFrame) -> list[str]:
    """Lines for people.

    Parameters
    ----------
    labels
        Table ``labels`` of the layer.
    """
    terms = dict(zip(labels["feature"], labels["term"], strict=True))
    return [*_screen(found), *_rates(found), *_perturbations(found, terms), *_factors(found), *_pairs(found)]


def verdict(tf_targets: pd.DataFrame) -> str:
    """Whether the features know more of regulation than the expression that was put in.

    Parameters
    ----------
    tf_targets
        Table ``tf_targets`` with at least one row.
    """
    first, plain = tf_targets["q"] < LEVEL, tf_targets["q_expression"] < LEVEL
    power = float(tf_targets["power"].median())
    strength = f"median power {power:.2f}" + (": too low to conclude from what is not found" if power < POWER else "")
    if (first & ~plain).any():
        return f"{int((first & ~plain).sum())} of them cannot be seen in the expression itself ({strength})"
    if first.any():
        return f"the expression already answers, the model adds nothing ({strength})"
    if plain.any():
        return f"the expression answers, the features do not show it ({strength})"
    return f"not in the expression either, so it is not the model that fails ({strength})"


def _screen(found: Perturbed) -> list[str]:
    notes = found.notes
    units = "guides are the replicates" if notes["unit"] == "guide" else (
        "cells are the replicates, so p-values speak of these cells and not of other guides or another experiment"
    )
    lines = [
        f"{len(found.perturbations)} perturbations, {notes['cells_read']:,} cells, {notes['control_cells']:,} of them "
        f"control; {notes['genes_mapped']:,} of {notes['genes_measured']:,} genes are the model's; {units}."
    ]
    lines += notes["cautions"]
    if notes["left_out"]:
        shown = [f"{name} ({n})" for name, n in notes["left_out"].items()]
        lines.append(f"left out, too few cells or guides: {', '.join(shown[:SHOWN])}{', ...' * (len(shown) > SHOWN)}.")
    return lines


def _rates(found: Perturbed) -> list[str]:
    rates = {(row["rate"], row["protocol"]): row for row in found.rates.to_dict("records")}
    pairs, below = rates["responding", "calibrated"], rates["p_below_0.05", "calibrated"]
    some, published = rates["perturbations_responding", "calibrated"], rates["perturbations_responding", "published"]
    return [
        f"{pairs['value']:.2%} of {pairs['n']:,} pairs of perturbation and feature respond (q < 0.05), by chance "
        f"{_or_unknown(pairs['null_mean'], '.2%')}; p < 0.05 in {below['value']:.1%}, by chance "
        f"{_or_unknown(below['null_mean'], '.1%')}.",
        f"{_or_unknown(some['value'], '.0%')} of the perturbations have more responding features than 95 % of the "
        f"relabellings of the control; by chance {_or_unknown(some['null_mean'], '.0%')}.",
        f"by the published rule {published['value']:.0%} respond, and {published['null_mean']:.0%} of random groups of "
        "control cells.",
    ]


def _perturbations(found: Perturbed, terms: dict[int, str]) -> list[str]:
    first = {row["target"]: row for row in found.responses.drop_duplicates("target").to_dict("records")}
    lines = ["  perturbed     features  by chance  genes  own gene, log2     strongest feature"]
    for row in found.perturbations.head(SHOWN).to_dict("records"):
        lines.append(
            f"  {row['target']:<12.12} {row['responding']:>9}  {_or_unknown(row['null_mean'], '9.1f'):>9}  "
            f"{found.notes['genes_responding'][row['target']]:>5}  {_own_gene(row):<17}  "
            f"{_feature(first[row['target']], terms)}"
        )
    return lines


def _own_gene(row: dict[Any, Any]) -> str:
    return "not measured" if math.isnan(row["knockdown"]) else f"{row['knockdown']:+.2f} (p {row['knockdown_p']:.1g})"


def _feature(row: dict[Any, Any], terms: dict[int, str]) -> str:
    return f"{row['feature']} {row['effect']:+.3f}, t {row['t']:+.1f} ({terms.get(row['feature'], 'no label')})"


def _factors(found: Perturbed) -> list[str]:
    table = found.tf_targets
    if not len(table):
        why = "no perturbed gene has enough known targets among the genes read" if found.notes["networks_read"] else (
            "the run knows no factors and targets; name some by `--network`"
        )
        return [f"targets of factors are not tested: {why}."]
    lines = ["  factor (network)        targets  AUROC (p)      by expression   power at AUROC"]
    for row in table.head(SHOWN).to_dict("records"):
        name = f"{row['target']} ({row['source']})"
        by_features = f"{row['auroc']:.2f} ({row['p']:.2g})"
        by_expression = f"{row['auroc_expression']:.2f} ({row['p_expression']:.2g})"
        lines.append(
            f"  {name:<23.23} {row['n_targets']:>7}  {by_features:<13}  {by_expression:<14}  "
            f"{row['power']:.2f} at {row['planted']:.2f}"
        )
    first, plain = (table["q"] < LEVEL).sum(), (table["q_expression"] < LEVEL).sum()
    lines.append(
        f"known targets come first for {first} of {len(table)} factors by features, for {plain} by expression "
        f"(q < 0.05): {verdict(table)}."
    )
    return lines


def _pairs(found: Perturbed) -> list[str]:
    rows = [row for row in found.rates.to_dict("records") if row["rate"] == "pair_signs"]
    return [
        f"edges of traces predict {row['value']:.0%} of {row['n']} changes of genes with the right sign; the margins "
        f"alone give {row['null_mean']:.0%}, and 95 % of exchanges at most {row['null_q95']:.0%}." for row in rows
    ]


def _or_unknown(value: float, form: str) -> str:
    return "unknown" if math.isnan(value) else format(value, form)
