"""Screens: which cells are drawn, and what is refused in a sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pandas as pd
import pytest
from tests.regulation.conftest import CELLS, KNOCKED_OUT, SILENT

from cellprism.errors import UserError
from cellprism.models.stages import run_model
from cellprism.regulation.screen import PerturbRequest, read_screen

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.regulation.screen import Screen
    from cellprism.runs.directory import Run


def request(path: Path, **other: object) -> PerturbRequest:
    asked = PerturbRequest(str(path), 1, "target", "control", "guide", "batch", (("cell_line", "A"),))
    return replace(asked, **other)  # type: ignore[arg-type]


def read(run: Run, asked: PerturbRequest) -> Screen:
    return read_screen(asked, run_model(run), run.config.cells)


def test_cells_are_drawn_evenly_over_guides_and_batches(run: Run, screen_file: Path) -> None:
    screen = read(run, request(screen_file, cells=16))
    assert screen.arms == ("control", KNOCKED_OUT, SILENT)
    assert np.bincount(screen.arm).tolist() == [64, 16, 16]
    assert screen.guide is not None
    for arm in (1, 2):
        drawn = pd.crosstab(screen.guide[screen.arm == arm], screen.batch[screen.arm == arm])
        assert (drawn.to_numpy() == 2).all()
    assert len(np.unique(screen.guide)) == 14
    assert len(screen.expression) == len(screen.tokens) == len(screen.arm)
    again, other = read(run, request(screen_file, cells=16)), read(run, request(screen_file, cells=16, seed=1))
    assert again.expression.names.tolist() == screen.expression.names.tolist() != other.expression.names.tolist()
    everything = read(run, request(screen_file, where=(), guide=None, batch="cell_line"))
    assert len(everything.arm) == CELLS
    assert everything.guide is None
    symbols = screen.tokens.genes["symbol"]
    assert symbols[screen.own_gene(1)] == KNOCKED_OUT
    assert replace(screen, arms=("control", "NOGENE", SILENT)).own_gene(1) == -1


def altered(path: Path, folder: Path, change) -> Path:
    """A copy of the screen that ``change`` has edited."""
    adata = anndata.read_h5ad(path)
    change(adata)
    adata.write_h5ad(folder / "altered.h5ad")
    return folder / "altered.h5ad"


@pytest.mark.parametrize(("asked", "sentence"), [
    ({"target": "gene"}, r"no column 'gene' in obs: choose `--target` among target, guide, batch, cell_line"),
    ({"guide": "sgRNA"}, r"no column 'sgRNA' in obs: choose `--guide` among"),
    ({"batch": "lane"}, r"no column 'lane' in obs: choose `--batch` among"),
    ({"control": "NT"}, rf"no cell has target 'NT' \(there are control, .*{SILENT}.*\): give `--control`"),
    ({"where": ()}, r'mixes 2 cell lines \(A, B\): choose by `--where "cell_line=A"`, or give `--batch cell_line`'),
    ({"where": (("cell_line", "C"),)}, r"no cell has cell_line C \(there are A, B\): correct `--where`"),
    ({"where": (("line", "C"),)}, r"no column 'line' in obs: choose the columns of `--where` among"),
    ({"counts": "counts"}, r"has no layer 'counts': leave out `--counts`, which means X"),
    ({"screen": "nowhere.h5ad"}, r"no file nowhere.h5ad: give the path of an .h5ad file as SCREEN"),
    ({"cells": 6}, rf"no perturbation has 2 guides with 3 cells each .* {KNOCKED_OUT} \(6\)"),
    ({"cells": 1}, r"the control 'control' has not 2 guides with 3 cells each"),
    ({"cells": 4, "guide": None}, r"no perturbation has 10 cells"),
])
def test_what_does_not_fit_is_refused_in_a_sentence(
    run: Run, screen_file: Path, asked: dict[str, object], sentence: str,
) -> None:
    with pytest.raises(UserError, match=sentence):
        read(run, request(screen_file, **asked))


def test_cells_that_are_no_counts_of_known_genes_are_refused(run: Run, screen_file: Path, tmp_path: Path) -> None:
    def log(adata: anndata.AnnData) -> None:
        adata.layers["counts"] = adata.X.copy()
        adata.X = np.log1p(adata.X)

    path = altered(screen_file, tmp_path, log)
    with pytest.raises(UserError, match=r"looks log-normalised .*set `--counts` to counts"):
        read(run, request(path))
    assert len(read(run, request(path, counts="counts")).arm) > 0

    def rename(adata: anndata.AnnData) -> None:
        adata.var_names = [f"X{i}" for i in range(adata.n_vars)]

    with pytest.raises(UserError, match=r"0 of \d+ genes"):
        read(run, request(altered(screen_file, tmp_path, rename)))

    def alone(adata: anndata.AnnData) -> None:
        adata.obs["target"] = "control"

    with pytest.raises(UserError, match="give perturbed cells too"):
        read(run, request(altered(screen_file, tmp_path, alone)))


def test_arms_with_too_few_cells_and_cells_without_labels_are_left_out(
    run: Run, screen_file: Path, tmp_path: Path,
) -> None:
    def spoil(adata: anndata.AnnData) -> None:
        obs = adata.obs.astype(object)
        silent = np.flatnonzero(obs["target"] == SILENT)
        obs.loc[obs.index[silent[5:]], "guide"] = np.nan
        obs.loc[obs.index[np.flatnonzero(obs["target"] == "control")[:7]], "target"] = np.nan
        adata.obs = obs

    screen = read(run, request(altered(screen_file, tmp_path, spoil)))
    assert screen.arms == ("control", KNOCKED_OUT)
    assert list(screen.left_out) == [SILENT]
    assert 1 <= screen.left_out[SILENT] <= 5
    assert (screen.arm == 0).sum() <= 73
