from __future__ import annotations

import pytest
from tests.atlas.published_json import N, write_published

from cellprism.atlas.published import import_atlas
from cellprism.reader import RunReader, open_run


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> RunReader:
    folder = tmp_path_factory.mktemp("published")
    return open_run(import_atlas(write_published(folder / "json"), folder / "run"))


def test_pairs_are_kept_without_made_up_tests(imported: RunReader) -> None:
    table = imported.highways(0)
    assert list(zip(table["feature"], table["partner"], strict=True)) == [(a, b) for a in (4, 2) for b in range(3)]
    assert table["pmi"].iloc[:2].tolist() == [5.0, 4.9]
    assert set(table["partner_layer"]) == {1}
    assert table[["count", "p", "q"]].isna().all(axis=None)
    assert imported.highways(1).empty
    assert imported.run.absent("highways", 1)
    assert imported.run.absent("highways", 0) is None


def test_published_shares_stand_without_a_null(imported: RunReader) -> None:
    rates = imported.rates(0).set_index("rate")
    assert rates.loc["goes_on", "value"] == 0.25
    assert rates.loc["highway_to:1", "value"] == 10 / (N - 1)
    assert rates["null_mean"].isna().all()
    assert set(rates["protocol"]) == {"published"}
    assert imported.run.absent("chains")
    assert imported.chains().empty
