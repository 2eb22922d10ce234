"""Tables of steering and of regulation made of random numbers, with every case that their pages meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellprism.causal.requests import run_key
from cellprism.runs.schemas import TABLES, write_table

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.runs.directory import Run

ALPHAS = (0.0, 2.0, 5.0)
READOUTS = ("state", "progress", "fate", "markers")
UNITS = ("cosine", "ordering, 0 to 1", "probability", "mean logit")
ON, OFF, MISSING = (6, 7, 8, 12), (10, 11, 13), 14
PARTNERS = {feature: 40 + i for i, feature in enumerate((*ON, *OFF))}
"""Controls of the steered features; the last has none."""
WITHOUT = OFF[-1]
TARGETS = ("CD3D", "GENE10", "LYZ", "MS4A1", "QUIET")
QUIET = "QUIET"
"""A perturbation to which nothing responds, of a gene that is not measured."""


def write_steering(run: Run, layer: int, n_features: int, *, algebraic: bool = False, seed: int = 0) -> None:
    """Write the five tables of a layer; in the ``algebraic`` one there are no p-values."""
    rng = np.random.default_rng([seed, layer])
    arms = {**dict.fromkeys(ON, "on"), **dict.fromkeys(OFF, "off"), MISSING: "missing"}
    features = np.arange(n_features)
    g = rng.normal(0, 0.2, n_features)
    g[list(ON)], g[[*OFF, MISSING]] = rng.uniform(0.6, 2, len(ON)), rng.uniform(-2, -0.6, len(OFF) + 1)
    matched = {partner: "matched" for feature, partner in PARTNERS.items() if feature != WITHOUT}
    _put(run, "switches", layer, {
        "feature": features, "share_cells": 0.5, "early": 0.2, "late": 0.2 + g / 10, "g": g, "p": 0.01, "q": 0.02,
        "arm": [{**arms, **matched}.get(f) for f in features],
    })
    rows = []
    for feature, arm in {**arms, **matched}.items():
        if arm == "missing":
            continue
        partner = next((own for own, other in PARTNERS.items() if other == feature), None) if arm == "matched" else None
        for direction in ("atom", "random"):
            for alpha in ALPHAS:
                for readout in READOUTS:
                    size = {"on": 0.05, "off": -0.04}.get(arm, 0.0) if direction == "atom" else 0.0
                    effect = (alpha - 1) * size + rng.normal(0, 0.01)
                    p = None if algebraic else rng.uniform(0, 0.1)
                    rows.append((feature, arm, partner, direction, alpha, readout, 30 + feature, effect, effect - 0.02,
                                 effect + 0.02, 0.7, p, None if algebraic or direction == "random" else p, algebraic))
    table = pd.DataFrame(rows, columns=list(TABLES["steering"].columns))
    _put(run, "steering", layer, table.astype({"partner": "Int32", "p": float, "q": float}))
    arm_rows = [
        (arm, alpha, readout, against, 3, 0.1, 0.02, 0.08, 0.03, 0.13, np.nan if algebraic else 0.01,
         np.nan if algebraic else 0.02, algebraic)
        for arm in ("on", "off") for alpha in ALPHAS for readout in READOUTS
        for against in ("matched", "random")
    ]
    _put(run, "steering_arms", layer, pd.DataFrame(arm_rows, columns=list(TABLES["steering_arms"].columns)))
    _put(run, "steering_readouts", layer, {
        "readout": READOUTS, "what": [f"what {name} measures" for name in READOUTS], "unit": UNITS, "n_fit": 120,
        "n_test": 60, "measure": ["correlation with the ordering"] * 2 + ["AUROC of late against early"] * 2,
        "quality": [0.8, 0.7, 0.9, 0.6], "null_mean": [0.0, 0.0, 0.5, 0.5], "null_q95": [0.2, 0.2, 0.6, 0.6],
        "n_permutations": 200, "span": [0.4, 0.6, 0.9, np.nan],
    })
    steered = [*arms, *matched]
    gene_rows = [
        (feature, alpha, f"GENE{(feature + 7 * i) % 200}", i + 1, sign * (1 - i / 10) * (1 + alpha))
        for feature in steered if arms.get(feature) != "missing" for alpha in ALPHAS for sign in (1, -1)
        for i in range(6)
    ]
    _put(run, "steering_genes", layer, pd.DataFrame(gene_rows, columns=list(TABLES["steering_genes"].columns)))


def write_regulation(run: Run, layer: int, n_features: int, *, seed: int = 0) -> None:
    """Write the tables of a layer."""
    rng = np.random.default_rng([seed, layer, 1])
    rows = []
    for i, target in enumerate(TARGETS):
        features = np.flatnonzero(rng.random(n_features) < 0.9)
        t = rng.normal(0, 1, len(features))
        answers = np.zeros(len(features), bool) if target == QUIET else np.arange(len(features)) % (7 + i) == 0
        t[answers] = rng.choice([-1, 1], answers.sum()) * rng.uniform(5, 12, answers.sum())
        p = np.where(answers, 10.0 ** -np.abs(t), rng.uniform(0.01, 1, len(features)))
        rows.append(pd.DataFrame({
            "target": target, "feature": features, "control": 0.5, "effect": t / 20, "low": t / 20 - 0.05,
            "high": t / 20 + 0.05, "t": t, "p": p, "q": np.where(answers, p * 20, np.minimum(1, p * 30)),
        }))
    responses = pd.concat(rows, ignore_index=True)
    counts = responses[responses["q"] < 0.05].groupby("target").size()
    measured = [target != QUIET for target in TARGETS]
    _put(run, "perturbations", layer, {
        "target": TARGETS, "n_cells": 200, "n_guides": pd.array([3, 3, 2, 4, None], "Int32"), "n_replicates": 6,
        "n_control": 12, "knockdown": np.where(measured, -1.5, np.nan), "knockdown_p": np.where(measured, 1e-4, np.nan),
        "responding": [int(counts.get(target, 0)) for target in TARGETS], "null_mean": 1.5, "null_q95": 4.0,
        "n_permutations": 50,
    }, folder="regulation")
    _put(run, "responses", layer, responses, folder="regulation")
    _put(run, "tf_targets", layer, {
        "target": TARGETS[:3], "source": "TRRUST", "n_targets": [12, 20, 31], "n_matched": [120, 200, 310],
        "auroc": [0.71, 0.5, 0.48], "p": [0.002, 0.4, 0.7], "q": [0.006, 0.6, 0.7],
        "auroc_expression": [0.7, 0.64, 0.51], "p_expression": [0.004, 0.01, 0.4], "q_expression": [0.01, 0.02, 0.4],
        "power": [0.9, 0.8, 0.3], "planted": 0.7,
    }, folder="regulation")


    _put(run, "rates", layer, {
        "rate": ["responding", "p_below_0.05", "perturbations_responding"], "value": [0.09, 0.14, 0.6],
        "n": [310, 310, 5], "unit": ["perturbation and feature", "perturbation and feature", "perturbation"],
        "null_mean": [0.001, 0.05, 0.9], "null_q95": [0.01, 0.06, 1.0], "n_permutations": 50,
        "null": "control replicates called perturbed", "protocol": ["calibrated", "calibrated", "published"],
    }, folder="regulation")


def _put(run: Run, name: str, layer: int, content: object, *, folder: str = "causal") -> None:
    asked: dict[str, object] = {"order_name": "pseudotime", "layer": layer, "root": ["cell type", "B cell"]}
    if folder == "regulation":
        asked = {
            "screen": "/secret/place/screen.h5ad", "layer": layer, "target": "gene", "control": "none", "unit": "guide",
            "cells_read": 1200, "control_cells": 200, "positions_of_a_cell": 10.0,
            "positions_of_a_cell_of_the_run": 50.0, "left_out": {"GENE99": 3},
        }
    notes: dict[str, object] = {"layers": [layer], "key": run_key(run, [layer]), "seed": 7, **asked}
    path: Path = run.file(folder) / f"{name}_{layer:02d}.parquet"
    path.parent.mkdir(exist_ok=True)
    write_table(path, TABLES[name], pd.DataFrame(content), notes=notes)
