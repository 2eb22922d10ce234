"""Column files: equally long arrays of numbers, which a browser reads as typed arrays without parsing."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import numpy as np

from cellprism.atlas.packing import gunzip, gzipped
from cellprism.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAGIC = b"CPC1"
DTYPES: dict[str, np.dtype] = {
    "u8": np.dtype("<u1"), "u16": np.dtype("<u2"), "u32": np.dtype("<u4"), "i32": np.dtype("<i4"),
    "f32": np.dtype("<f4"),
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def pack_columns(columns: Mapping[str, np.ndarray]) -> bytes:
    """A gzipped column file.

    Parameters
    ----------
    columns
        Name to array of shape ``(n,)``, of dtype uint8, uint16, uint32, int32 or float32; all of the same length.

    Raises
    ------
    ValueError
        The arrays differ in length, are not one-dimensional, or have another dtype.
    """
    arrays = {name: np.asarray(array) for name, array in columns.items()}
    if len({array.shape for array in arrays.values()}) > 1 or any(array.ndim != 1 for array in arrays.values()):
        msg = f"columns must be one-dimensional and equally long, got {[a.shape for a in arrays.values()]}"
        raise ValueError(msg)
    entries, blocks, offset = [], [], 0
    for name, array in arrays.items():
        dtype = array.dtype.newbyteorder("<")
        if dtype not in _NAMES:
            msg = f"column {name} has dtype {array.dtype}, which a column file cannot hold"
            raise ValueError(msg)
        block = array.astype(dtype).tobytes()
        entries.append({"name": name, "dtype": _NAMES[dtype], "offset": offset})
        blocks.append(block + bytes(-len(block) % 8))
        offset += len(blocks[-1])
    n = len(next(iter(arrays.values()))) if arrays else 0
    header = json.dumps({"n": n, "columns": entries}, separators=(",", ":")).encode()
    header += b" " * (-(len(MAGIC) + 4 + len(header)) % 8)
    return gzipped(MAGIC + struct.pack("<I", len(header)) + header + b"".join(blocks))


def unpack_columns(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of a column file, gzipped or not.

    Raises
    ------
    UserError
        The bytes are not a column file.
    """
    data = gunzip(data)
    if data[:4] != MAGIC:
        msg = f"not a column file: it begins with {data[:4]!r} instead of {MAGIC!r}."
        raise UserError(msg)
    (length,) = struct.unpack_from("<I", data, 4)
    start = 8 + length
    header = json.loads(data[8:start])
    return {
        c["name"]: np.frombuffer(data, DTYPES[c["dtype"]], count=header["n"], offset=start + c["offset"])
        for c in header["columns"]
    }
