"""Geneformer's reading of a cell: genes in descending order of expression relative to their typical expression."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellprism.cells.mapping import map_genes
from cellprism.cells.tokens import TokenizedCells
from cellprism.errors import UserError

if TYPE_CHECKING:
    from scipy import sparse

    from cellprism.cells.expression import Expression
    from cellprism.cells.tokenised import TokenLists


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
    symbols
        Identifier to the symbol to show, for cells that come as tokens and bring no names.
    """

    tokens: dict[str, int]
    medians: dict[str, float]
    aliases: dict[str, str]
    name: str
    symbols: dict[str, str] = field(default_factory=dict)

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
    counts are left out; the rest is sorted by descending value and cut to ``max_genes``. Ties, of which Geneformer's
    medians leave hardly any, go by identifier, so that the order of a file's columns does not matter.

    Raises
    ------
    UserError
        The file's genes are not the model's: see `map_genes`.
    """
    counts, genes = map_genes(expression, vocabulary, min_share_mapped=min_share_mapped)
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


def adopt_tokens(cells: TokenLists, vocabulary: GeneVocabulary, *, max_genes: int) -> TokenizedCells:
    """Take tokens as they are: special tokens are dropped (`Geneformer.pad` puts its own), the rest is cut to
    ``max_genes``.

    Raises
    ------
    UserError
        A token is not in the vocabulary, or occurs twice in a cell.
    """
    identifier = {token: name for name, token in vocabulary.tokens.items()}
    special = [token for name, token in vocabulary.tokens.items() if name.startswith("<")]
    cell = np.repeat(np.arange(len(cells)), cells.lengths)
    known = np.isin(cells.ids, list(identifier))
    if not known.all():
        first = int(np.flatnonzero(~known)[0])
        msg = (
            f"{cells.source}: {(~known).sum()} of {len(known)} tokens are not in {vocabulary.name}, the first, "
            f"{cells.ids[first]}, in {cells.names[cell[first]]}: choose the model of the generation that the cells "
            "were tokenised for."
        )
        raise UserError(msg)
    genes_only = ~np.isin(cells.ids, special)
    ids, cell = cells.ids[genes_only], cell[genes_only]
    pairs = cell * (max(identifier) + 1) + ids
    if len(np.unique(pairs)) < len(pairs):
        msg = f"{cells.source}: some cells have a gene twice: give cells tokenised as Geneformer does."
        raise UserError(msg)
    n_mapped = np.bincount(cell, minlength=len(cells))
    lengths = np.minimum(n_mapped, max_genes)
    rank = np.arange(len(ids)) - np.repeat(np.cumsum(n_mapped) - n_mapped, n_mapped)
    tokens, gene = np.unique(ids[rank < max_genes], return_inverse=True)
    names = [identifier[token] for token in tokens]
    return TokenizedCells(
        gene=gene.astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        genes=pd.DataFrame({
            "id": names, "token": tokens, "symbol": [vocabulary.symbols.get(name, name) for name in names],
        }),
        cells=pd.DataFrame({"row": np.arange(len(cells)), "n_expressed": n_mapped, "n_mapped": n_mapped}),
    )


def _descending(values: sparse.csr_matrix) -> np.ndarray:
    """Order of the stored entries by row, then by descending value, ties by column."""
    rows = np.repeat(np.arange(values.shape[0]), np.diff(values.indptr))
    order: np.ndarray = np.lexsort((-values.data, rows))
    return order
