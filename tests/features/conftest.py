"""A small run with planted truth, as the stages before this room would leave it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from cellprism.codes.store import shard_path
from cellprism.runs.config import AnnotationConfig, Config, ModulesConfig
from cellprism.runs.directory import Run

if TYPE_CHECKING:
    from pathlib import Path

CELLS, GENES, FEATURES, PER_CELL, DIMENSIONS = 160, 120, 40, 60, 12
GROUPS = 3
"""Features 10 g to 10 g + 9 of group g fire together, on the genes 30 g to 30 g + 29; feature 39 is dead."""


@dataclass(frozen=True)
class Planted:
    run: Run
    fires: np.ndarray
    cell: np.ndarray
    gene: np.ndarray


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    """Two layers. Three groups of nine features share positions and genes; group 0 is strong in cells of type A."""
    rng = np.random.default_rng(0)
    sets = tmp_path / "planted.gmt"
    lines = [f"group {g}\tplanted\t" + "\t".join(f"G{i}" for i in range(30 * g, 30 * g + 20)) for g in range(GROUPS)]
    lines += [f"random {i}\tplanted\t" + "\t".join(f"G{j}" for j in rng.choice(GENES, 12, False)) for i in range(20)]
    sets.write_text("\n".join(lines) + "\n")
    network = tmp_path / "network.tsv"
    pairs = [(i, j) for i in range(30) for j in range(i) if rng.random() < 0.7]
    pairs += [(i, j) for i in range(30, GENES) for j in range(30, i) if rng.random() < 0.23]
    network.write_text("".join(f"G{i}\tG{j}\n" for i, j in pairs))
    config = Config(
        out=str(tmp_path / "run"),
        annotation=AnnotationConfig(
            gene_sets=(str(sets),), network=str(network), permutations=10, top_genes=12, rank_test=True,
        ),
        modules=ModulesConfig(min_count=20, leiden_seeds=3),
    )
    run = Run(tmp_path / "run", config)
    run.file("positions").mkdir(parents=True)
    run.file("model.json").write_text(json.dumps({"layers": [0, 1]}))
    cell = np.repeat(np.arange(CELLS), PER_CELL).astype(np.int32)
    gene = np.concatenate([rng.choice(GENES, PER_CELL, replace=False) for _ in range(CELLS)]).astype(np.int32)
    kind_a = np.arange(CELLS) % 2 == 0
    for number, rows in enumerate(_halves(cell)):
        np.save(shard_path(run.file("positions"), "cell", number), cell[rows])
        np.save(shard_path(run.file("positions"), "gene", number), gene[rows])
    for layer in (0, 1):
        values = _activations(rng, cell, gene, kind_a)
        order = np.argsort(-values, axis=1, kind="stable")[:, :16]
        folder = run.file("codes", layer)
        folder.mkdir(parents=True)
        np.save(folder / "n_features.npy", FEATURES)
        for number, rows in enumerate(_halves(cell)):
            np.save(shard_path(folder, "index", number), order[rows].astype(np.uint16))
            kept = np.take_along_axis(values, order, axis=1)[rows]
            np.save(shard_path(folder, "value", number), kept.astype(np.float16))
        atoms = rng.normal(size=(FEATURES, DIMENSIONS))
        for g in range(GROUPS):
            atoms[10 * g : 10 * g + 10] = rng.normal(size=DIMENSIONS) + 0.3 * atoms[10 * g : 10 * g + 10]
        atoms = (atoms / np.linalg.norm(atoms, axis=1, keepdims=True)).astype(np.float32)
        save_file({"W_dec": atoms}, run.file("sae.safetensors", layer))
    _tables(run, kind_a, np.bincount(gene, minlength=GENES))
    return Planted(run, values > 0, cell, gene)


def _activations(rng: np.random.Generator, cell: np.ndarray, gene: np.ndarray, kind_a: np.ndarray) -> np.ndarray:
    burst = rng.gamma(1.0, 1.0, (CELLS, FEATURES))
    fires = rng.random((len(cell), FEATURES)) < 0.02 * burst[cell]
    for g in range(GROUPS):
        on = (gene // 30 == g) & (rng.random(len(cell)) < 0.3)
        members = slice(10 * g, 10 * g + 10)
        fires[:, members] |= on[:, None] & (rng.random((len(cell), 10)) < 0.6)
    fires[:, 39] = False
    values = np.where(fires, rng.gamma(4, 0.25, fires.shape), 0)
    values[:, :10] *= np.where(kind_a[cell], 3.0, 1.0)[:, None]
    return values


def _halves(cell: np.ndarray) -> list[np.ndarray]:
    return [np.flatnonzero(cell < CELLS // 2), np.flatnonzero(cell >= CELLS // 2)]


def _tables(run: Run, kind_a: np.ndarray, n_seen: np.ndarray) -> None:
    index = np.arange(GENES)
    run.write("genes", pd.DataFrame({
        "gene": index, "token": index + 4, "id": [f"ENSG{i}" for i in index], "symbol": [f"G{i}" for i in index],
        "n_seen": n_seen,
    }))
    run.write("cells", pd.DataFrame({
        "cell": np.arange(CELLS), "name": [f"c{i}" for i in range(CELLS)], "total": 1.0, "n_expressed": PER_CELL,
        "n_mapped": PER_CELL, "n_tokens": PER_CELL, "donor": None,
    }))
    run.write("cell_labels", pd.DataFrame({
        "cell": np.arange(CELLS), "key": "type", "value": np.where(kind_a, "A", "B"),
    }))
