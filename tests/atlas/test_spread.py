from __future__ import annotations

import pytest

from cellprism.atlas.spread import FEWEST, MOST, ROWS, file_name, spread


@pytest.mark.parametrize(("rows", "files"), [
    (0, FEWEST), (FEWEST * ROWS, FEWEST), (FEWEST * ROWS + 1, 2 * FEWEST), (10**9, MOST),
])
def test_files_grow_in_number_and_not_in_size(rows: int, files: int) -> None:
    records = {number: [number] for number in range(5000)}
    found = spread(records, rows)
    assert len(found) == files
    assert {int(name): record for part in found for name, record in part.items()} == records
    for number in (0, 255, 4999):
        assert file_name("gene", number, files) == f"gene/{number % files:02x}.jz"
        assert found[number % files][str(number)] == [number]
