"""The pages of an imported atlas, which lacks much and says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.atlas.published_json import DEAD, write_published
from tests.browser.browsing import Site, from_plain_files, open_page, watched

from cellprism.atlas.export import export
from cellprism.atlas.published import import_atlas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.browser

PAGES = {
    "": "parts of a run are absent",
    "/layer/0": "not an embedding",
    "/layer/1": "no null was published",
    "/feature/0/0": "The published atlas has no atoms to compare.",
    "/feature/1/0": "does not have the tests of this layer",
    f"/feature/0/{DEAD}": "A dead feature has none.",
    "/genes?gene=GENE3": "does not say how often a gene was seen",
    "/genes?gene=TP53": "TP53 is a top gene of no feature",
    "/list?genes=GENE1+GENE2+GENE3": "background is smaller than it should be",
    "/modules": "instead of testing them",
    "/flow": "no null was published",
    "/flow?from=1": "how many features go on to the next layer, not which",
    "/circuits": "has no edges between features",
    "/compare?a=run.0&b=run.1": "no null was published",
    "/layers": "not an embedding",
    "/methods": "odds ratio",
}
"""A page, and what it must say."""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("imported")
    run = import_atlas(write_published(folder / "published"), folder / "run")
    with from_plain_files(export([run], folder / "atlas")) as port:
        yield Site(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(("path", "words"), PAGES.items())
def test_every_page_says_what_it_lacks(page: Page, imported: Site, path: str, words: str) -> None:
    open_page(page, imported.at("run", path))
    expect(page.locator("main")).to_contain_text(words)
    expect(page.locator("main")).not_to_contain_text("NaN")


def test_axe_finds_nothing_serious(browser: Browser, imported: Site, axe: Callable[[Page], list[str]]) -> None:
    with watched(browser, reduced_motion="reduce") as page:
        for path in PAGES:
            open_page(page, imported.at("run", path))
            assert axe(page) == [], path
