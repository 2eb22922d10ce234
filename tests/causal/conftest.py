"""A small model with autoencoders of its own, and two of its cells."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch

from cellprism.cells.expression import read_expression
from cellprism.codes.stages import ENCODE
from cellprism.features.stages import ANNOTATE, CATALOG
from cellprism.knowledge.gene_sets import load_gene_sets
from cellprism.models import load_model
from cellprism.models.stages import TOKENIZE
from cellprism.runs.config import parse_config
from cellprism.runs.directory import create, open_directory
from cellprism.runs.progress import Silent
from cellprism.runs.stage import run_stages
from cellprism.sae.stages import RESIDUALS, TRAIN
from cellprism.sae.topk import SparseAutoencoder

if TYPE_CHECKING:
    from cellprism.cells.tokens import TokenizedCells
    from cellprism.models.base import CellModel
    from cellprism.runs.directory import Run

LABELLED = 1
"""The layer of `labelled` with terms."""


@dataclass(frozen=True)
class World:
    model: CellModel
    tokens: TokenizedCells
    saes: dict[int, SparseAutoencoder]


@pytest.fixture(scope="session")
def world() -> World:
    """The demo's model on its first cells; the autoencoders are untrained, on the true centre and scale."""
    model = load_model("demo", device="cpu", dtype="float32")
    tokens = model.tokenize(read_expression("demo").take(np.arange(12)))
    batch = model.pad(tokens, np.arange(12))
    generator = torch.Generator().manual_seed(0)
    saes = {}
    for layer, h in model.residuals(batch):
        saes[layer] = SparseAutoencoder(model.d_model, 96, 6)
        saes[layer].initialise(h[batch.gene], generator)
    return World(model, tokens, saes)


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 24 cells of the demo with little dictionaries, as far as labels; do not write into it."""
    config = parse_config({
        "out": str(tmp_path_factory.mktemp("small") / "run"),
        "cells": {"max_cells": 24}, "model": {"dtype": "float32"}, "annotation": {"permutations": 1},
        "sae": {"expansion": 1, "k": 6, "steps": 60, "batch_size": 512},
    })
    run = create(config)
    run_stages([TOKENIZE, RESIDUALS, TRAIN, ENCODE, CATALOG, ANNOTATE], run, Silent())
    return run.path


@pytest.fixture
def run(small_run: Path, tmp_path: Path) -> Run:
    """A copy of the small run, to be traced."""
    return open_directory(Path(shutil.copytree(small_run, tmp_path / "run")))


@pytest.fixture
def labelled(run: Run) -> Run:
    """The run with terms for six frequent features of layer 1: small dictionaries on few cells rarely earn one."""
    features, sets = run.read("features", LABELLED), load_gene_sets(["immune"])["immune"]
    frequent = features.sort_values("n_cells", ascending=False)["feature"].head(6).sort_values()
    symbols = set(run.read("genes")["symbol"].str.upper())
    terms = [term for term, genes in sets.items() if len(symbols.intersection(genes)) >= 8]
    rows = pd.DataFrame({
        "feature": frequent.to_numpy(), "source": "immune", "term": [terms[i // 2] for i in range(6)], "overlap": 3,
        "n_genes": 20, "term_size": 10, "genes": "", "effect": 2.0, "p": 1e-4, "q": np.linspace(0.001, 0.006, 6),
    })
    run.write("annotations", rows, LABELLED)
    run.write("labels", rows[["feature", "source", "term", "q"]].assign(n_terms=1), LABELLED)
    return run
