"""Screens with a known truth: labels of cells, and values that guides, batches and perturbations move."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse

from cellprism.cells.expression import Expression
from cellprism.cells.tokens import TokenizedCells
from cellprism.regulation.screen import Screen


def labelled(
    arms: int, *, guides: int = 4, control_guides: int = 9, batches: int = 2, cells: int = 10, named: bool = True,
) -> Screen:
    """A screen of labels alone: so many cells of each guide in each batch, the control's guides first."""
    arm = np.repeat(np.arange(arms), [control_guides * batches * cells] + [guides * batches * cells] * (arms - 1))
    guide = np.arange(len(arm)) // (batches * cells)
    genes = pd.DataFrame({"token": [0], "id": ["G"], "symbol": ["G"]})
    tokens = TokenizedCells(np.zeros(len(arm), np.int32), np.arange(len(arm) + 1), genes, pd.DataFrame(index=arm))
    counts = sparse.csr_matrix(np.ones((len(arm), 1), np.float32))
    expression = Expression(counts, np.ones(len(arm)), [("G",)], arm.astype(str), pd.DataFrame(index=arm), "labels")
    return Screen(
        expression, tokens, ("control", *(f"P{number}" for number in range(1, arms))), arm,
        np.arange(len(arm)) // cells % batches, guide if named else None, {}, (),
    )


def moved(
    screen: Screen, guide_of: np.ndarray, rng: np.random.Generator, *, columns: int = 300, guide_sd: float = 0.0,
    batch_sd: float = 1.0,
) -> np.ndarray:
    """Values of every cell: 10, noise of variance 1, and what its guide and batch add, ``(cells, columns)``.

    Parameters
    ----------
    guide_of
        Guide of each cell, whether the screen names it or not.
    """
    guides = guide_sd * rng.standard_normal((guide_of.max() + 1, columns))
    batches = batch_sd * rng.standard_normal((screen.batch.max() + 1, columns))
    return np.asarray(
        10 + rng.standard_normal((len(screen.arm), columns)) + guides[guide_of] + batches[screen.batch],
    )
