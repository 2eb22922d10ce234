"""Effects on disk while a trace runs: one file for the sources of a block in one cell, only what is not 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from cellprism.runs.files import atomic_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class CellEffects:
    """Effects in one cell.

    Attributes
    ----------
    source
        Source features that fire in the cell, shape ``(B,)``, ascending.
    effect
        Target layer -> effects, sparse float32 of shape ``(B, features of that layer)``.
    """

    source: np.ndarray
    effect: dict[int, sparse.csr_matrix]

    def take(self, rows: np.ndarray) -> CellEffects:
        """The effects of some of the sources."""
        return CellEffects(self.source[rows], {layer: matrix[rows] for layer, matrix in self.effect.items()})


def write_effects(path: Path, effects: CellEffects, *, half: bool = False) -> None:
    """Write one file, atomically; ``half`` keeps the effects as float16."""
    arrays = {"source": effects.source}
    for layer, matrix in effects.effect.items():
        kept = sparse.csr_matrix(matrix)
        kept.sort_indices()
        arrays |= {
            f"{layer}.indptr": kept.indptr, f"{layer}.data": kept.data.astype(np.float16 if half else np.float32),
            f"{layer}.indices": kept.indices.astype(np.uint16 if kept.shape[1] <= 2**16 else np.uint32),
            f"{layer}.width": np.array(kept.shape[1]),
        }
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        np.savez(handle, allow_pickle=False, **arrays)


def read_effects(path: Path) -> CellEffects:
    """Read what `write_effects` wrote, as float32."""
    with np.load(path) as stored:
        source, effect = stored["source"], {}
        for layer in sorted(int(name.split(".")[0]) for name in stored.files if name.endswith(".width")):
            data, indices, indptr = (stored[f"{layer}.{part}"] for part in ("data", "indices", "indptr"))
            shape = (len(source), int(stored[f"{layer}.width"]))
            effect[layer] = sparse.csr_matrix((data.astype(np.float32), indices.astype(np.int32), indptr), shape)
    return CellEffects(source, effect)


def kept_of(folder: Path, source: int, *, near: float) -> tuple[np.ndarray, dict[int, sparse.csr_matrix]]:
    """The effects of one source in ``folder/BLOCK/CELL.npz``, where a trace keeps them as float16.

    Parameters
    ----------
    folder
        Folder of the blocks, each of sources that follow each other.
    source
        A source that fires in one of the cells.
    near
        Where to look first: the share of the trace's sources that come before it.

    Returns
    -------
    Its cells (int32, ascending), and per target layer its effects, float32 of shape ``(cells, features)``.

    Raises
    ------
    KeyError
        No file has it.
    """
    blocks = sorted(folder.iterdir())
    for number in sorted(range(len(blocks)), key=lambda place: abs(place - near * len(blocks))):
        paths = {int(path.stem): path for path in blocks[number].glob("*.npz")}
        own = sorted(cell for cell, path in paths.items() if source in _sources(path))
        if own:
            files = [read_effects(paths[cell]) for cell in own]
            parts = [one.take(np.flatnonzero(one.source == source)).effect for one in files]
            return np.array(own, np.int32), {
                layer: sparse.vstack([part[layer] for part in parts], format="csr") for layer in parts[0]
            }
    raise KeyError(source)


def _sources(path: Path) -> np.ndarray:
    with np.load(path) as stored:
        return np.asarray(stored["source"])


def by_source(
    files: Mapping[int, CellEffects], features: Sequence[int] | np.ndarray,
) -> Iterator[tuple[int, np.ndarray, dict[int, np.ndarray]]]:
    """Turn cells with their sources into sources with their cells.

    Parameters
    ----------
    files
        Cell -> effects in it.
    features
        Source features of the block, whether they fire or not.

    Yields
    ------
    Feature, the cells in which it fires (int32, ascending), and per target layer its effects ``(cells, features)``.
    """
    cells = sorted(files)
    layers = sorted(files[cells[0]].effect)
    width = {layer: files[cells[0]].effect[layer].shape[1] for layer in layers}
    row = {cell: {int(source): place for place, source in enumerate(files[cell].source)} for cell in cells}
    for feature in map(int, features):
        own = [cell for cell in cells if feature in row[cell]]
        effect = {layer: np.zeros((len(own), width[layer]), np.float32) for layer in layers}
        for place, cell in enumerate(own):
            for layer in layers:
                matrix, r = files[cell].effect[layer], row[cell][feature]
                span = slice(matrix.indptr[r], matrix.indptr[r + 1])
                effect[layer][place, matrix.indices[span]] = matrix.data[span]
        yield feature, np.array(own, np.int32), effect
