"""A screen through a run: from a request to the tables ``perturbations``, ``responses``, ``tf_targets`` and ``rates``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cellprism.causal.requests import run_key
from cellprism.causal.setting import needs_layer
from cellprism.causal.tables import write_causal
from cellprism.causal.work import Work
from cellprism.models.stages import run_model
from cellprism.regulation.activity import screen_activity
from cellprism.regulation.expression import fold_change, log_expression, read_genes
from cellprism.regulation.factors import Factor, Gathered, factor_rows, test_factor
from cellprism.regulation.families import NullFamilies, adjust
from cellprism.regulation.networks import known_targets
from cellprism.regulation.published import published_response
from cellprism.regulation.rates import factor_rates, response_rates
from cellprism.regulation.replicates import replicates, variance_parts
from cellprism.regulation.responses import MIN_CELLS, null_p, respond
from cellprism.regulation.screen import read_screen
from cellprism.runs.files import sha256
from cellprism.runs.lock import exclusive
from cellprism.runs.progress import Silent
from cellprism.runs.schemas import TABLES
from cellprism.stats.moderated import difference

if TYPE_CHECKING:
    from scipy import sparse

    from cellprism.regulation.activity import Activity
    from cellprism.regulation.responses import Response
    from cellprism.regulation.screen import PerturbRequest, Screen
    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress

FOLDER = "regulation"
PERMUTATIONS = 100
"""Relabellings of the control."""


@dataclass(frozen=True)
class Perturbed:
    """The tables that were written, and what their notes say of the screen."""

    perturbations: pd.DataFrame
    responses: pd.DataFrame
    tf_targets: pd.DataFrame
    rates: pd.DataFrame
    notes: dict[str, Any]


@dataclass(frozen=True)
class _Values:
    """A measure of cells: its variance between cells of a guide, and the correlation of these."""

    scale: np.ndarray
    intraclass: float


def perturb_run(run: Run, request: PerturbRequest, progress: Progress | None = None) -> Perturbed:
    """Ask what the features of a layer do when genes are perturbed, and write the tables in ``regulation/``.

    Interrupted, it goes on with the cells that are not encoded yet.

    Raises
    ------
    UserError
        The run lacks the layer, the screen does not fit the model or its labels, or a network cannot be read.
    """
    needs_layer(run, request.layer)
    with exclusive(run.path):
        return _perturb(run, request, progress or Silent())


def _perturb(run: Run, request: PerturbRequest, progress: Progress) -> Perturbed:
    layer = request.layer
    networks = known_targets(run.config.annotation.gene_sets, request.networks)
    screen = read_screen(request, run_model(run), run.config.cells)
    for note in screen.notes:
        progress.note(note)
    drawn = {key: value for key, value in asdict(request).items() if key != "networks"}
    work = Work(run.file(FOLDER) / f"perturb_{layer:02d}.work", {
        "key": run_key(run, [layer]), "asked": drawn, "screen": sha256(Path(request.screen)),
    })
    activity = screen_activity(run, screen, layer, work, progress)
    result = _tables(run, request, screen, activity, networks, progress)
    for name in ("perturbations", "responses", "tf_targets", "rates"):
        frame = getattr(result, name)[list(TABLES[name].columns)]
        write_causal(run, name, f"{layer:02d}", frame, layers=[layer], notes=result.notes, folder=FOLDER)
    work.remove()
    return result


def _tables(
    run: Run, request: PerturbRequest, screen: Screen, activity: Activity, networks: dict[str, dict[str, set[str]]],
    progress: Progress,
) -> Perturbed:
    rng = np.random.default_rng([request.seed, request.layer, 22])
    per_10k = read_genes(screen)
    logged = log_expression(per_10k)
    features = _Values(*variance_parts(activity.cell_means(np.arange(len(screen.arm))), screen))
    genes = _Values(*variance_parts(logged, screen))
    families = NullFamilies(PERMUTATIONS)
    found: list[Response] = []
    rows: list[dict[str, Any]] = []
    factors: list[Factor] = []
    gathered = Gathered.of(screen, networks)
    with progress.bar("comparing perturbations with the control", len(screen.arms) - 1, "perturbation") as advance:
        for number in range(1, len(screen.arms)):
            cells, own = screen.of(number), screen.own_gene(number)
            response, units = respond(
                activity.cell_means(cells, without=own), screen, cells,
                scale=features.scale, intraclass=features.intraclass,
            )
            families.add(null_p(units, features.scale[response.column], rng, permutations=PERMUTATIONS))
            expression, _ = respond(
                logged[cells], screen, cells, scale=genes.scale, intraclass=genes.intraclass,
            )
            found.append(response)
            rows.append({
                **_counts(screen, number, response), **_knockdown(per_10k, screen, cells, own, expression, genes),
            })
            factors += test_factor(gathered, number, own, response, expression, activity, rng)
            advance(1)
    q = adjust([response.p for response in found])
    responding, null = np.array([int((own < 0.05).sum()) for own in q]), families.responding()
    known = families.known
    perturbations = pd.DataFrame(rows).assign(
        responding=responding, null_mean=np.where(known, null.mean(axis=0), np.nan),
        null_q95=np.where(known, np.quantile(null, 0.95, axis=0), np.nan), n_permutations=PERMUTATIONS * known,
    )
    tf_targets = factor_rows(factors)
    published = published_response(activity, screen, rng, permutations=PERMUTATIONS)
    rates = pd.DataFrame([
        *response_rates(found, responding, null[:, known], families.share_below, published), *factor_rates(tf_targets, factors),
    ])
    order = np.argsort(-responding, kind="stable")
    notes = _notes(run, request, screen, found, features, sorted(networks))
    return Perturbed(
        perturbations.iloc[order].reset_index(drop=True), _responses(screen, found, q), tf_targets, rates, notes,
    )


def _counts(screen: Screen, number: int, response: Response) -> dict[str, Any]:
    own = screen.arm == number
    return {
        "target": screen.arms[number], "n_cells": int(own.sum()),
        "n_guides": None if screen.guide is None else len(np.unique(screen.guide[own])),
        "n_replicates": response.n_perturbed, "n_control": response.n_control,
    }


def _knockdown(
    per_10k: sparse.csr_matrix, screen: Screen, cells: np.ndarray, own: int, expression: Response, genes: _Values,
) -> dict[str, float]:
    """Change of the perturbed gene's own expression, by the replicates of the test."""
    place = np.searchsorted(expression.column, own)
    if own < 0 or place == len(expression.column) or expression.column[place] != own:
        return {"knockdown": np.nan, "knockdown_p": np.nan}
    units = replicates(per_10k[cells][:, [own]], screen, cells, intraclass=genes.intraclass)
    means = difference(units.value, units.perturbed[None], weight=units.weight, batch=units.batch)
    control = float(means.control[0, 0])
    return {
        "knockdown": fold_change(control + float(means.effect[0, 0]), control), "knockdown_p": expression.p[place],
    }


def _responses(screen: Screen, found: list[Response], q: list[np.ndarray]) -> pd.DataFrame:
    """Table ``responses``, smallest p first within a perturbation."""
    parts = []
    for name, response, adjusted in zip(screen.arms[1:], found, q, strict=True):
        numbers = {key: getattr(response, key) for key in ("control", "effect", "low", "high", "t", "p")}
        part = pd.DataFrame({"target": name, "feature": response.column, **numbers, "q": adjusted})
        parts.append(part.sort_values(["p", "feature"]))
    return pd.concat(parts, ignore_index=True)


def _notes(
    run: Run, request: PerturbRequest, screen: Screen, found: list[Response], features: _Values, networks: list[str],
) -> dict[str, Any]:
    return {
        "protocol": "calibrated", **asdict(request), "networks": networks,
        "unit": "cell" if screen.guide is None else "guide",
        "family": int(sum(len(response.p) for response in found)), "permutations": PERMUTATIONS,
        "least_cells_of_a_feature": MIN_CELLS, "correlation_within_guides": features.intraclass,
        "prior_df": float(np.median([response.prior_df for response in found])),
        "cells_read": len(screen.arm), "control_cells": int((screen.arm == 0).sum()),
        "genes_measured": len(screen.expression.genes), "genes_mapped": len(screen.tokens.genes),
        "positions_of_a_cell": float(np.median(screen.tokens.lengths)),
        "positions_of_a_cell_of_the_run": float(run.read("cells")["n_tokens"].median()),
        "left_out": screen.left_out, "remarks": list(screen.notes),
    }
