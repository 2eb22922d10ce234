"""The demo's cells: 700 real PBMC that scanpy ships, brought back to counts."""

from __future__ import annotations

import warnings

import numpy as np
from scipy import sparse

from cellprism.cells.expression import Expression

NOTE = (
    "scanpy's pbmc68k_reduced is log-normalised to 10,000 counts per cell; counts were recovered as "
    "round(expm1(x) * n_counts / 10,000), and no value was further than {deviation:.2f} from an integer."
)


def demo_expression() -> Expression:
    """Counts of ``scanpy.datasets.pbmc68k_reduced``: 700 cells x 765 genes, labels in ``bulk_labels``.

    The file keeps 765 genes of each cell and, in ``n_counts``, the total over all genes, which becomes ``totals``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import scanpy

        adata = scanpy.datasets.pbmc68k_reduced()
    n_counts = adata.obs["n_counts"].to_numpy(np.float64)
    scaled = sparse.csr_matrix(adata.raw.X, dtype=np.float64).expm1().multiply(n_counts[:, None] / 1e4).tocsr()
    deviation = float(np.abs(scaled.data - np.round(scaled.data)).max())
    scaled.data = np.round(scaled.data)
    scaled.eliminate_zeros()
    return Expression(
        counts=scaled.astype(np.float32),
        totals=np.round(n_counts),
        genes=[(name,) for name in adata.raw.var_names],
        names=adata.obs_names.to_numpy(dtype=str),
        obs=adata.obs,
        source="scanpy.datasets.pbmc68k_reduced",
        notes=(NOTE.format(deviation=deviation),),
    )
