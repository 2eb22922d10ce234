"""A screen through a run: from a request to the tables in ``regulation/``."""

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
from cellprism.regulation.arms import compare, measures_of
from cellprism.regulation.chance import LEVEL, adjust, share_below
from cellprism.regulation.factors import Gathered, factor_rows
from cellprism.regulation.networks import known_targets
from cellprism.regulation.pairs import measured_pairs, pair_rate, predicted_pairs
from cellprism.regulation.published import published_response
from cellprism.regulation.rates import factor_rates, published_rate, response_rates
from cellprism.regulation.responses import MIN_CELLS
from cellprism.regulation.screen import read_screen
from cellprism.runs.files import sha256
from cellprism.runs.lock import exclusive
from cellprism.runs.progress import Silent
from cellprism.runs.schemas import TABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cellprism.regulation.activity import Activity
    from cellprism.regulation.arms import Compared, Measures
    from cellprism.regulation.networks import Networks
    from cellprism.regulation.screen import PerturbRequest, Screen
    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress

FOLDER = "regulation"
FAR = 0.5
"""Cells with fewer than this share of the run's positions are far from what the run knows."""
PERMUTATIONS = 100
"""Relabellings of the control."""


@dataclass(frozen=True)
class Perturbed:
    """The tables that were written, and what their notes say of the screen."""

    perturbations: pd.DataFrame
    responses: pd.DataFrame
    tf_targets: pd.DataFrame
    gene_pairs: pd.DataFrame
    rates: pd.DataFrame
    notes: dict[str, Any]


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
    predicted = predicted_pairs(run, layer)
    networks = known_targets(run.config.annotation.gene_sets, request.networks)
    model = run_model(run)
    screen = read_screen(request, model, run.config.cells)
    for note in screen.notes:
        progress.note(note)
    drawn = {key: value for key, value in asdict(request).items() if key != "networks"}
    work = Work(run.file(FOLDER) / f"perturb_{layer:02d}.work", {
        "key": run_key(run, [layer]), "asked": drawn, "screen": sha256(Path(request.screen)),
    })
    activity = screen_activity(run, model, screen, layer, work=work, progress=progress)
    found = perturbed_tables(screen, activity, networks, predicted, seed=[request.seed, layer], progress=progress)
    there = float(run.read("cells")["n_tokens"].median())
    found.notes.update({
        **asdict(request), "networks_read": sorted(networks), "positions_of_a_cell_of_the_run": there,
        "cautions": _cautions(found.notes["positions_of_a_cell"], there),
    })
    for name in ("perturbations", "responses", "tf_targets", "gene_pairs", "rates"):
        frame = getattr(found, name)[list(TABLES[name].columns)]
        write_causal(run, name, f"{layer:02d}", frame, layers=[layer], notes=found.notes, folder=FOLDER)
    work.remove()
    return found


def _cautions(here: float, there: float) -> list[str]:
    """What to know before anything is made of the tables, given the positions of a cell here and in the run."""
    if here >= FAR * there:
        return []
    return [
        f"a cell has {here:.0f} positions (median), one of the run {there:.0f}: the screen is far from what the run "
        "knows, and its features may mean something else here."
    ]


def perturbed_tables(
    screen: Screen, activity: Activity, networks: Networks, predicted: pd.DataFrame, *, seed: Sequence[int],
    progress: Progress,
) -> Perturbed:
    """The tables of an encoded screen.

    Parameters
    ----------
    networks
        From `networks.known_targets`.
    predicted
        From `pairs.predicted_pairs`.
    """
    rng = np.random.default_rng([*seed, 22])
    measures, gathered = measures_of(screen, activity), Gathered.of(screen, networks)
    arms = []
    with progress.bar("comparing perturbations with the control", len(screen.arms) - 1, "perturbation") as advance:
        for number in range(1, len(screen.arms)):
            arms.append(compare(number, screen, activity, measures, gathered, rng=rng, permutations=PERMUTATIONS))
            advance(1)
    q, bar = adjust([arm.response.p for arm in arms])
    responding = np.array([int((own < LEVEL).sum()) for own in q])
    null = [arm.by_chance.passing(bar) for arm in arms]
    table = pd.DataFrame([arm.row for arm in arms]).assign(
        responding=responding, null_mean=[part.mean() if len(part) else np.nan for part in null],
        null_q95=[np.quantile(part, 0.95) if len(part) else np.nan for part in null],
        n_permutations=[len(part) for part in null],
    )
    factors = [factor for arm in arms for factor in arm.factors]
    tf_targets = factor_rows(factors)
    pairs = measured_pairs(predicted, screen.arms[1:], gathered.symbols, [arm.expression for arm in arms])
    rates = pd.DataFrame([
        *response_rates([arm.response.p for arm in arms], responding, null, share_below([a.by_chance for a in arms])),
        published_rate(*published_response(activity, screen, rng, permutations=PERMUTATIONS)),
        *factor_rates(tf_targets, factors), *pair_rate(pairs, rng),
    ])
    order = np.argsort(-responding, kind="stable")
    return Perturbed(
        table.iloc[order].reset_index(drop=True), _responses(screen, arms, q), tf_targets, pairs, rates,
        _notes(screen, arms, measures),
    )


def _responses(screen: Screen, arms: list[Compared], q: list[np.ndarray]) -> pd.DataFrame:
    """Table ``responses``, smallest p first within a perturbation."""
    parts = []
    for name, arm, adjusted in zip(screen.arms[1:], arms, q, strict=True):
        numbers = {key: getattr(arm.response, key) for key in ("control", "effect", "low", "high", "t", "p")}
        part = pd.DataFrame({"target": name, "feature": arm.response.column, **numbers, "q": adjusted})
        parts.append(part.sort_values(["p", "feature"]))
    return pd.concat(parts, ignore_index=True)


def _notes(screen: Screen, arms: list[Compared], measures: Measures) -> dict[str, Any]:
    genes = adjust([arm.expression.p for arm in arms])[0]
    return {
        "protocol": "calibrated", "unit": "cell" if screen.guide is None else "guide",
        "family": sum(len(arm.response.p) for arm in arms), "permutations": PERMUTATIONS,
        "least_cells_of_a_feature": MIN_CELLS, "correlation_within_guides": measures.features.intraclass,
        "cells_read": len(screen.arm), "control_cells": int((screen.arm == 0).sum()),
        "genes_measured": len(screen.expression.genes), "genes_mapped": len(screen.tokens.genes),
        "genes_responding": {
            name: int((own < LEVEL).sum()) for name, own in zip(screen.arms[1:], genes, strict=True)
        },
        "positions_of_a_cell": float(np.median(screen.tokens.lengths)),
        "left_out": screen.left_out, "remarks": list(screen.notes),
    }
