"""One perturbation against the control: its features, its genes, and the targets of what was perturbed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.regulation.chance import SmallP
from cellprism.regulation.expression import fold_change, log_expression, read_genes
from cellprism.regulation.factors import Factor, compare_targets
from cellprism.regulation.replicates import replicates, variance_parts
from cellprism.regulation.responses import Response, null_p, respond
from cellprism.stats.moderated import difference

if TYPE_CHECKING:
    from scipy import sparse

    from cellprism.regulation.activity import Activity
    from cellprism.regulation.factors import Gathered
    from cellprism.regulation.screen import Screen


@dataclass(frozen=True)
class Spread:
    """How cells differ in a measure: their variance in one guide and batch, and the correlation of one guide's."""

    scale: np.ndarray
    intraclass: float


@dataclass(frozen=True)
class Measures:
    """What is measured of the cells of a screen.

    Attributes
    ----------
    features, genes
        Spread of the features' mean activations and of the logarithms of the genes' expression.
    per_10k, logged
        Expression and its logarithm, sparse ``(cells, genes)``.
    """

    features: Spread
    genes: Spread
    per_10k: sparse.csr_matrix
    logged: sparse.csr_matrix


@dataclass(frozen=True)
class Compared:
    """A perturbation: its tests, its row in the table ``perturbations``, and the tests of its targets."""

    response: Response
    by_chance: SmallP
    expression: Response
    row: dict[str, Any]
    factors: list[Factor]


def measures_of(screen: Screen, activity: Activity) -> Measures:
    """Measure all cells of a screen."""
    per_10k = read_genes(screen)
    logged = log_expression(per_10k)
    every = activity.cell_means(np.arange(len(screen.arm)))
    return Measures(
        Spread(*variance_parts(every, screen)), Spread(*variance_parts(logged, screen)), per_10k, logged,
    )


def compare(
    number: int, screen: Screen, activity: Activity, measures: Measures, gathered: Gathered, *,
    rng: np.random.Generator, permutations: int,
) -> Compared:
    """Compare an arm with the control; the positions of its own gene have no part in what features do."""
    cells, own = screen.of(number), screen.own_gene(number)
    features, genes = measures.features, measures.genes
    means = activity.cell_means(cells, without=own)
    response, units = respond(means, screen, cells, scale=features.scale, intraclass=features.intraclass)
    null = null_p(units, features.scale[response.column], rng, permutations=permutations)
    logged = measures.logged[cells]
    expression, _ = respond(logged, screen, cells, scale=genes.scale, intraclass=genes.intraclass)
    row = {**_counts(screen, number, response), **_knockdown(measures, screen, cells, own, expression)}
    factors = compare_targets(gathered, number, own, response, expression, activity, rng)
    return Compared(response, SmallP.of(null), expression, row, factors)


def _counts(screen: Screen, number: int, response: Response) -> dict[str, Any]:
    own = screen.arm == number
    return {
        "target": screen.arms[number], "n_cells": int(own.sum()),
        "n_guides": None if screen.guide is None else len(np.unique(screen.guide[own])),
        "n_replicates": response.n_perturbed, "n_control": response.n_control,
    }


def _knockdown(
    measures: Measures, screen: Screen, cells: np.ndarray, own: int, expression: Response,
) -> dict[str, float]:
    """Change of the perturbed gene's own expression, by the replicates of the test."""
    place = int(np.searchsorted(expression.column, own))
    if own < 0 or place == len(expression.column) or expression.column[place] != own:
        return {"knockdown": np.nan, "knockdown_p": np.nan}
    values = measures.per_10k[cells][:, [own]]
    units = replicates(values, screen, cells, intraclass=measures.genes.intraclass)
    means = difference(units.value, units.perturbed[None], weight=units.weight, batch=units.batch)
    control = float(means.control[0, 0])
    return {
        "knockdown": fold_change(control + float(means.effect[0, 0]), control),
        "knockdown_p": float(expression.p[place]),
    }
