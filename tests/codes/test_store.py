from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cellprism.codes.store import Codes, CodeStore, shard_path
from cellprism.runs.config import Config
from cellprism.runs.directory import Run

if TYPE_CHECKING:
    from pathlib import Path


def some_codes(index_type: type, value_type: type, *, silent: float) -> tuple[Codes, np.ndarray]:
    """Codes of 30 positions and the same as a dense matrix; a share ``silent`` of the places has value 0."""
    rng = np.random.default_rng(0)
    index = np.argsort(rng.random((30, 50)), axis=1)[:, :6].astype(index_type)
    value = np.where(rng.random((30, 6)) < silent, 0, rng.random((30, 6)) + 0.5).astype(value_type)
    dense = np.zeros((30, 50), np.float32)
    np.put_along_axis(dense, index.astype(int), value.astype(np.float32), axis=1)
    return Codes(index, value, 50), dense


@pytest.mark.parametrize("index_type", [np.uint16, np.uint32, np.int32])
@pytest.mark.parametrize("value_type", [np.float16, np.float32])
@pytest.mark.parametrize("silent", [0, 0.4, 1])
def test_the_matrix_is_the_codes_without_zeros(index_type: type, value_type: type, silent: float) -> None:
    codes, dense = some_codes(index_type, value_type, silent=silent)
    before = codes.index.copy(), codes.value.copy()
    matrix = codes.csr()
    assert np.array_equal(matrix.toarray(), dense)
    assert matrix.nnz == (dense > 0).sum()
    assert (matrix.dtype, matrix.indices.dtype) == (np.float32, np.int32)
    matrix.sort_indices()
    assert np.array_equal(matrix.toarray(), dense)
    if not (index_type == np.int32 and silent == 0):
        assert np.array_equal(codes.index, before[0])
    assert np.array_equal(codes.value, before[1]) or (value_type == np.float32 and silent == 0)


def test_what_scipy_can_use_is_not_copied() -> None:
    codes, _ = some_codes(np.int32, np.float32, silent=0)
    matrix = codes.csr()
    assert np.shares_memory(matrix.data, codes.value)
    assert np.shares_memory(matrix.indices, codes.index)
    narrow, _ = some_codes(np.uint16, np.float32, silent=0)
    assert np.shares_memory(narrow.csr().data, narrow.value)


def test_shards_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """InterPLM takes ``step_900`` for later than ``step_20000``: names are sorted as text there."""
    run = Run(tmp_path, Config())
    run.file("positions").mkdir()
    run.file("codes", 0).mkdir(parents=True)
    np.save(run.file("codes", 0) / "n_features.npy", 4)
    for number in (100_000, 2, 99_999):
        for folder, name, array in (
            (run.file("positions"), "cell", np.full(3, number, np.int32)),
            (run.file("positions"), "gene", np.zeros(3, np.int32)),
            (run.file("codes", 0), "index", np.zeros((3, 1), np.uint16)),
            (run.file("codes", 0), "value", np.ones((3, 1), np.float16)),
        ):
            np.save(shard_path(folder, name, number), array)
    assert [int(shard.cell[0]) for shard in CodeStore(run, 0).shards()] == [2, 99_999, 100_000]
