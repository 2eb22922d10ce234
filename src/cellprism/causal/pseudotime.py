"""Diffusion pseudotime of a run's cells, from their own counts."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist

from cellprism.cells.expression import Expression
from cellprism.errors import UserError
from cellprism.models.sources import sampled_cells

if TYPE_CHECKING:
    from scipy import sparse

    from cellprism.runs.directory import Run

GENES, AXES, NEAREST, NEIGHBOURS, MAPS = 2000, 50, 30, 15, 15
"""Variable genes, principal axes, those used for neighbours, neighbours of a cell, and diffusion components."""


def diffusion_pseudotime(run: Run, root: np.ndarray) -> tuple[np.ndarray, int]:
    """Distance of every cell along the diffusion map from the medoid of a group (Haghverdi et al. 2016).

    Counts are scaled to 10,000 a cell and logarithmised; the 2,000 genes of the largest dispersion (Satija et al. 2015,
    a method for logarithmised data), 50 principal axes, 15 neighbours by the first 30 and 15 diffusion components.

    Parameters
    ----------
    root
        Whether a cell is of the group, shape ``(cells,)``.

    Returns
    -------
    Pseudotime, shape ``(cells,)``, inf for cells that no path of neighbours joins to the root; and the root cell.

    Raises
    ------
    UserError
        The run has no counts of its cells.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import anndata
        import scanpy

        cells = run_expression(run)
        adata = anndata.AnnData(log_counts(cells))
        if adata.n_vars > GENES:
            scanpy.pp.highly_variable_genes(adata, flavor="seurat", n_top_genes=GENES)
            adata = adata[:, adata.var["highly_variable"]].copy()
        axes = min(AXES, adata.n_obs - 1, adata.n_vars - 1)
        scanpy.pp.pca(adata, n_comps=axes, random_state=0)
        near = min(NEAREST, axes)
        scanpy.pp.neighbors(adata, n_neighbors=min(NEIGHBOURS, adata.n_obs - 1), n_pcs=near, random_state=0)
        scanpy.tl.diffmap(adata, n_comps=min(MAPS, adata.n_obs - 1), random_state=0)
        start = medoid(adata.obsm["X_pca"][:, :near], root)
        adata.uns["iroot"] = start
        scanpy.tl.dpt(adata, n_dcs=min(10, adata.n_obs - 1))
    return adata.obs["dpt_pseudotime"].to_numpy(np.float64).copy(), start


def medoid(place: np.ndarray, inside: np.ndarray) -> int:
    """The cell of a group with the smallest summed distance to its other cells.

    Parameters
    ----------
    place
        Coordinates, shape ``(cells, axes)``.
    inside
        Whether a cell is of the group, shape ``(cells,)``.
    """
    own = np.flatnonzero(inside)
    return int(own[cdist(place[own], place[own]).sum(axis=1).argmin()])


def log_counts(cells: Expression) -> sparse.csr_matrix:
    """``log(1 + 10,000 count / total)``, CSR of shape ``(cells, genes)``; genes without counts are left out."""
    x = cells.counts.astype(np.float64).multiply(1e4 / cells.totals[:, None]).tocsr()
    x = x[:, np.asarray(x.sum(axis=0)).ravel() > 0]
    x.data = np.log1p(x.data)
    return x.astype(np.float32)


def run_expression(run: Run) -> Expression:
    """The counts of a run's cells, in the run's order.

    Raises
    ------
    UserError
        The run's cells came as tokens, from several files, or the file has other cells by now.
    """
    advice = "order its cells by a label, with `--along`"
    if run.config.cells.pool:
        msg = f"the cells of {run.path} are of several files, which pseudotime does not join: {advice}."
        raise UserError(msg)
    cells = sampled_cells(run.config.cells, run.config.seed)
    if not isinstance(cells, Expression):
        msg = f"the cells of {run.path} came as tokens, and pseudotime needs counts: {advice}."
        raise UserError(msg)
    index = pd.Index(cells.names)
    rows = index.get_indexer(run.read("cells")["name"]) if index.is_unique else np.array([-1])
    if (rows < 0).any():
        msg = f"{cells.source} does not have each cell of {run.path} once, by name: {advice}."
        raise UserError(msg)
    return cells.take(rows)
