"""A large run made of random numbers, with what the pages of an atlas need and reasons for what it lacks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellprism.causal.requests import FORMAT
from cellprism.runs.config import parse_config
from cellprism.runs.directory import create
from cellprism.runs.manifest import write_manifest
from cellprism.runs.schemas import TABLES, write_table

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.runs.directory import Run

GENES, TERMS, MODULES, TOP, POSITIONS = 20_000, 2_000, 100, 5, 10_000_000
EDGES = 5
"""Edges for each feature, on average; their sources are a part of the features, `SOURCES` of a layer at most."""
SOURCES = 2000
LABELLED = 0.3
"""Share of the features that have a label."""
LACKING = (
    "cells", "cell_labels", "celltypes", "annotations", "neighbours", "cofiring", "histograms", "chains",
    "chain_members", "highways",
)


def write_synthetic(path: Path, *, n_layers: int, n_features: int) -> Path:
    """Write a run of ``n_layers`` layers with ``n_features`` features each and five edges for each feature.

    Returns
    -------
    pathlib.Path
        ``path``.
    """
    run = create(parse_config({"title": "Synthetic", "out": str(path), "cells": {"path": "synthetic"}}))
    rng = np.random.default_rng(0)
    run.file("model.json").write_text(json.dumps({
        "kind": "synthetic", "name": "random numbers", "n_layers": n_layers, "d_model": 512,
        "layers": list(range(n_layers)), "source": "random numbers", "notes": [], "n_positions": POSITIONS,
    }))
    absent = [{"table": name, "layers": None, "reason": "a synthetic run has none"} for name in LACKING]
    run.file("absent.json").write_text(json.dumps(absent))
    names = [f"G{i}" for i in range(GENES)]
    run.write("genes", pd.DataFrame({
        "gene": range(GENES), "token": range(GENES), "id": names, "symbol": names, "n_seen": 500,
    }))
    for layer in range(n_layers):
        _layer(run, layer, n_features, rng)
    for layer in range(n_layers - 1):
        _trace(run, layer, n_features, EDGES * n_layers * n_features // (n_layers - 1), rng)
    run.file("stages").mkdir()
    write_manifest(path, 0)
    return path


def _trace(run: Run, layer: int, n_features: int, n: int, rng: np.random.Generator) -> None:
    """A trace of the features of one layer in the next."""
    folder = run.file("causal") / f"{layer:02d}-ablation"
    folder.mkdir(parents=True)
    sources = np.sort(rng.choice(n_features, min(SOURCES, n_features), replace=False))
    asked = {
        "format": FORMAT, "source": layer, "targets": [layer + 1], "features": sources.tolist(),
        "cells": list(range(200)), "method": "ablation", "alpha": 0.0, "control": "none", "replicate": None, "key": "",
    }
    (folder / "trace.json").write_text(json.dumps(asked))
    (folder / "facts.json").write_text("{}")
    g = rng.normal(0, 1, n) + rng.choice([-1.0, 1.0], n)
    known = {
        "source": rng.choice(sources, n), "target_layer": layer + 1, "target": rng.integers(0, n_features, n),
        "g": g, "agreement": rng.uniform(0.7, 1, n), "sign": np.where(g > 0, 1, -1), "n_cells": 150, "n_nonzero": 120,
        "q": 10.0 ** -rng.uniform(1.4, 8, n), "published": False, "replicated": rng.random(n) < 0.8,
    }
    columns = TABLES["edges"].columns
    rest = {name: 0.01 for name in columns if name not in known}
    write_table(folder / "edges.parquet", TABLES["edges"], pd.DataFrame({**known, **rest})[list(columns)])


def _layer(run: Run, layer: int, n: int, rng: np.random.Generator) -> None:
    feature = np.arange(n)
    fired = np.exp(rng.normal(7, 1.5, n)).astype(int) + 20
    run.write("features", pd.DataFrame({
        "feature": feature, "n_fired": fired, "frequency": fired / POSITIONS, "n_cells": np.minimum(fired, 5000),
        "n_donors": None,
        "n_genes": np.minimum(fired, 300), "mean_value": 1.0, "max_value": rng.uniform(2, 9, n), "dead": False,
        "rare": False,
    }), layer)
    gene = rng.integers(0, GENES, (n, TOP))
    mean = np.sort(rng.uniform(1, 4, (n, TOP)))[:, ::-1].ravel()
    run.write("top_genes", pd.DataFrame({
        "feature": np.repeat(feature, TOP), "rank": np.tile(np.arange(TOP), n), "gene": gene.ravel(),
        "symbol": np.char.add("G", gene.ravel().astype(str)), "seen": 500, "fired": 300, "mean": mean, "sd": 0.5,
        "lower": mean - 0.1,
    }), layer)
    labelled = np.flatnonzero(rng.random(n) < LABELLED)
    term = rng.integers(0, TERMS, len(labelled))
    run.write("labels", pd.DataFrame({
        "feature": labelled, "source": "synthetic", "term": np.char.add("gene set ", term.astype(str)),
        "q": 10.0 ** -rng.uniform(1.4, 12, len(labelled)), "n_terms": 1,
    }), layer)
    module = rng.integers(0, MODULES, n)
    run.write("members", pd.DataFrame({"feature": feature, "module": module}), layer)
    run.write("modules", pd.DataFrame({
        "module": range(MODULES), "n_features": np.bincount(module, minlength=MODULES), "n_edges": 100,
        "stability": 0.8, "source": None, "term": None, "n_members_with_term": None, "p": np.nan, "q": np.nan,
    }), layer)
    angle = 2 * np.pi * module / MODULES
    places = rng.normal(0, 1, (2, n)) + 12 * np.stack([np.cos(angle), np.sin(angle)])
    notes: dict[str, object] = {"method": "random", "metric": None, "seed": 0, "trustworthiness": None}
    run.write("map", pd.DataFrame({"feature": feature, "x": places[0], "y": places[1]}), layer, notes=notes)
    run.write("metrics", pd.DataFrame(
        {"metric": ["explained_variance"], "value": 0.8, "n": POSITIONS, "unit": "position"}), layer)
    rates = dict.fromkeys(TABLES["rates"].columns, None) | {
        "rate": ["annotated"], "value": LABELLED, "n": n, "unit": "feature", "null": "none", "protocol": "calibrated",
    }
    run.write("rates", pd.DataFrame(rates), layer, suffix="_annotation")
