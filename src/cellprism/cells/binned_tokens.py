"""scGPT's reading of a cell: expressed genes in any order, each with its count's quantile bin within the cell."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellprism.cells.mapping import map_genes
from cellprism.cells.tokens import TokenizedCells

if TYPE_CHECKING:
    from collections.abc import Callable

    from cellprism.cells.expression import Expression
    from cellprism.cells.mapping import Vocabulary


@dataclass(frozen=True)
class SymbolVocabulary:
    """Genes by symbol. ``tokens`` maps symbols and special tokens (in angle brackets) to numbers."""

    tokens: dict[str, int]
    name: str

    def identifier(self, names: tuple[str, ...]) -> str | None:
        """The first of a gene's names that is in the vocabulary, letter case included, or None.

        Case counts because it tells species apart: the mouse's Cd4 must not pass for CD4.
        """
        return next((name for name in names if name in self.tokens and not name.startswith("<")), None)


def binned_tokens(
    expression: Expression, vocabulary: Vocabulary, *, max_genes: int, n_bins: int = 51, min_share_mapped: float = 0.0,
) -> TokenizedCells:
    """Tokenise cells as scGPT's embedding pipeline does, without its dependence on a global seed.

    Genes of one symbol are summed first; genes without counts are left out; what is left is binned by `quantile_bins`,
    and of more than ``max_genes`` genes a random sample is taken, as scGPT does. Ties and sample are drawn from a
    generator that is seeded with the cell's name: a cell reads the same in any company and any order of cells.

    Raises
    ------
    UserError
        The file's genes are not the model's: see `map_genes`.
    """

    def read(name: str, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rng = _cell_generator(name)
        bins = quantile_bins(counts, rng.random(len(counts)), n_bins=n_bins)
        kept = np.sort(rng.permutation(len(counts))[:max_genes])
        return kept, bins[kept]

    return _read_cells(expression, vocabulary, read, min_share_mapped)


def raw_value_tokens(
    expression: Expression, vocabulary: Vocabulary, *, max_genes: int, min_share_mapped: float = 0.0,
) -> TokenizedCells:
    """The published variant: the ``max_genes`` highest counts, descending (ties by symbol), as they are.

    scGPT was not trained on such values; use it to compare with the published tables only. Raises as `binned_tokens`.
    """

    def read(_name: str, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        kept = np.argsort(-counts, kind="stable")[:max_genes]
        return kept, counts[kept]

    return _read_cells(expression, vocabulary, read, min_share_mapped)


def quantile_bins(values: np.ndarray, draws: np.ndarray, *, n_bins: int = 51) -> np.ndarray:
    """Bin the non-zero values of one cell.

    The edges are the ``n_bins - 1`` evenly spaced quantiles of ``values``, the extremes included. A value strictly
    between two edges takes the number of edges below it. One that equals edges, as small counts do, may take any bin
    that touches it, with equal probability: with ``l`` edges below and ``r`` edges not above the value, its bin is
    ``ceil(r - u (r - l))`` for ``u`` uniform on [0, 1). Bin 0 is left to zeros (Cui et al., Nature Methods 2024, and
    ``binning`` in scGPT's code).

    Parameters
    ----------
    values
        Positive values, shape ``(genes,)``, float32 as in scGPT (quantiles are interpolated in that precision).
    draws
        The ``u`` of every value, same shape.

    Returns
    -------
    ndarray
        Bins from 1 to ``n_bins - 1``, float32, same shape.
    """
    if not len(values):
        return np.zeros(0, np.float32)
    edges = np.quantile(values, np.linspace(0, 1, n_bins - 1))
    below, not_above = np.digitize(values, edges, right=True), np.digitize(values, edges)
    bins: np.ndarray = np.ceil(draws * (below - not_above) + not_above).astype(np.float32)
    return bins


def _read_cells(
    expression: Expression,
    vocabulary: Vocabulary,
    read: Callable[[str, np.ndarray], tuple[np.ndarray, np.ndarray]],
    min_share_mapped: float,
) -> TokenizedCells:
    """``read`` takes a cell's name and non-zero counts and returns the indices of those it keeps, and their values."""
    counts, genes = map_genes(expression, vocabulary, min_share_mapped=min_share_mapped)
    gene, value = [], []
    for cell, name in enumerate(expression.names):
        stored = slice(counts.indptr[cell], counts.indptr[cell + 1])
        kept, values = read(str(name), counts.data[stored].astype(np.float32))
        gene.append(counts.indices[stored][kept].astype(np.int32))
        value.append(values)
    return TokenizedCells(
        gene=np.concatenate(gene),
        offsets=np.concatenate([[0], np.cumsum([len(g) for g in gene])]).astype(np.int64),
        genes=genes,
        cells=pd.DataFrame({
            "row": np.arange(counts.shape[0]),
            "n_expressed": np.diff(expression.counts.indptr),
            "n_mapped": np.diff(counts.indptr),
        }),
        value=np.concatenate(value),
    )


def _cell_generator(name: str) -> np.random.Generator:
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))
