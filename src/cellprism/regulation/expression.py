"""Expression of the genes that the model reads, in the cells of a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from cellprism.regulation.screen import Screen

PSEUDOCOUNT = 1.0
"""Added to counts per 10,000 before the logarithm."""


def read_genes(screen: Screen) -> sparse.csr_matrix:
    """Counts per 10,000 of every gene of the screen's tokens, sparse ``(cells, genes)``.

    A gene of the file belongs to the gene of the tokens that bears one of its names.
    """
    genes = screen.tokens.genes
    place = {name.upper(): row for row, name in enumerate(genes["id"])}
    place |= {name.upper(): row for row, name in enumerate(genes["symbol"])}
    pairs = [
        (column, row)
        for column, names in enumerate(screen.expression.genes)
        if (row := next((place[name.upper()] for name in names if name.upper() in place), None)) is not None
    ]
    columns, rows = np.array(pairs).T
    join = sparse.csr_matrix((np.ones(len(pairs)), (columns, rows)), (len(screen.expression.genes), len(genes)))
    scaled = sparse.diags(1e4 / np.maximum(screen.expression.totals, 1)) @ screen.expression.counts
    return sparse.csr_matrix(scaled @ join)


def log_expression(per_10k: sparse.csr_matrix) -> sparse.csr_matrix:
    """``log2(1 + counts per 10,000)``."""
    logged = per_10k.copy()
    logged.data = np.log2(logged.data + PSEUDOCOUNT)
    return logged


def fold_change(perturbed: float, control: float) -> float:
    """log2 of the ratio of two means of counts per 10,000, each plus the pseudocount."""
    return float(np.log2((max(perturbed, 0) + PSEUDOCOUNT) / (max(control, 0) + PSEUDOCOUNT)))
