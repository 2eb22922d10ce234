"""The compare page: what it matches is what its own Python cell finds with scipy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page, expect
from tests.browser.browsing import open_page

if TYPE_CHECKING:
    from tests.browser.browsing import Site

    from cellprism.reader import RunReader

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("site", ["plain files in a sub-path"], indirect=True)]


def test_matches_are_those_of_scipy(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    first, second = reader.layers[:2]
    open_page(page, site.at(run_id, f"/compare?a={run_id}.{first}&b={run_id}.{second}"))
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download the matched features as CSV").click()
    found = pd.read_csv(waiting.value.path(), float_precision="round_trip")
    page.get_by_text("Copy as Python").click()
    names: dict[str, Any] = {}
    exec(page.get_by_test_id("python").inner_text(), names)
    wanted = names["matches"]
    assert len(found) == len(wanted) > 20
    for name in ("feature_a", "feature_b", "overlap"):
        assert found[name].tolist() == wanted[name].tolist()
    for name in ("p", "q"):
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-7)
    tiles = page.locator(".tiles")
    expect(tiles).to_contain_text(f"{len(found)}")
    expect(tiles).to_contain_text("95 % of 20 shuffles at most")
    null = int(re.findall(r"shuffles at most (\d+)", tiles.inner_text())[0])
    assert null < len(found) / 10


def test_a_layer_beside_itself_matches_itself(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    layer = reader.layers[0]
    open_page(page, site.at(run_id, f"/compare?a={run_id}.{layer}&b={run_id}.{layer}"))
    expect(page.locator("main")).to_contain_text("same layer of the same run")
    page.get_by_role("combobox", name="Layer on the right").select_option(str(reader.layers[1]))
    expect(page).to_have_url(re.compile(rf"b={run_id}\.{reader.layers[1]}"))
    expect(page.get_by_role("region", name="The right side")).to_contain_text(f"Layer {reader.layers[1]}")
