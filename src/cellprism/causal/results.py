"""What calibration gives for one source feature, small enough to keep for all sources, and its file."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.runs.files import atomic_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

EDGE = np.dtype([
    ("target_layer", "i4"), ("target", "i4"), ("effect", "f8"), ("sd", "f8"), ("g", "f8"), ("agreement", "f8"),
    ("n_nonzero", "i4"), ("p", "f8"), ("published", "?"), ("replicated", "?"),
])
PUBLISHED = np.dtype([
    ("target_layer", "i4"), ("target", "i4"), ("d", "f8"), ("consistency", "f8"), ("effect", "f8"), ("sd", "f8"),
])


@dataclass(frozen=True)
class SourceResult:
    """The tests of one source against all targets of all target layers (``L``), reduced.

    Counts over the grid are of targets that pass every pair of thresholds of size and agreement; null counts have one
    row for each of the first ``N`` flips, which are the same for all sources that share the cells.

    Attributes
    ----------
    source, n_cells
        The feature, and the cells in which it fires.
    layers, live
        Target layers, and their targets with any effect other than 0: the tests, shape ``(L,)``.
    p_levels, p_counts
        The distinct p-values up to 0.05 of the live tests and how many tests have each.
    edges
        Targets that pass the thresholds with p up to 0.05, dtype ``EDGE``.
    published
        The edges that the published work would have kept, dtype ``PUBLISHED``.
    grid, null_grid
        Observed ``(L, 6, 5)`` and null counts ``(N, 6, 5)`` over the grid.
    null_mean
        Mean null count at the default thresholds, shape ``(L,)``.
    null_ranks
        Null edges by the rank of their sum among all flips, shape ``(L, N, flips // 20)``; see `edge_rule.ranks`.
    flips
        Flips behind each p-value and rank.
    null_signs
        Null edges at the default thresholds with negative and with positive mean, shape ``(N, 2)``.
    published_counts, null_published
        Targets that pass the published rule with negative and positive mean: ``(L, 2)`` and ``(N, 2)``.
    half_live, half_p_levels, half_p_counts, half_edge_p, half_passing, half_null, half_null_ranks
        The same for half of the cells: live tests, their p-values, the p-values of those that pass the thresholds,
        how many pass, null counts ``(N,)`` and their ranks.
    split
        Effects that pass the thresholds in one half, those of them with the same sign and size above the threshold
        in the other half, the sum of their ``|g|`` in the one and of their ``g`` of the same sign in the other.
    null_split
        The same under each flip, shape ``(N, 4)``.
    """

    source: int
    n_cells: int
    layers: np.ndarray
    live: np.ndarray
    p_levels: np.ndarray
    p_counts: np.ndarray
    edges: np.ndarray
    published: np.ndarray
    grid: np.ndarray
    null_grid: np.ndarray
    null_mean: np.ndarray
    null_ranks: np.ndarray
    flips: int
    null_signs: np.ndarray
    published_counts: np.ndarray
    null_published: np.ndarray
    half_live: int
    half_p_levels: np.ndarray
    half_p_counts: np.ndarray
    half_edge_p: np.ndarray
    half_passing: int
    half_null: np.ndarray
    half_null_ranks: np.ndarray
    split: np.ndarray
    null_split: np.ndarray


def save_results(path: Path, results: Sequence[SourceResult]) -> None:
    """Write the results of a block of sources, atomically."""
    arrays = {
        f"{place}.{field.name}": np.asarray(getattr(result, field.name))
        for place, result in enumerate(results) for field in fields(SourceResult)
    }
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, allow_pickle=False, **arrays)


def load_results(path: Path) -> list[SourceResult]:
    """Read what `save_results` wrote."""
    with np.load(path) as arrays:
        count = len(arrays.files) // len(fields(SourceResult))
        return [
            SourceResult(**{f.name: _value(arrays[f"{place}.{f.name}"]) for f in fields(SourceResult)})
            for place in range(count)
        ]


def _value(array: np.ndarray) -> Any:
    return int(array) if array.ndim == 0 else array
