"""Which features fire at each position: whole in memory, or as a source of pieces that are never in memory together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Pattern: TypeAlias = tuple[np.ndarray, np.ndarray]
"""``indptr`` and ``indices`` of consecutive positions, as in CSR; features ascend within a position."""
AT_ONCE = 2**19
"""Positions that a null holds in memory."""


class FiringSource(Protocol):
    """Firings of consecutive cells.

    Attributes
    ----------
    n_features
        Features of the dictionary.
    lengths
        Positions of each cell, shape ``(cells,)``.
    counts
        Positions at which each feature fires, shape ``(features,)``.
    """

    @property
    def n_features(self) -> int: ...

    @property
    def lengths(self) -> np.ndarray: ...

    @property
    def counts(self) -> np.ndarray: ...

    def pieces(self, start: int, stop: int) -> Iterator[Pattern]:
        """The positions from ``start`` to ``stop``, in order."""


class CellFirings(FiringSource, Protocol):
    """Firings of which some cells can be had alone."""

    def take(self, cells: np.ndarray) -> Firings:
        """The cells at the ascending places ``cells``, in memory."""


@dataclass(frozen=True)
class Firings:
    """Firings in memory.

    Attributes
    ----------
    indptr, indices
        As in CSR; features ascend within a position.
    cell
        Cell of each position; equal values are adjacent.
    n_features
        Features of the dictionary.
    gene
        Gene of each position, where it matters.
    """

    indptr: np.ndarray
    indices: np.ndarray
    cell: np.ndarray
    n_features: int
    gene: np.ndarray | None = None

    @cached_property
    def lengths(self) -> np.ndarray:
        return np.diff(np.concatenate([[0], np.flatnonzero(np.diff(self.cell)) + 1, [len(self.cell)]]))

    @cached_property
    def counts(self) -> np.ndarray:
        return np.bincount(self.indices, minlength=self.n_features)

    def pieces(self, start: int, stop: int) -> Iterator[Pattern]:
        yield self.indptr[start : stop + 1], self.indices

    def take(self, cells: np.ndarray) -> Firings:
        rows = np.flatnonzero(np.isin(np.repeat(np.arange(len(self.lengths)), self.lengths), cells))
        gene = None if self.gene is None else self.gene[rows]
        return Firings(*take_rows(self.indptr, self.indices, rows), self.cell[rows], self.n_features, gene)


class Regrouped:
    """Firings in another order of cells, changed group by group: what a null needs, with one group in memory.

    Parameters
    ----------
    source
        The firings.
    groups
        Places of the cells of each group, ascending (see `random_groups`).
    change
        Makes the firings of a group, given its number, into others of the same cells and frequencies.
    """

    def __init__(
        self, source: CellFirings, groups: Sequence[np.ndarray],
        change: Callable[[Firings, int], Pattern] | None = None,
    ) -> None:
        self.n_features, self.counts = source.n_features, source.counts
        self.lengths = source.lengths[np.concatenate(groups)]
        self._source, self._groups, self._change = source, groups, change
        self._edges = np.cumsum([0, *(int(source.lengths[group].sum()) for group in groups)])
        self._held: tuple[int, Pattern] | None = None

    def pieces(self, start: int, stop: int) -> Iterator[Pattern]:
        for number in range(len(self._groups)):
            first, last = max(start, self._edges[number]), min(stop, self._edges[number + 1])
            if first < last:
                indptr, indices = self._group(number)
                yield indptr[first - self._edges[number] : last - self._edges[number] + 1], indices

    def _group(self, number: int) -> Pattern:
        if self._held is None or self._held[0] != number:
            self._held = None
            firings = self._source.take(self._groups[number])
            changed = self._change(firings, number) if self._change else (firings.indptr, firings.indices)
            self._held = number, changed
        return self._held[1]


def random_groups(lengths: np.ndarray, rng: np.random.Generator, *, most: int = AT_ONCE) -> list[np.ndarray]:
    """Cells in random groups of about ``most`` positions, ascending within a group; one group if that is enough."""
    n = -(-int(lengths.sum()) // most)
    if n <= 1:
        return [np.arange(len(lengths))]
    order = rng.permutation(len(lengths))
    group = (np.cumsum(lengths[order]) - lengths[order]) * n // lengths.sum()
    return [np.sort(order[group == number]) for number in range(n) if (group == number).any()]


def take_rows(indptr: np.ndarray, indices: np.ndarray, rows: np.ndarray) -> Pattern:
    """The rows of a CSR pattern in another order."""
    length = np.diff(indptr)[rows]
    new = np.concatenate([[0], np.cumsum(length)])
    place = np.repeat(indptr[rows] - new[:-1], length) + np.arange(new[-1])
    return new, indices[place]
