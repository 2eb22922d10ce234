"""Tables of patching, combinations and damage made of random numbers, for a fabricated run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellprism.causal.tables import write_causal
from cellprism.runs.schemas import TABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cellprism.runs.directory import Run

NAME = "00-00-to-02"
SCHEMES = ("same term", "different terms", "random")


def write_ablation(run: Run, rng: np.random.Generator, *, terms: Sequence[tuple[str, str]], n_features: int) -> None:
    """Patching and damage of layers 0 and 2, and combinations of layer 0 that are read in layer 2."""
    for layer in (0, 2):
        _patching(run, layer, rng, terms)
        _damage(run, layer, rng)
    _combinations(run, rng, n_features)


def _patching(run: Run, layer: int, rng: np.random.Generator, terms: Sequence[tuple[str, str]]) -> None:
    features = np.arange(6, 56)
    n = len(features)
    effect, p = rng.normal(-0.03, 0.04, n), np.sort(rng.uniform(1e-4, 1, n) ** 3)
    table = pd.DataFrame({
        "feature": features, "source": [terms[f % len(terms)][0] for f in features],
        "term": [terms[f % len(terms)][1] for f in features], "n_genes": rng.integers(3, 16, n), "n_controls": 40,
        "n_cells": rng.integers(10, 40, n), "effect": effect, "low": effect - 0.01, "high": effect + 0.01, "p": p,
        "q": np.minimum(1, 2 * p), "logit": effect * 1.1, "random": rng.normal(0, 0.01, n),
        "change_held_out": effect, "change_control": 0.001, "level_held_out": 0.47, "level_control": 0.48,
        "activation_held_out": 0.1, "activation_control": 0.1, "published_target": 0.2, "published_other": 0.1,
        "published_ratio": 10 ** rng.normal(0.5, 0.4, n), "published_random": 10 ** rng.normal(0.5, 0.4, n),
    })
    notes = {"features": "all", "cells": 40, "layer": layer, "seed": 5, "left_out": 3, "permutations": 9999}
    write_causal(run, "patching", f"{layer:02d}", table, layers=[layer], notes=notes)
    write_causal(run, "rates", f"patching_{layer:02d}", pd.DataFrame({
        "rate": ["carries_term", "specific"], "value": [((table["q"] < 0.05) & (effect < 0)).mean(), 0.9], "n": n,
        "unit": "feature", "null_mean": [0.001, 0.95], "null_q95": [0.02, np.nan], "n_permutations": [9999, 1],
        "null": ["a random member of each match", "a random direction"], "protocol": ["calibrated", "published"],
    }), layers=[layer], notes=notes)


def _combinations(run: Run, rng: np.random.Generator, n_features: int) -> None:
    """Two pairs and a triple of each scheme; the last one changes no target."""
    notes = {"features": None, "each": 3, "cells": 30, "target": None, "seed": 6, "named": []}
    rows, tests = [], []
    for i in range(9):
        live = 0 if i == 8 else int(rng.integers(20, n_features))
        targets = np.sort(rng.choice(n_features, live, replace=False))
        alone = rng.normal(0, 0.1, live)
        contrast = rng.normal(0, 0.01, live)
        q = np.minimum(1, rng.uniform(0, 1, live) ** 4 * 3)
        tests.append(pd.DataFrame({
            "combination": i, "target": targets, "alone": alone, "together": alone + contrast, "contrast": contrast,
            "low": contrast - 0.01, "high": contrast + 0.01, "relative": contrast / 0.1, "n_nonzero": 20, "p": q / 3,
            "q": q,
        }))
        third = i % 3 == 2
        slope = np.nan if live == 0 else rng.normal(0.97, 0.02)
        rows.append((i, SCHEMES[i // 3], 0, 10 + i, 0, 20 + i, 0 if third else None, 30 + i if third else None, 2, 30,
                     live, int((q < 0.05).sum()), slope, slope - 0.02, slope + 0.02, 0.66, 0.62, 40))
    table = pd.DataFrame(rows, columns=list(TABLES["combinations"].columns))
    table = table.astype({"layer_c": "Int32", "feature_c": "Int32"})
    layers = [0, 2]
    write_causal(run, "combinations", NAME, table, layers=layers, notes=notes)
    write_causal(run, "interactions", NAME, pd.concat(tests, ignore_index=True), layers=layers, notes=notes)
    write_causal(run, "rates", f"interactions_{NAME}", pd.DataFrame({
        "rate": [f"interacting:{scheme}" for scheme in SCHEMES], "value": [0.01, 0.005, 0.0], "n": [120, 110, 90],
        "unit": "live target of a combination", "null_mean": 0.0, "null_q95": 0.0, "n_permutations": 20,
        "null": "signs flipped", "protocol": "calibrated",
    }), layers=layers, notes=notes)


def _damage(run: Run, layer: int, rng: np.random.Generator) -> None:
    arms = {"chosen": range(10, 16), "matched": range(20, 26), "random": (11, *range(30, 35))}
    table = pd.concat([pd.DataFrame({
        "feature": list(own), "arm": arm, "partner": list(arms["chosen"]) if arm == "matched" else None,
        "frequency": 0.02, "n_cells": 30, "loss": rng.normal(0.001, 0.002, 6), "hit": rng.normal(0, 0.002, 6),
    }) for arm, own in arms.items()], ignore_index=True).astype({"partner": "Int32"})
    notes = {"features": "top:6", "cells": 40, "layer": layer, "trace": None, "seed": 7, "n_hidden": 900}
    write_causal(run, "damage", f"{layer:02d}", table, layers=[layer], notes=notes)
    write_causal(run, "damage_arms", f"{layer:02d}", pd.DataFrame({
        "metric": ["loss", "loss", "hit", "hit"], "arm": ["matched", "random"] * 2, "n_features": 6, "n_cells": 40,
        "n_hidden": 900, "clean": [4.4, 4.4, 0.06, 0.06], "chosen": [0.002, 0.002, -0.001, -0.001],
        "other": [0.001, 0.003, 0.0, 0.001], "difference": [0.001, -0.001, -0.001, -0.002],
        "low": [-0.0005, -0.002, -0.003, -0.004], "high": [0.0025, 0.0, 0.001, 0.0], "p": [0.2, 0.04, 0.3, 0.05],
        "p_features": [0.4, 0.6, 0.5, 0.7],
    }), layers=[layer], notes=notes)
