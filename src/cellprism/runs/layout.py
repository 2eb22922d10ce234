"""The layout of one table."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pyarrow as pa

I32, I64, F32, F64, STR, BOOL = pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.string(), pa.bool_()


@dataclass(frozen=True)
class Table:
    """The layout of a Parquet table: ``columns`` maps a name to its type and a sentence of documentation."""

    name: str
    version: int
    columns: dict[str, tuple[pa.DataType, str]]

    @property
    def arrow(self) -> pa.Schema:
        metadata: dict[bytes | str, bytes | str] = {
            b"cellprism": json.dumps({"table": self.name, "version": self.version}).encode(),
        }
        return pa.schema([pa.field(name, kind) for name, (kind, _) in self.columns.items()], metadata=metadata)


FEATURE = {"feature": (I32, "index of the feature in its layer's dictionary")}
TERM = {"source": (STR, "library of the gene set"), "term": (STR, "name of the gene set")}
