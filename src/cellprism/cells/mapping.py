"""From the genes of a file to the genes that a model knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd
from scipy import sparse

from cellprism.cells.species import guess_species
from cellprism.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cellprism.cells.expression import Expression


class Vocabulary(Protocol):
    """The genes of a model: identifier to token, the dictionary's name, and how names lead to an identifier."""

    @property
    def tokens(self) -> Mapping[str, int]: ...

    @property
    def name(self) -> str: ...

    def identifier(self, names: tuple[str, ...]) -> str | None: ...


def map_genes(
    expression: Expression, vocabulary: Vocabulary, *, min_share_mapped: float = 0.0,
) -> tuple[sparse.csr_matrix, pd.DataFrame]:
    """Counts by the model's genes; genes of the file that lead to one identifier are summed.

    Returns
    -------
    counts
        CSR, shape ``(cells, genes)``, float64, columns sorted within rows, zeros not stored.
    genes
        One row for each column: ``id``, ``token``, ``symbol``, sorted by ``id``.

    Raises
    ------
    UserError
        No gene is known; or the known genes hold less than ``min_share_mapped`` of all expressed entries although the
        file lacks more than half of the model's genes, so that it is not the model that is small; or the file's names
        are those of a rodent and the model's are not (but for their case, most symbols are the same).
    """
    known_genes = [i for i in vocabulary.tokens if not i.startswith("<")]
    identifiers = [vocabulary.identifier(names) for names in expression.genes]
    genes = pd.DataFrame({"id": sorted({i for i in identifiers if i is not None})})
    share = _share_mapped(expression, identifiers)
    species = guess_species(expression.genes)
    if genes.empty or (share < min_share_mapped and len(genes) < len(known_genes) / 2):
        known = sum(i is not None for i in identifiers)
        msg = (
            f"{expression.source}: {known} of {len(identifiers)} genes, with {share:.1%} of the expressed entries, are "
            f"in {vocabulary.name} (there: {', '.join(known_genes[:2])}; here: {expression.genes[0][0]}"
            f"{f', a name of {species}' if species not in {None, 'human'} else ''}): give "
            "cells of the model's species and gene names, choose another model, or lower `cells.min_share_mapped` "
            f"({min_share_mapped})."
        )
        raise UserError(msg)
    if species not in {None, "human"} and guess_species([(i,) for i in known_genes]) in {None, "human"}:
        msg = (
            f"{expression.source}: the genes' names, such as {expression.genes[0][0]}, are names of {species}, unlike "
            f"those of {vocabulary.name}, such as {known_genes[0]}: give human cells, or name the genes by human "
            "orthologues."
        )
        raise UserError(msg)
    genes["token"] = [vocabulary.tokens[i] for i in genes["id"]]
    genes["symbol"] = _symbols(expression, identifiers, genes["id"])
    return _collapse(expression.counts, identifiers, genes["id"]), genes


def _share_mapped(expression: Expression, identifiers: list[str | None]) -> float:
    mapped = np.array([i is not None for i in identifiers])
    return float(mapped[expression.counts.indices].mean())


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
