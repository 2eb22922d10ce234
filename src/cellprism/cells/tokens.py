"""Tokenised cells: for each cell the genes that a model reads, in its order, with their values if it reads values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class TokenizedCells:
    """Ragged gene positions of many cells.

    Attributes
    ----------
    gene
        Row of ``genes`` at every position, shape ``(positions,)`` int32.
    offsets
        Cell ``c`` owns the positions ``offsets[c]`` to ``offsets[c + 1] - 1``, shape ``(cells + 1,)`` int64.
    genes
        The genes that occur: columns ``token``, ``id``, ``symbol``.
    cells
        What was counted of each cell: columns ``row`` (of the expression matrix), ``n_expressed``, ``n_mapped``.
    value
        Value at every position for models that read one, shape ``(positions,)`` float32.
    """

    gene: np.ndarray
    offsets: np.ndarray
    genes: pd.DataFrame
    cells: pd.DataFrame
    value: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Positions of each cell."""
        return np.diff(self.offsets)

    @property
    def token(self) -> np.ndarray:
        """Vocabulary token at every position."""
        tokens: np.ndarray = self.genes["token"].to_numpy()[self.gene]
        return tokens

    @property
    def cell(self) -> np.ndarray:
        """Cell of every position, int32."""
        return np.repeat(np.arange(len(self), dtype=np.int32), self.lengths)

    def keep(self, chosen: np.ndarray) -> TokenizedCells:
        """Only the cells for which the boolean array ``chosen`` is true; genes stay as they are."""
        positions = np.repeat(chosen, self.lengths)
        return replace(
            self,
            gene=self.gene[positions],
            offsets=np.concatenate([[0], np.cumsum(self.lengths[chosen])]).astype(np.int64),
            cells=self.cells[chosen].reset_index(drop=True),
            value=None if self.value is None else self.value[positions],
        )


def join(parts: Sequence[TokenizedCells]) -> TokenizedCells:
    """Cells of several sources as one, in the order given; the genes are those of all, sorted by ``id``.

    Where sources have several symbols for a gene, the first that is not its identifier is kept.
    """
    if len(parts) == 1:
        return parts[0]
    genes = pd.concat([part.genes for part in parts], ignore_index=True)
    genes = genes.assign(unnamed=genes["symbol"] == genes["id"]).sort_values(["id", "unnamed"], kind="stable")
    genes = genes.drop_duplicates("id", ignore_index=True).drop(columns="unnamed")
    place = pd.Index(genes["id"])
    values = [part.value for part in parts if part.value is not None]
    return TokenizedCells(
        gene=np.concatenate([place.get_indexer(part.genes["id"])[part.gene] for part in parts]).astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(np.concatenate([part.lengths for part in parts]))]),
        genes=genes,
        cells=pd.concat([part.cells for part in parts], ignore_index=True),
        value=np.concatenate(values) if values else None,
    )
