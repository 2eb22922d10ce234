"""The pages of an imported atlas, which lacks much and says so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.atlas.published_json import DEAD, write_published
from tests.browser.browsing import PHONE, UNFIT, Site, from_plain_files, open_page, watched

from cellprism.atlas.export import export
from cellprism.atlas.published import import_atlas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.browser

REAL = (10, 11)
"""Layers of the published atlas: one with tests and one without."""
PAGES = {
    "": "parts of a run are absent",
    "/layer/0": "not an embedding",
    "/layer/1": "no null was published",
    "/feature/0/0": "The published atlas has no atoms to compare.",
    "/feature/0/1": "neutrophil",
    "/feature/1/0": "does not have the tests of this layer",
    f"/feature/0/{DEAD}": "A dead feature has none.",
    "/genes?gene=GENE3": "does not say how often a gene was seen",
    "/genes?gene=TP53": "TP53 is a top gene of no feature",
    "/list?genes=GENE1+GENE2+GENE3": "background is smaller than it should be",
    "/modules": "instead of testing them",
    "/flow": "no null was published",
    "/flow?from=1": "how many features go on to the next layer, not which",
    "/circuits": "has no edges between features",
    "/ablation": "these features fire as often only in layer 0",
    "/regulation": "only in layer 0 are just these features without a label",
    "/steering": "no such measurements",
    "/compare?a=run.0&b=run.1": "no null was published",
    "/layers": "not an embedding",
    "/methods": "odds ratio",
    "/ontology": "Ontology",
    "/cells": "which are no AUROC",
    "/data": "cellprism import-atlas",
    "/help": "How to read a number",
}
"""A page, and what it must say."""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("imported")
    run = import_atlas(write_published(folder / "published"), folder / "run")
    with from_plain_files(export([run], folder / "atlas")) as port:
        yield Site(f"http://127.0.0.1:{port}/")


@pytest.fixture(scope="module")
def real(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two layers of the published Geneformer atlas, of which one has no tests, without what joins layers."""
    source, folder = shared / "data" / "published-geneformer-atlas", tmp_path_factory.mktemp("real")
    if not source.is_dir():
        pytest.skip(f"no published atlas at {source}")
    (folder / "published").mkdir()
    kept = ("layer_", "modules", "causal_", "perturbation_")
    for path in source.iterdir():
        if not path.name.startswith(kept):
            continue
        (folder / "published" / path.name).symlink_to(path)
    summary = json.loads((source / "global_summary.json").read_text())
    summary["layers"] = [entry for entry in summary["layers"] if entry["layer"] in REAL]
    (folder / "published" / "global_summary.json").write_text(json.dumps(summary))
    run = import_atlas(folder / "published", folder / "run")
    with from_plain_files(export([run], folder / "atlas")) as port:
        yield Site(f"http://127.0.0.1:{port}/")


def test_every_page_of_the_real_atlas_opens(browser: Browser, real: Site) -> None:
    first, later = REAL
    with watched(browser) as page:
        for path in (
            "", "/layers", f"/layer/{first}", f"/layer/{later}", f"/feature/{first}/7", f"/feature/{later}/7", "/genes",
            "/genes?gene=RPL10", "/genes?gene=TP53", "/list?genes=IFIT1+IFIT3+ISG15+MX1+OAS1", "/modules", "/flow",
            "/circuits", "/ablation?all=published", "/steering", "/regulation?all=published",
            f"/compare?a=run.{first}&b=run.{later}", "/ontology", "/cells", "/data", "/methods", "/help",
        ):
            open_page(page, real.at("run", path))
            expect(page.locator("main")).not_to_contain_text("NaN")
            assert page.evaluate("document.querySelectorAll('*').length") <= 2000, path


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


def test_pages_fit_a_phone(browser: Browser, imported: Site) -> None:
    with watched(browser, viewport=PHONE) as page:
        for path in PAGES:
            open_page(page, imported.at("run", path))
            assert page.evaluate(UNFIT) == [], path
