from __future__ import annotations

import gzip
import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cellprism.atlas.columns import DTYPES, pack_columns, unpack_columns
from cellprism.errors import UserError


@st.composite
def tables(draw: st.DrawFn) -> dict[str, np.ndarray]:
    n = draw(st.integers(0, 40))
    names = draw(st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=6))
    return {name: draw(hnp.arrays(draw(st.sampled_from(list(DTYPES.values()))), n)) for name in names}


@settings(deadline=None)
@given(tables())
def test_what_is_packed_is_unpacked_bit_for_bit(columns: dict[str, np.ndarray]) -> None:
    data = pack_columns(columns)
    for found in (unpack_columns(data), unpack_columns(gzip.decompress(data))):
        assert list(found) == list(columns)
        for name, column in columns.items():
            assert found[name].dtype == column.dtype
            assert found[name].tobytes() == column.tobytes()
    assert pack_columns(columns) == data


def test_the_bytes_are_as_documented() -> None:
    raw = gzip.decompress(pack_columns({"a": np.array([1, 2, 3], np.uint8), "b": np.array([0.5, -1, 2], np.float32)}))
    assert raw[:4] == b"CPC1"
    (length,) = struct.unpack("<I", raw[4:8])
    header = json.loads(raw[8 : 8 + length])
    assert header == {"n": 3, "columns": [
        {"name": "a", "dtype": "u8", "offset": 0}, {"name": "b", "dtype": "f32", "offset": 8},
    ]}
    start = 8 + length
    assert start % 8 == 0
    assert raw[start : start + 8] == bytes([1, 2, 3, 0, 0, 0, 0, 0])
    assert raw[start + 8 :] == struct.pack("<3f", 0.5, -1, 2) + bytes(4)


def test_big_endian_columns_are_turned() -> None:
    assert unpack_columns(pack_columns({"a": np.array([1, 256], ">u2")}))["a"].tolist() == [1, 256]


def test_the_gzip_header_carries_no_time() -> None:
    assert pack_columns({})[4:8] == bytes(4)


@pytest.mark.parametrize("columns", [
    {"a": np.zeros(2, np.uint8), "b": np.zeros(3, np.uint8)},
    {"a": np.zeros((2, 2), np.uint8)},
    {"a": np.zeros(2, np.float64)},
])
def test_what_does_not_fit_is_refused(columns: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="column"):
        pack_columns(columns)


def test_other_files_are_refused() -> None:
    with pytest.raises(UserError, match="not a column file"):
        unpack_columns(b"PAR1 and so on")
