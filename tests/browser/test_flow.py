"""The flow page: its ribbons hold the pairs of the table, and its chains lead to the features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from playwright.sync_api import Page, expect
from tests.browser.browsing import address, open_page

if TYPE_CHECKING:
    from tests.browser.browsing import Site

    from cellprism.reader import RunReader

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("site", ["plain files in a sub-path"], indirect=True)]


def pairs(page: Page) -> pd.DataFrame:
    with page.expect_download() as waiting:
        page.get_by_test_id("highways").get_by_role("button", name="CSV").click()
    return pd.read_csv(waiting.value.path())


def test_a_ribbon_shows_its_own_pairs(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    layer, later = reader.layers[1:3]
    open_page(page, site.at(run_id, f"/flow?from={layer}&to={later}"))
    strongest = reader.highways(layer)["pmi"].sort_values(ascending=False).head(200)
    assert pairs(page)["pmi"].tolist() == pytest.approx(strongest.tolist(), rel=1e-3)
    largest = page.locator(".sankey a").first
    largest.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("highways")).to_contain_text("from")
    expect(page.locator(".sankey a[aria-current=true]")).to_have_count(1)
    found = pairs(page)
    members = {at: reader.members(at).set_index("feature")["module"] for at in (layer, later)}
    table = reader.highways(layer)
    both = (table["feature"].map(members[layer]), table["partner"].map(members[later]))
    table["modules"] = list(zip(*both, strict=True))
    wanted = table[table["modules"] == table["modules"].value_counts().idxmax()]
    assert set(zip(found["feature"], found["partner"], strict=True)) == set(
        zip(wanted["feature"], wanted["partner"], strict=True))
    left = address(page)
    page.goto("about:blank")
    page.goto(left)
    pd.testing.assert_frame_equal(pairs(page), found)
    page.get_by_test_id("highways").get_by_role("row").nth(1).get_by_role("link").first.click()
    expect(page).to_have_url(site.at(run_id, f"/feature/{layer}/{found['feature'].iloc[0]}"))


def test_the_longest_chain_leads_to_its_features(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    members = reader.chain_members()
    longest = members[members["chain"] == members["chain"].value_counts().idxmax()]
    open_page(page, site.at(run_id, "/flow"))
    n_chains = (members["chain"].value_counts() > 1).sum()
    expect(page.locator("main")).to_contain_text(f"{n_chains} chains over two layers or more")
    first = page.locator(".chains li").first.get_by_role("link")
    expect(first).to_have_count(len(longest))
    first.last.click()
    expect(page.locator(".goes-on a")).to_have_count(len(longest))


def test_layers_without_highways_are_explained(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    first, *_, last = reader.layers
    open_page(page, site.at(run_id, f"/flow?from={first}&to={last}"))
    expect(page.locator("main")).to_contain_text("between a layer and the next")
    page.get_by_role("link", name=f"{first} to {reader.layers[1]}", exact=True).click()
    expect(page.get_by_test_id("highways")).to_be_visible()
