from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cellprism.errors import UserError
from cellprism.runs.schemas import MAP, TABLES, Table, empty, read_notes, read_table, write_table

if TYPE_CHECKING:
    from pathlib import Path


def test_a_table_comes_back_with_its_types_and_notes(tmp_path: Path) -> None:
    frame = pd.DataFrame({"feature": [1, 2], "x": [0.5, 1.5], "y": [2.0, float("nan")]})
    write_table(tmp_path / "map.parquet", MAP, frame, notes={"seed": 3})
    back = read_table(tmp_path / "map.parquet", MAP)
    assert back.dtypes.astype(str).to_dict() == {"feature": "int32", "x": "float32", "y": "float32"}
    assert back["x"].tolist() == [0.5, 1.5]
    assert read_notes(tmp_path / "map.parquet") == {"seed": 3}


def test_every_column_is_documented_and_every_table_can_be_empty() -> None:
    for table in TABLES.values():
        assert all(sentence for _, sentence in table.columns.values())
        assert list(empty(table).columns) == list(table.columns)


def test_wrong_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wants columns"):
        write_table(tmp_path / "map.parquet", MAP, pd.DataFrame({"feature": [1]}))
    assert list(tmp_path.iterdir()) == []


def test_damaged_foreign_newer_and_missing_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "map.parquet"
    with pytest.raises(UserError, match="no table"):
        read_table(path, MAP)
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(UserError, match="damaged"):
        read_table(path, MAP)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(UserError, match="foreign"):
        read_table(path, MAP)
    write_table(path, Table("map", MAP.version + 1, MAP.columns), empty(MAP))
    with pytest.raises(UserError, match="or older"):
        read_table(path, MAP)
