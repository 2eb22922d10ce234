"""No number without an origin: on every page of a run that has every table, traces among them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.atlas.fabricated import LAYERS, NAMED, TERMS
from tests.browser.browsing import PHONE, UNFIT, open_page, watched

if TYPE_CHECKING:
    from tests.browser.browsing import Site

pytestmark = pytest.mark.browser

FIRST, LATER = LAYERS
PAGES = (
    "", "/layers", f"/layer/{FIRST}", f"/layer/{FIRST}?only=frequency:0.05..&apart=1&more=1", f"/feature/{FIRST}/6",
    f"/feature/{LATER}/69", f"/genes?gene={NAMED[0]}", f"/list?genes={'+'.join(NAMED)}", "/modules", "/flow",
    f"/circuits?feature={FIRST}.6&to={LATER}.1", f"/compare?a=run.{FIRST}&b=run.{LATER}",
    f"/compare?a=run.{FIRST}&b=other.{FIRST}", "/ablation?published=1&combination=3", f"/feature/{FIRST}/11",
    f"/ontology?{urlencode({'term': '|'.join(TERMS[1])})}", "/cells?key=cell+type&group=T+cell",
    "/steering", f"/steering?layer={LATER}&readout=fate&alpha=2", "/regulation?gene=LYZ", f"/feature/{LATER}/7",
)
COMMANDS = {
    "causal/00": "cellprism trace RUN --source 0 --cells 40 --seed 7",
    "causal/s": "cellprism steer RUN --layer",
    "regulation/": "cellprism perturb RUN screen.h5ad --layer 2",
    "causal/": "cellprism (patch|interact|damage) RUN --layers? [02]",
}
"""Beginning of a file and the command that wrote it."""
BARE = """() => [...document.querySelectorAll("main .num")]
  .filter((e) => /^[\\d−.<> ×%,]*\\d/.test(e.textContent.trim()) && !e.querySelector("[data-from], a, .num") &&
    !e.closest("[data-from], a, button, label, select, summary, svg, code, .legend, .mini, .finding, thead, " +
      ".virtual-head"))
  .map((e) => `${e.tagName} ${e.className}: ${e.textContent.trim()} in ${e.parentElement.textContent.slice(0, 80)}`)"""
"""Numbers that a click would tell nothing about."""
ORIGINS = """(all) => {
  const found = all.map((e) => [e.dataset.from, e.closest("[data-within]")?.dataset.within ?? ""]);
  return [...new Map(found.map((origin) => [origin.join(" "), origin])).values()];
}"""
"""The different origins of numbers: table and column, and folder."""


@pytest.mark.parametrize("path", PAGES)
def test_every_number_tells_where_it_comes_from(page: Page, whole: Site, path: str) -> None:
    open_page(page, whole.at("run", path))
    page.mouse.wheel(0, 20_000)
    assert page.evaluate(BARE) == []
    origins = page.locator("[data-from]").evaluate_all(ORIGINS)
    assert origins or path == "/layers"
    for name, within in origins:
        own = f"[data-from='{name}']"
        inside = f"[data-within='{within}'] {own}, {own}[data-within='{within}']" if within else own
        page.locator(inside).first.evaluate("(e) => e.dispatchEvent(new MouseEvent('click', { bubbles: true }))")
        card = page.get_by_test_id("source")
        expect(card, f"{name} on {path}").to_contain_text("SHA-256")
        if within:
            expect(card).to_contain_text(within)
            command = next(command for start, command in COMMANDS.items() if within.startswith(start))
            expect(card).to_contain_text(re.compile(command))
        page.keyboard.press("Escape")


def test_pages_fit_a_phone(browser: Browser, whole: Site) -> None:
    with watched(browser, viewport=PHONE) as page:
        for path in PAGES:
            open_page(page, whole.at("run", path))
            page.mouse.wheel(0, 20_000)
            assert page.evaluate(UNFIT) == [], path


def test_a_number_of_another_run_is_told_from_that_run(page: Page, whole: Site) -> None:
    open_page(page, whole.at("run", f"/compare?a=run.{FIRST}&b=other.{FIRST}"))
    page.get_by_role("region", name="The right side").locator("td[data-from='features.dead']").click()
    link = page.get_by_test_id("source").locator("a[href$='features.parquet']")
    expect(link).to_have_attribute("href", f"download/other/layers/{FIRST:02d}/features.parquet")
