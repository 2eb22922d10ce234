"""What a reader does, in a real browser, on the demo's atlas as plain files and from our server."""

from __future__ import annotations

import gzip
import json
import re
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, Playwright, Response, expect
from tests.browser.browsing import FLAGS, PHONE, UNFIT, Site, open_page, watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from cellprism.reader import RunReader

pytestmark = pytest.mark.browser

one_host = pytest.mark.parametrize("site", ["plain files in a sub-path"], indirect=True)
"""For what cannot depend on the host."""

COLOURS = """async (canvas) => {
    const copy = document.createElement("canvas");
    [copy.width, copy.height] = [canvas.width, canvas.height];
    const context = copy.getContext("2d");
    context.drawImage(canvas, 0, 0);
    const counts = new Map();
    for (const pixel of new Uint32Array(context.getImageData(0, 0, copy.width, copy.height).data.buffer)) {
        counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
    }
    return [...counts.values()];
}"""
"""How many pixels of a canvas have each colour."""


def open_map(page: Page, site: Site, run_id: str, layer: int) -> dict[str, int]:
    """Open a layer; give the feature and place of a dot."""
    open_page(page, site.at(run_id, f"/layer/{layer}"))
    canvas = page.get_by_test_id("map")
    expect(canvas).to_have_attribute("data-sample", re.compile("feature"))
    sample: dict[str, int] = json.loads(canvas.get_attribute("data-sample") or "")
    return sample


def assert_drawn(page: Page) -> None:
    counts = page.get_by_test_id("map").evaluate(COLOURS)
    assert len(counts) >= 3, "a background and dots of several colours"
    assert 0.005 < 1 - max(counts) / sum(counts) < 0.9


def test_the_overview_leads_to_the_findings(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    open_page(page, site.url)
    expect(page.locator("main h1")).to_have_text(reader.config.title)
    expect(page).to_have_url(site.at(run_id))
    first = reader.findings().iloc[0]
    findings = page.get_by_test_id("findings")
    link = findings.locator(f"a[href$='/feature/{first['layer']}/{first['feature']}']").first
    expect(findings).to_contain_text(first["genes"][0])
    link.click()
    expect(page).to_have_url(site.at(run_id, f"/feature/{first['layer']}/{first['feature']}"))
    expect(page.locator("main")).to_contain_text(first["label"])


def test_a_dot_leads_to_its_feature(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    layer = reader.layers[-1]
    open_page(page, site.url)
    page.locator(f".minis a[href='#/{run_id}/layer/{reader.layers[0]}']").click()
    expect(page.get_by_test_id("map")).to_have_attribute("data-points", re.compile(r"\d+"))
    sample = open_map(page, site, run_id, layer)
    canvas = page.get_by_test_id("map")
    features = reader.features(layer)
    assert canvas.get_attribute("data-points") == str((~features["dead"]).sum())
    assert_drawn(page)
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + sample["x"], box["y"] + sample["y"])
    expect(page).to_have_url(site.at(run_id, f"/feature/{layer}/{sample['feature']}"))
    main = page.locator("main")
    expect(main.locator("h1")).to_be_visible()
    for symbol in reader.top_genes(layer).query("feature == @sample['feature']").sort_values("rank")["symbol"].head(3):
        expect(main).to_contain_text(symbol)
    label = features.set_index("feature").loc[sample["feature"], "label"]
    expect(main).to_contain_text("annotated" if pd.isna(label) else label)


def test_the_dots_lie_where_the_table_says(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    """Hovering a dot names a feature; going from a left one to a right one agrees with their coordinates."""
    layer = reader.layers[0]
    sample = open_map(page, site, run_id, layer)
    canvas = page.get_by_test_id("map")
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + sample["x"], box["y"] + sample["y"])
    expect(page).to_have_url(re.compile(rf"feature/{layer}/{sample['feature']}$"))
    table = reader.features(layer).query("~dead").set_index("feature")
    share = (sample["x"] / box["width"], sample["y"] / box["height"])
    own = table.loc[sample["feature"]]
    for value, column, seen in ((own["x"], table["x"], share[0]), (own["y"], table["y"], 1 - share[1])):
        middle = (column.min() + column.max()) / 2
        if abs(seen - 0.5) > 0.1:
            assert (value > middle) == (seen > 0.5)


def test_the_map_can_be_used_with_keys(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    layer = reader.layers[0]
    open_map(page, site, run_id, layer)
    page.get_by_test_id("map").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(page.locator("[aria-live=polite]").filter(has_text="Feature")).to_contain_text(re.compile(r"Feature \d+"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"#/{run_id}/feature/{layer}/\d+$"))


def test_a_gene_is_found(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    symbol = reader.findings().iloc[0]["genes"][0]
    tables = {layer: reader.top_genes(layer) for layer in reader.layers}
    rows = [(layer, row.feature) for layer, top in tables.items()
            for row in top[top["symbol"] == symbol].itertuples()]
    open_page(page, site.at(run_id, "/genes"))
    box = page.get_by_test_id("gene-search")
    box.fill(symbol.lower())
    expect(page.get_by_role("option").first).to_contain_text(symbol)
    page.keyboard.press("Enter")
    main = page.locator("main")
    expect(main).to_contain_text(re.compile(rf"top gene of\s+{len(rows)} features?"))
    layer, feature = rows[0]
    main.locator(f"a[href$='/feature/{layer}/{feature}']").first.click()
    expect(page).to_have_url(site.at(run_id, f"/feature/{layer}/{feature}"))
    expect(page.locator("main")).to_contain_text(symbol)


def test_an_unknown_gene_is_explained(page: Page, site: Site, run_id: str) -> None:
    open_page(page, site.at(run_id, "/genes"))
    page.get_by_test_id("gene-search").fill("NOSUCHGENE")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("NOSUCHGENE is not among")


def test_every_page_is_small(browser: Browser, site: Site, run_id: str, pages: dict[str, str]) -> None:
    """DOM nodes and the JavaScript and CSS that a reader waits for, whatever page is opened first."""
    for name, path in pages.items():
        with watched(browser) as page:
            code: list[Response] = []
            page.on("response", lambda r, code=code: code.append(r) if r.url.endswith((".js", ".css")) else None)
            open_page(page, site.at(run_id, path))
            nodes = page.evaluate("document.querySelectorAll('*').length")
            sizes = [len(gzip.compress(response.body())) for response in code]
        assert nodes <= 2000, f"{name} has {nodes} nodes"
        assert 5_000 < sum(sizes) <= 90_000, f"{name} loads {sum(sizes)} bytes of code"


@one_host
def test_first_views_are_light(browser: Browser, site: Site, run_id: str, pages: dict[str, str]) -> None:
    """Everything that comes over the wire until a page is at rest, compressed as hosts do."""
    budgets = {"overview": 130_000, "layer": 180_000, "labelled feature": 170_000, "gene": 160_000}
    for name, budget in budgets.items():
        with watched(browser) as page:
            answers: list[Response] = []
            page.on("response", lambda r, answers=answers: answers.append(r))
            open_page(page, site.at(run_id, pages[name]))
            bodies = [answer.body() for answer in answers]
        sent = sum(len(body) if body[:2] == b"\x1f\x8b" else len(gzip.compress(body)) for body in bodies)
        assert 20_000 < sent <= budget, f"{name} sends {sent} bytes"


@one_host
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    browser: Browser, site: Site, run_id: str, pages: dict[str, str], axe: Callable[[Page], list[str]], scheme: str
) -> None:
    with watched(browser, color_scheme=scheme, reduced_motion="reduce") as page:
        for name, path in pages.items():
            open_page(page, site.at(run_id, path))
            assert axe(page) == [], name


@one_host
def test_pages_fit_a_phone(browser: Browser, site: Site, run_id: str, pages: dict[str, str]) -> None:
    with watched(browser, viewport=PHONE) as page:
        for name, path in pages.items():
            open_page(page, site.at(run_id, path))
            assert page.evaluate(UNFIT) == [], name


@one_host
def test_on_a_phone_the_pages_are_behind_a_button(browser: Browser, site: Site, run_id: str) -> None:
    with watched(browser, viewport={"width": 390, "height": 844}) as page:
        open_page(page, site.at(run_id))
        pages = page.get_by_role("navigation", name="Pages")
        button = page.get_by_role("button", name="Pages")
        expect(pages).to_be_hidden()
        button.click()
        expect(pages).to_be_visible()
        page.keyboard.press("Escape")
        expect(pages).to_be_hidden()
        button.click()
        pages.get_by_role("link", name="Genes").click()
        expect(page).to_have_url(site.at(run_id, "/genes"))
        expect(pages).to_be_hidden()


@one_host
def test_the_overview_begins_with_a_named_map(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    open_page(page, site.at(run_id))
    hero = page.locator(".hero-map")
    names = hero.locator(".map-over text")
    for layer in reader.layers[:2]:
        hero.get_by_role("button", name=f"Show layer {layer}").click()
        expect(hero.locator("h2")).to_contain_text(f"Layer {layer}")
        surest = reader.features(layer).dropna(subset="label").sort_values(["label_q", "feature"])["label"].iloc[0]
        expect(names.first).to_have_text(surest.split(": ")[-1])
        assert names.count() >= 4
    hero.get_by_role("link", name="Explore it").click()
    expect(page).to_have_url(site.at(run_id, f"/layer/{reader.layers[1]}"))


@one_host
def test_no_page_needs_webgl(
    playwright: Playwright, chromium: str, site: Site, run_id: str, pages: dict[str, str]
) -> None:
    browser = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, "--disable-3d-apis"])
    with watched(browser) as page:
        open_map(page, site, run_id, 0)
        assert page.evaluate("document.createElement('canvas').getContext('webgl2')") is None
        assert_drawn(page)
        for path in pages.values():
            open_page(page, site.at(run_id, path))
    browser.close()


def test_an_address_that_names_nothing_is_explained(page: Page, site: Site, run_id: str) -> None:
    for path in ("/layer/99", "/feature/0/999999", "/nowhere"):
        page.goto("about:blank")
        page.goto(site.at(run_id, path))
        expect(page.locator("main")).to_contain_text(re.compile("no |not |does not", re.IGNORECASE))
