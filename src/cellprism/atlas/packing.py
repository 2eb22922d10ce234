"""JSON that is short and gzip that is the same every time."""

from __future__ import annotations

import gzip
import json
import math
from typing import Any

DIGITS = 6
"""Significant digits of the numbers in an atlas; the Parquet tables under ``download/`` have all."""


def gzipped(data: bytes) -> bytes:
    """Gzip without time and name in the header, so that equal data give equal bytes."""
    return gzip.compress(data, compresslevel=6, mtime=0)


def gunzip(data: bytes) -> bytes:
    """Undo gzip if the data are gzipped: some hosts decompress on their own."""
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def pack_json(value: Any) -> bytes:
    """Gzipped compact JSON; refuses NaN, which JSON does not know."""
    return gzipped(json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode())


def unpack_json(data: bytes) -> Any:
    return json.loads(gunzip(data))


def number(value: float | None, digits: int = DIGITS) -> float | None:
    """Round to significant digits; None for what is missing or not finite."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{digits}g}")


def whole(value: float | None) -> int | None:
    """A count; None for what is missing. Tables with missing counts hold them as floats."""
    return None if value is None or not math.isfinite(value) else int(value)


def clean(value: Any) -> Any:
    """Make notes fit for JSON: NaN and infinities become None, tuples lists; digits are kept."""
    if isinstance(value, dict):
        return {str(key): clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
