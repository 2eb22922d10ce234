"""Geneformer's reading of a cell: genes in descending order of expression relative to their typical expression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from cellprism.cells.tokens import TokenizedCells
from cellprism.errors import UserError

if TYPE_CHECKING:
    from cellprism.cells.expression import Expression


@dataclass(frozen=True)
class GeneVocabulary:
    """Genes that a rank-token model knows.

    Attributes
    ----------
    tokens
        Identifier (Ensembl id, or whatever the model was trained with) to token; special tokens in angle brackets.
    medians
        Identifier to the median of its non-zero normalised expression in the training corpus.
    aliases
        Symbol, previous or alternative identifier, upper-case, to identifier.
    name
        Name of the dictionary, for messages and the manifest.
    """

    tokens: dict[str, int]
    medians: dict[str, float]
    aliases: dict[str, str]
    name: str

    def identifier(self, names: tuple[str, ...]) -> str | None:
        """The first identifier that one of a gene's names leads to, or None. Ensembl versions are stripped."""
        for name in names:
            bare = name.split(".")[0] if name.startswith("ENS") else name
            for candidate in (bare, self.aliases.get(bare.upper(), "")):
                if candidate in self.tokens and candidate in self.medians:
                    return candidate
        return None


def rank_tokens(
    expression: Expression, vocabulary: GeneVocabulary, *, max_genes: int, min_share_mapped: float = 0.0,
) -> TokenizedCells:
    """Tokenise cells as Geneformer does.

    The value of a gene is ``counts / total * 10,000 / median``; genes of one identifier are summed first; genes without
    counts are left out; the rest is sorted by descending value (stable: ties keep the file's order) and cut to
    ``max_genes``.

    Raises
    ------
    UserError
        No gene is known; or the known genes hold less than ``min_share_mapped`` of all expressed entries although the
        file lacks more than half of the model's genes, so that it is not the model that is small.
    """
    identifiers = [vocabulary.identifier(names) for names in expression.genes]
    genes = pd.DataFrame({"id": sorted({i for i in identifiers if i is not None})})
    share = _share_mapped(expression, identifiers)
    if genes.empty or (share < min_share_mapped and len(genes) < len(vocabulary.medians) / 2):
        known = sum(i is not None for i in identifiers)
        msg = (
            f"{expression.source}: {known} of {len(identifiers)} genes, with {share:.1%} of the expressed entries, are "
            f"in {vocabulary.name} (there: {', '.join(_examples(vocabulary))}; here: {expression.genes[0][0]}): give "
            "cells of the model's species and gene names, choose another model, or lower `cells.min_share_mapped` "
            f"({min_share_mapped})."
        )
        raise UserError(msg)
    counts = _collapse(expression.counts, identifiers, genes["id"])
    genes["token"] = [vocabulary.tokens[i] for i in genes["id"]]
    genes["symbol"] = _symbols(expression, identifiers, genes["id"])
    values = counts.multiply(1e4 / np.maximum(expression.totals, 1)[:, None])
    values = values.multiply(1 / np.array([vocabulary.medians[i] for i in genes["id"]])[None, :]).tocsr()
    order = _descending(values)
    lengths = np.minimum(np.diff(values.indptr), max_genes)
    rank = np.arange(values.nnz) - np.repeat(values.indptr[:-1], np.diff(values.indptr))
    return TokenizedCells(
        gene=values.indices[order][rank < max_genes].astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        genes=genes,
        cells=pd.DataFrame({
            "row": np.arange(counts.shape[0]),
            "n_expressed": np.diff(expression.counts.indptr),
            "n_mapped": np.diff(values.indptr),
        }),
    )


def _share_mapped(expression: Expression, identifiers: list[str | None]) -> float:
    mapped = np.array([i is not None for i in identifiers])
    return float(mapped[expression.counts.indices].mean())


def _examples(vocabulary: GeneVocabulary) -> list[str]:
    return [i for i in vocabulary.tokens if not i.startswith("<")][:2]


def _collapse(counts: sparse.csr_matrix, identifiers: list[str | None], ids: pd.Series) -> sparse.csr_matrix:
    """Sum the columns of each identifier; the columns of the result follow ``ids``."""
    column = {identifier: number for number, identifier in enumerate(ids)}
    pairs = [(gene, column[i]) for gene, i in enumerate(identifiers) if i is not None]
    rows, columns = np.array(pairs).T
    join = sparse.csr_matrix((np.ones(len(pairs), np.float64), (rows, columns)), (counts.shape[1], len(column)))
    collapsed = (counts.astype(np.float64) @ join).tocsr()
    collapsed.sort_indices()
    return collapsed


def _symbols(expression: Expression, identifiers: list[str | None], ids: pd.Series) -> list[str]:
    """A name to show for every identifier: the file's first name that is not an Ensembl id, else the identifier."""
    shown: dict[str, str] = {}
    for identifier, names in zip(identifiers, expression.genes, strict=True):
        if identifier is not None:
            symbols = [name for name in names if not name.startswith("ENS")]
            shown.setdefault(identifier, symbols[0] if symbols else identifier)
    return [shown[i] for i in ids]


def _descending(values: sparse.csr_matrix) -> np.ndarray:
    """Order of the stored entries by row, then by descending value, ties by column."""
    rows = np.repeat(np.arange(values.shape[0]), np.diff(values.indptr))
    order: np.ndarray = np.lexsort((-values.data, rows))
    return order
