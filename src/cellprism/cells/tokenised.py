"""Cells that somebody has tokenised already: a Parquet table, or a folder as Hugging Face ``datasets`` saves it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class TokenLists:
    """Lists of tokens, in the order in which a model reads them, special tokens included if they were stored.

    Attributes
    ----------
    ids
        Tokens of all cells, one cell after another, int64.
    offsets
        Cell ``c`` owns ``ids[offsets[c]:offsets[c + 1]]``, shape ``(cells + 1,)``.
    names
        Cell names, shape ``(cells,)``: the row numbers of the file.
    obs
        The other columns that hold one value for each cell.
    source
        Where the cells came from, for the manifest.
    notes
        What was done to them on the way in, one sentence each.
    """

    ids: np.ndarray
    offsets: np.ndarray
    names: np.ndarray
    obs: pd.DataFrame
    source: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.offsets)

    @property
    def totals(self) -> np.ndarray:
        """Total counts are not known of such cells: NaN."""
        return np.full(len(self), np.nan)

    def take(self, rows: np.ndarray) -> TokenLists:
        """The cells ``rows``, in that order."""
        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        index = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return TokenLists(self.ids[index], offsets, self.names[rows], self.obs.iloc[rows], self.source, self.notes)


def holds_tokens(path: str) -> bool:
    """Whether ``cells.path`` names tokenised cells: a ``.parquet`` file or a folder; ``demo`` is always the demo."""
    return path != "demo" and (Path(path).suffix == ".parquet" or Path(path).is_dir())


def read_tokenised(path: str) -> TokenLists:
    """Read cells with a column ``input_ids``, and ``length`` if it is there.

    Raises
    ------
    UserError
        The file cannot be read, has no such column or no cells, the column holds other things than lists of whole
        numbers, or a length differs from its list.
    """
    table = _table(Path(path))
    if "input_ids" not in table.column_names or not len(table):
        msg = f"{path} has no cells in a column input_ids (columns: {', '.join(table.column_names)}): give other cells."
        raise UserError(msg)
    ids, lengths = _lists(table["input_ids"].combine_chunks(), path)
    if "length" in table.column_names:
        wrong = np.flatnonzero(table["length"].to_numpy() != lengths)
        if len(wrong):
            msg = f"{path}: the length of row {wrong[0]} is not that of its input_ids: make the file again."
            raise UserError(msg)
    single = [field.name for field in table.schema if not _is_nested(field.type)]
    return TokenLists(
        ids=ids,
        offsets=np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
        names=np.array([f"row{row}" for row in range(len(table))]),
        obs=table.select(single).to_pandas(),
        source=path,
    )


def _lists(column: pa.Array, path: str) -> tuple[np.ndarray, np.ndarray]:
    """All numbers of a column of lists, int64, and the length of each list."""
    import pyarrow as pa

    kind = column.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    whole = is_list and pa.types.is_integer(kind.value_type)
    values = column.flatten() if whole else column
    if not whole or column.null_count or values.null_count:
        found = "empty entries" if whole else str(kind)
        msg = f"{path}: input_ids must hold a list of whole numbers for every cell, not {found}: make the file again."
        raise UserError(msg)
    return values.to_numpy(zero_copy_only=False).astype(np.int64), column.value_lengths().to_numpy()


def _is_nested(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_nested(kind))


def _table(path: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if path.is_file():
            return pq.read_table(path)
        shards = _shards(path)
        if path.is_dir() and shards:
            return pa.concat_tables([_arrow(shard) for shard in shards])
    except (pa.ArrowInvalid, OSError) as error:
        msg = f"{path} cannot be read ({' '.join(str(error).split())[:200]}): make the file again."
        raise UserError(msg) from error
    parts = sorted(part.name for part in path.glob("*") if _shards(part))
    inside = f"; {path.name} holds such folders: {', '.join(parts)}" if parts else ""
    msg = f"no tokenised cells at {path}: give a .parquet file, or a folder with .arrow files, as `cells.path`{inside}."
    raise UserError(msg)


def _shards(folder: Path) -> list[Path]:
    """The .arrow files of a folder in order, without those in which ``datasets`` caches what was made of them."""
    return sorted(path for path in folder.glob("*.arrow") if not path.name.startswith("cache-"))


def _arrow(path: Path) -> pa.Table:
    """A stream, which is what ``datasets`` writes, or a file."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        try:
            return pa.ipc.open_stream(source).read_all()
        except pa.ArrowInvalid:
            return pa.ipc.open_file(source).read_all()
