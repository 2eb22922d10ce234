"""The codes of a layer: which features fire at every position, and how strongly, in shards of whole cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from cellprism.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cellprism.runs.directory import Run


@dataclass(frozen=True)
class Codes:
    """Sparse activations of N positions: at most ``k`` features each.

    Attributes
    ----------
    index
        Feature indices, shape ``(N, k)``, unsigned integers; the indices of one row differ.
    value
        Activations, shape ``(N, k)``, float16 or float32; a feature fires where its value is above 0.
    n_features
        Features of the dictionary.
    """

    index: np.ndarray
    value: np.ndarray
    n_features: int

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, rows: slice | np.ndarray) -> Codes:
        """Codes of some positions."""
        return Codes(self.index[rows], self.value[rows], self.n_features)

    def csr(self) -> sparse.csr_matrix:
        """The same as a ``(N, n_features)`` float32 matrix that stores only firings.

        Where every place fires, an array that has SciPy's type already (float32 values, int32 indices) is not copied;
        others are converted once. Columns of a row are in the order of ``index``.
        """
        n, k = self.index.shape
        fires = self.value > 0
        value, index = np.asarray(self.value), np.asarray(self.index)
        if fires.all():
            value, index, indptr = value.ravel(), index.ravel(), np.arange(n + 1) * k
        else:
            value, index = value[fires], index[fires]
            indptr = np.concatenate([[0], np.cumsum(fires.sum(axis=1))])
        data, columns = value.astype(np.float32, copy=False), index.astype(np.int32, copy=False)
        return sparse.csr_matrix((data, columns, indptr), (n, self.n_features), copy=False)


@dataclass(frozen=True)
class Shard:
    """Codes of some whole cells: ``cell`` and ``gene``, shape ``(N,)`` int32, name each position. Cells ascend."""

    cell: np.ndarray
    gene: np.ndarray
    codes: Codes


class CodeStore:
    """The shards of one layer of a run, read one at a time by memory map.

    Parameters
    ----------
    run
        A run whose ``codes`` stage is done.
    layer
        Layer, counted from 0.
    """

    def __init__(self, run: Run, layer: int) -> None:
        self.folder = run.file("codes", layer)
        self.positions = run.file("positions")
        self._indices = sorted(self.folder.glob("index.*.npy"), key=lambda path: int(path.suffixes[0][1:]))
        if not self._indices:
            msg = f"no codes in {self.folder}: the run has not come so far; see `cellprism status {run.path}`."
            raise UserError(msg)
        self.n_features = int(np.load(self.folder / "n_features.npy"))
        self.sizes = [len(np.load(path, mmap_mode="r")) for path in self._indices]
        self.n_positions = sum(self.sizes)

    def shards(self) -> Iterator[Shard]:
        return map(self.shard, range(len(self._indices)))

    def shard(self, place: int) -> Shard:
        """The shard at a place in the order of `shards`; ``sizes`` has the positions of each."""
        path = self._indices[place]
        number = path.suffixes[0]
        index = np.load(path, mmap_mode="r")
        value = np.load(self.folder / f"value{number}.npy", mmap_mode="r")
        cell = np.load(self.positions / f"cell{number}.npy", mmap_mode="r")
        gene = np.load(self.positions / f"gene{number}.npy", mmap_mode="r")
        return Shard(cell, gene, Codes(index, value, self.n_features))


def shard_path(folder: Path, name: str, number: int) -> Path:
    return folder / f"{name}.{number:05d}.npy"
