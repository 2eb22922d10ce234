from __future__ import annotations

import gzip
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellprism.atlas.packing import clean, number, pack_json, unpack_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None)
@given(JSON)
def test_json_comes_back_gzipped_or_not(value: object) -> None:
    data = pack_json(value)
    assert unpack_json(data) == value
    assert unpack_json(gzip.decompress(data)) == value
    assert data == pack_json(value)


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        pack_json(math.nan)


@settings(deadline=None)
@given(st.floats())
def test_numbers_keep_six_digits(value: float) -> None:
    rounded = number(value)
    if not math.isfinite(value):
        assert rounded is None
    else:
        assert rounded == pytest.approx(value, rel=5.1e-6, abs=1e-320)
        assert len(f"{rounded:e}".split("e")[0].strip("-")) <= 8


def test_a_p_value_above_zero_stays_above_zero() -> None:
    assert number(3.123456789e-308) == 3.12346e-308


def test_clean_makes_notes_fit_for_json() -> None:
    assert clean({"a": (1.23456789, math.nan), "b": {"c": math.inf}}) == {"a": [1.23456789, None], "b": {"c": None}}
