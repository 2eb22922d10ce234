from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cellprism.runs.files import atomic_path, remove_leftovers, sha256, size, write_array, write_json

if TYPE_CHECKING:
    from pathlib import Path


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "table"
    target.write_text("old")

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            msg = "stop"
            raise RuntimeError(msg)

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_leftovers_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".x.npy.99.tmp").write_text("half")
    write_array(tmp_path / "a" / "x.npy", np.arange(3))
    remove_leftovers(tmp_path)
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["x.npy"]


def test_a_directory_hash_sees_names_and_contents(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        write_json(folder / "a.json", {"x": 1})
    assert sha256(one) == sha256(two)
    (two / "a.json").rename(two / "b.json")
    assert sha256(one) != sha256(two)
    assert size(one) == (one / "a.json").stat().st_size
