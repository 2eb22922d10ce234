"""Cells in: an AnnData, checked to hold raw counts."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from cellprism.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


_NAME_COLUMNS = (
    "ensembl_id", "gene_ids", "gene_id", "feature_id", "feature_name", "gene_symbol", "gene_name", "gene_symbols",
)

FRACTIONAL = 0.01
"""Share of values that are not whole numbers above which a matrix holds something else than raw counts."""

EVEN = 1e-3
"""Totals of cells that differ by less than this share have been made equal."""


@dataclass(frozen=True)
class Expression:
    """Raw counts of cells.

    Attributes
    ----------
    counts
        CSR matrix, shape ``(cells, genes)``, float32, zeros not stored.
    totals
        Total counts of each cell over every gene that was measured, shape ``(cells,)``; it exceeds the row sums where
        the file holds a selection of the genes.
    genes
        Names for each gene, best first: identifiers, symbols. Shape ``(genes,)`` of tuples of strings.
    names
        Cell names, shape ``(cells,)``.
    obs
        Columns that describe the cells, one row per cell.
    source
        Where the cells came from, for the manifest.
    notes
        What was done to them on the way in, one sentence each.
    """

    counts: sparse.csr_matrix
    totals: np.ndarray
    genes: list[tuple[str, ...]]
    names: np.ndarray
    obs: pd.DataFrame
    source: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.counts.shape[0])

    @property
    def lengths(self) -> np.ndarray:
        """Expressed genes of each cell."""
        return np.diff(self.counts.indptr)

    def take(self, rows: np.ndarray) -> Expression:
        """The cells ``rows``, in that order."""
        return Expression(
            self.counts[rows], self.totals[rows], self.genes, self.names[rows], self.obs.iloc[rows], self.source,
            self.notes,
        )


def read_expression(path: str, *, layer: str | None = None) -> Expression:
    """Read an ``.h5ad`` file, or the cells of the demo for ``path="demo"``.

    Parameters
    ----------
    path
        File name.
    layer
        AnnData layer that holds the counts, ``"raw"`` for ``.raw`` if no layer is called so; default ``X``.

    Raises
    ------
    UserError
        The file is missing or is not an AnnData, the layer is not there, or the matrix is empty, holds NaN, infinite or
        negative values, or looks normalised.
    """
    if path == "demo":
        from cellprism.cells.demo import demo_expression

        return demo_expression()
    return from_anndata(_read_h5ad(Path(path)), layer=layer, source=path)


def from_anndata(adata: AnnData, *, layer: str | None = None, source: str = "AnnData in memory") -> Expression:
    """Take checked counts out of an AnnData; see `read_expression`."""
    matrix, var = _matrix(adata, layer, source)
    counts = sparse.csr_matrix(matrix, dtype=np.float32)
    if not counts.data.all():
        counts = counts.copy()  # the matrix is the caller's
        counts.eliminate_zeros()
    totals = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    fractional = _check_counts(counts, totals, adata, layer, source)
    return Expression(
        counts=counts,
        totals=totals,
        genes=_gene_names(var),
        names=adata.obs_names.to_numpy(dtype=str),
        obs=adata.obs,
        source=source,
        notes=(f"{fractional:.0%} of the values are not whole numbers; they are taken for estimated counts.",)
        if fractional > FRACTIONAL else (),
    )


def _read_h5ad(path: Path) -> AnnData:
    import anndata

    if not path.exists():
        msg = f"no file {path}: give the path of an .h5ad file as `cells.path`."
        raise UserError(msg)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*names are not unique")  # genes of one name are summed
            return anndata.read_h5ad(path)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        msg = f"{path} cannot be read as .h5ad ({reason}): write it with AnnData's `write_h5ad`."
        raise UserError(msg) from error


def _matrix(adata: AnnData, layer: str | None, source: str) -> tuple[Any, pd.DataFrame]:
    if layer in adata.layers:
        return adata.layers[layer], adata.var
    if layer == "raw" and adata.raw is not None:
        return adata.raw.X, adata.raw.var
    if layer is not None:
        missing = ".raw" if layer == "raw" else f"layer {layer!r}"
        msg = f"{source} has no {missing}: {_choices(adata)}."
        raise UserError(msg)
    if adata.X is None:
        msg = f"{source} has no X: {_choices(adata)}."
        raise UserError(msg)
    return adata.X, adata.var


def _choices(adata: AnnData) -> str:
    names = dict.fromkeys([*adata.layers, *(["raw"] if adata.raw is not None else [])])
    ways = [f"set `cells.layer` to {' or '.join(names)}"] if names else []
    ways += ["leave out `cells.layer`, which means X"] if adata.X is not None else []
    return ", or ".join(ways) or "give another file"


def _check_counts(
    counts: sparse.csr_matrix, totals: np.ndarray, adata: AnnData, layer: str | None, source: str,
) -> float:
    """Refuse what is not counts; returns the share of values that are not whole numbers."""
    where = f"{source}, {'X' if layer is None else layer}"
    values = counts.data
    if 0 in counts.shape or not len(values):
        msg = f"{where} holds no counts (shape {counts.shape[0]} cells x {counts.shape[1]} genes): give another file."
        raise UserError(msg)
    bad = ~np.isfinite(values)
    if bad.any():
        row = int(np.searchsorted(counts.indptr, np.flatnonzero(bad)[0], side="right") - 1)
        msg = (
            f"{where} holds {int(bad.sum())} NaN or infinite values, the first in cell {adata.obs_names[row]!r}: "
            "give raw counts."
        )
        raise UserError(msg)
    if (values < 0).any():
        msg = f"{where} holds negative values, as scaled data do: {_pointer(adata, layer)}."
        raise UserError(msg)
    fractional = float(np.mean(values != np.round(values)))
    if fractional > FRACTIONAL and values.max() < 50:
        msg = (
            f"{where} looks log-normalised ({fractional:.0%} of its values are not integers, the largest is "
            f"{values.max():.2f}): {_pointer(adata, layer)}."
        )
        raise UserError(msg)
    full = totals[totals > 0]
    if fractional > FRACTIONAL and len(full) > 1 and np.ptp(full) < EVEN * full.max():
        msg = (
            f"{where} looks normalised ({fractional:.0%} of its values are not integers, and every cell adds up to "
            f"{full.max():,.0f}): {_pointer(adata, layer)}."
        )
        raise UserError(msg)
    return fractional


def _pointer(adata: AnnData, layer: str | None) -> str:
    """Where the counts are, if one of the other matrices holds whole numbers."""
    others = {"raw": adata.raw.X} if adata.raw is not None else {}
    others |= {name: adata.layers[name] for name in adata.layers}
    counts = [name for name, matrix in others.items() if name != layer and _looks_like_counts(matrix)]
    if counts:
        return f"set `cells.layer` to {counts[0]}, which holds whole numbers"
    if layer is not None and adata.X is not None and _looks_like_counts(adata.X):
        return "leave out `cells.layer`, because X holds whole numbers"
    return "give a file with raw counts, because no layer that `cells.layer` could name holds them"


def _looks_like_counts(matrix: Any) -> bool:
    """Whether the first cells' values are whole, not negative and not all 0 or 1."""
    values = sparse.csr_matrix(matrix[:200], dtype=np.float64).data
    return bool(len(values) and (values >= 0).all() and (values == np.round(values)).all() and values.max() > 1)


def _gene_names(var: pd.DataFrame) -> list[tuple[str, ...]]:
    """Every name that a gene has in the file: its index first, then columns that look like identifiers or symbols."""
    columns = [var.index.astype(str), *(var[name].astype(str) for name in _NAME_COLUMNS if name in var)]
    return list(zip(*columns, strict=True))
