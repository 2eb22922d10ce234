"""Which cells are held out, and which positions a run samples: so many of each source."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cellprism.models.stages import run_sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cellprism.cells.tokens import TokenizedCells
    from cellprism.runs.directory import Run

HELD_OUT_POSITIONS = 50_000


def held_out_cells(n_cells: int, share: float, seed: int) -> np.ndarray:
    """Sorted cells kept out of training: at least one, never all."""
    n = min(max(1, math.ceil(share * n_cells)), n_cells - 1)
    return np.sort(np.random.default_rng([seed, 1]).permutation(n_cells)[:n])


def run_held_out(run: Run) -> np.ndarray:
    """Sorted cells that a run keeps out of training, of each source its share."""
    config = run.config
    parts = [cells[held_out_cells(len(cells), config.sae.held_out, config.seed)] for cells in run_sources(run)]
    return np.sort(np.concatenate(parts))


def shared_counts(available: Sequence[int], shares: Sequence[float], most: int) -> list[int]:
    """How many positions to take of each source: at most ``most``, in the given shares, however few a source has.

    A source that is too small makes the whole sample smaller, because the shares are what was asked for.
    """
    total = min([most, *(n / share for n, share in zip(available, shares, strict=True))])
    # 1e-9: a source that is used up is used up whole
    return [min(n, math.floor(total * share + 1e-9)) for n, share in zip(available, shares, strict=True)]


def sample_positions(run: Run, tokens: TokenizedCells) -> dict[str, list[np.ndarray]]:
    """Positions to train on and to hold out, uniform over those of each source: one ascending array for each."""
    held_out, config = run_held_out(run), run.config
    rng = np.random.default_rng([config.seed, 2])
    shares = list(config.cells.shares.values())
    found = {}
    for part, most in (("train", config.sae.positions), ("held_out", HELD_OUT_POSITIONS)):
        wanted = part == "held_out"
        cells = [own[np.isin(own, held_out) == wanted] for own in run_sources(run)]
        counts = shared_counts([int(tokens.lengths[own].sum()) for own in cells], shares, most)
        found[part] = [_choose(tokens, own, n, rng) for own, n in zip(cells, counts, strict=True)]
    return found


def together(by_source: list[np.ndarray]) -> np.ndarray:
    """Positions of all sources, ascending: the rows of a file of ``residuals/``."""
    return np.sort(np.concatenate(by_source))


def _choose(tokens: TokenizedCells, cells: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """``n`` of the positions of ``cells``, ascending."""
    ends = np.cumsum(tokens.lengths[cells])
    available = int(ends[-1]) if len(ends) else 0
    place = np.arange(available) if n == available else np.sort(rng.choice(available, n, replace=False))
    row = np.searchsorted(ends, place, side="right")
    return np.asarray(tokens.offsets[cells[row] + 1] - ends[row] + place)
