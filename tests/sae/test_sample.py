"""Pools of several sources: which cells are held out, and how many positions each source gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellprism.cells.demo import demo_expression
from cellprism.codes.stages import ENCODE
from cellprism.features.stages import CATALOG, CELLTYPES
from cellprism.models.stages import TOKENIZE, run_sources, run_tokens
from cellprism.plan import check_fit, describe
from cellprism.reader import open_run
from cellprism.runs.config import Config, parse_config
from cellprism.runs.directory import Run, create
from cellprism.runs.progress import Silent
from cellprism.runs.stage import run_stages
from cellprism.sae.fidelity import FIDELITY
from cellprism.sae.sample import held_out_cells, run_held_out, sample_positions, shared_counts
from cellprism.sae.stages import RESIDUALS, TRAIN, sample_residuals

if TYPE_CHECKING:
    from pathlib import Path


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 99)), min_size=1, max_size=5), st.integers(1, 9000))
def test_shares_hold_whatever_the_sources_have(sources: list[tuple[int, int]], most: int) -> None:
    available, weights = zip(*sources, strict=True)
    shares = [weight / sum(weights) for weight in weights]
    counts = shared_counts(available, shares, most)
    total = sum(counts)
    assert total <= most
    assert all(0 <= count <= n for count, n in zip(counts, available, strict=True))
    assert all(abs(count - share * total) <= len(counts) for count, share in zip(counts, shares, strict=True))
    used_up = any(count >= n - 1 for count, n in zip(counts, available, strict=True))
    assert used_up or total >= most - len(counts)


def test_a_single_source_gives_all_that_is_asked_for() -> None:
    assert shared_counts([700], [1.0], 1000) == [700]
    assert shared_counts([700], [1.0], 300) == [300]


def pooled(folder: Path, **sae: object) -> Config:
    """Two files that share half of their genes, the second with donors."""
    cells = demo_expression()
    for name, genes in (("a", slice(0, 600)), ("b", slice(200, 765))):
        part = anndata.AnnData(cells.counts[:, genes], obs=cells.obs[["bulk_labels", "louvain"]].copy())
        part.var_names = [names[0] for names in cells.genes[genes]]
        part.write_h5ad(folder / f"{name}.h5ad")
    monocytes = {"bulk_labels": ("CD14+ Monocyte", "Dendritic")}
    return parse_config({
        "out": str(folder / "run"),
        "cells": {"labels": ["bulk_labels"], "max_cells": 50, "pool": {
            "blood": {"path": str(folder / "a.h5ad"), "share": 0.75},
            "monocytes": {"path": str(folder / "b.h5ad"), "share": 0.25, "where": monocytes, "donor": "louvain"},
        }},
        "sae": {"layers": [1], "k": 4, "steps": 15, "batch_size": 512, "held_out": 0.1, **sae},
        "annotation": {"permutations": 2}, "modules": {"leiden_seeds": 1},
    })


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    target = create(pooled(tmp_path_factory.mktemp("pool")))
    run_stages((TOKENIZE, RESIDUALS, TRAIN, ENCODE, FIDELITY, CATALOG, CELLTYPES), target, Silent())
    return target


def test_every_source_is_a_label_and_has_its_genes(run: Run) -> None:
    reader = open_run(run.path)
    cells, labels = reader.cells(), reader.cell_labels()
    source = labels[labels["key"] == "source"].set_index("cell")["value"]
    assert source.value_counts().to_dict() == {"blood": 50, "monocytes": 50}
    kinds = labels[labels["key"] == "bulk_labels"].set_index("cell")["value"]
    assert set(kinds[source == "monocytes"]) == {"CD14+ Monocyte", "Dendritic"}
    assert cells["donor"][:50].isna().all()
    assert cells["donor"][50:].str.startswith("monocytes/").all()
    genes = reader.genes()
    tokens = run_tokens(run)
    for number, (first, last) in enumerate(((0, 600), (200, 765))):
        names = {names[0] for names in demo_expression().genes[first:last]}
        own = run_sources(run)[number]
        seen = np.unique(tokens.gene[np.isin(tokens.cell, own)])
        assert set(genes.loc[seen, "symbol"]) <= names
    assert len(genes) > 600
    assert genes["id"].is_monotonic_increasing


def test_stages_work_over_the_union(run: Run) -> None:
    reader = open_run(run.path)
    tests = reader.celltypes(1)
    assert set(tests.loc[tests["key"] == "source", "value"]) == {"blood", "monocytes"}
    assert sum(reader.codes(1).sizes) == len(run_tokens(run).gene)
    assert run.read("features", 1)["n_cells"].max() > 50


def test_positions_are_sampled_in_the_given_shares(tmp_path: Path) -> None:
    target = create(pooled(tmp_path, positions=2000))
    run_stages((TOKENIZE,), target, Silent())
    sample_residuals(target, None, Silent())
    tokens = run_tokens(target)
    held_out = run_held_out(target)
    assert [np.isin(own, held_out).sum() for own in run_sources(target)] == [5, 5]
    chosen = sample_positions(target, tokens)
    assert [len(rows) for rows in chosen["train"]] == [1500, 500]
    for part, within in (("train", False), ("held_out", True)):
        for rows, own in zip(chosen[part], run_sources(target), strict=True):
            assert len(np.unique(rows)) == len(rows) > 100
            assert np.isin(tokens.cell[rows], own).all()
            assert (np.isin(tokens.cell[rows], held_out) == within).all()
    rows = np.sort(np.concatenate(chosen["train"]))
    assert len(np.load(target.file("residuals", 1) / "train.npy")) == 2000 == len(rows)
    described = describe(target.config)
    assert "source  blood" in described
    assert "75% of the 2,000 sampled" in described
    check_fit(target)


def test_a_small_source_makes_the_sample_smaller(tmp_path: Path) -> None:
    config = pooled(tmp_path)
    notes: list[str] = []
    progress = Silent()
    progress.note = notes.append  # type: ignore[method-assign]
    target = create(config)
    run_stages((TOKENIZE,), target, Silent())
    sample_residuals(target, None, progress)
    tokens, held_out = run_tokens(target), run_held_out(target)
    chosen = [len(rows) for rows in sample_positions(target, tokens)["train"]]
    available = [int(tokens.lengths[np.setdiff1d(own, held_out)].sum()) for own in run_sources(target)]
    assert chosen[0] == available[0]
    assert chosen[1] == pytest.approx(chosen[0] / 3, abs=1)
    assert any("could not have their shares" in note for note in notes)


def test_held_out_cells_are_some_but_not_all() -> None:
    assert len(held_out_cells(100, 0.05, 0)) == 5
    assert len(held_out_cells(2, 0.9, 0)) == 1
    assert len(held_out_cells(1, 0.5, 0)) == 0
