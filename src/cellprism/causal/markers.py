"""Marker genes of late and early cells, by expression alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cellprism.stats.ranks import auroc, rank_sum, ranks

if TYPE_CHECKING:
    from cellprism.cells.tokens import TokenizedCells
    from cellprism.stats.ranks import Ranks

MARKERS = 25
"""Genes for late and for early."""
SHARE = 0.1
"""A marker is read in so many of the cells."""


def expression_levels(tokens: TokenizedCells, cells: np.ndarray) -> np.ndarray:
    """How strongly each cell expresses each gene: its value, or 1 for the first rank down to 0 for genes not read.

    Shape ``(len(cells), genes)``, float32.
    """
    level = np.zeros((len(cells), len(tokens.genes)), np.float32)
    for row, cell in enumerate(cells):
        own = slice(tokens.offsets[cell], tokens.offsets[cell + 1])
        n = int(tokens.lengths[cell])
        level[row, tokens.gene[own]] = 1 - np.arange(n) / n if tokens.value is None else tokens.value[own]
    return level


class MarkerFinder:
    """Finds markers among the genes that 10 % of some cells read, for several divisions of these cells.

    Parameters
    ----------
    levels
        From `expression_levels`, of early and late cells.
    """

    def __init__(self, levels: np.ndarray) -> None:
        self.genes = np.flatnonzero((levels > 0).mean(axis=0) >= SHARE)
        self._ranks: Ranks = ranks(levels[:, self.genes])

    def find(self, late: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The genes of the largest and of the smallest AUROC of late cells against the others, ``MARKERS`` of each.

        Parameters
        ----------
        late
            Whether a cell is late, shape ``(cells,)``.

        Returns
        -------
        Markers of late and of early cells, the strongest first; no gene is both.
        """
        member = late[:, None]
        area = auroc(rank_sum(self._ranks, member), member)[0]
        order = np.argsort(-area, kind="stable")
        n = min(MARKERS, len(order) // 2)
        return self.genes[order[:n]], self.genes[order[::-1][:n]]
