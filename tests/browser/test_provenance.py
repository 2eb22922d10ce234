"""Every number says where it comes from, and what a reader notes is kept and can be merged into the run."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect
from tests.browser.browsing import open_page

from cellprism.atlas.export import export
from cellprism.atlas.files import Atlas
from cellprism.atlas.remarks import merge_remarks

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.browsing import Site

    from cellprism.reader import RunReader

pytestmark = pytest.mark.browser

one_host = pytest.mark.parametrize("site", ["plain files in a sub-path"], indirect=True)


def place(reader: RunReader) -> tuple[int, int]:
    first = reader.findings().iloc[0]
    return int(first["layer"]), int(first["feature"])


def test_a_click_on_a_number_tells_its_table(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    layer, feature = place(reader)
    open_page(page, site.at(run_id, f"/feature/{layer}/{feature}"))
    card = page.get_by_test_id("source")
    page.locator("td[data-from='annotations.q']").first.click()
    expect(card).to_contain_text("Benjamini-Hochberg adjusted p")
    file = f"layers/{layer:02d}/annotations.parquet"
    digest = hashlib.sha256((reader.path / file).read_bytes()).hexdigest()
    for words in (file, digest, f"annotate.{layer:02d}", "cellprism run run.yaml", "seed", "protocol"):
        expect(card).to_contain_text(words)
    page.keyboard.press("Escape")
    expect(card).to_have_count(0)
    rate = page.locator("button[data-from='rates.value']").first
    rate.focus()
    page.keyboard.press("Enter")
    expect(card).to_contain_text(f"layers/{layer:02d}/rates_annotation.parquet")
    expect(card).to_contain_text(reader.rates(layer).query("rate == 'annotated'")["null"].iloc[0])
    page.keyboard.press("Escape")
    expect(rate).to_be_focused()
    page.get_by_role("button", name="Source of the top genes").click()
    expect(card).to_contain_text("one-sided lower 95 % confidence bound")


@one_host
def test_every_number_names_a_table_that_is_there(page: Page, site: Site, run_id: str, pages: dict[str, str]) -> None:
    seen = 0
    for name, path in pages.items():
        open_page(page, site.at(run_id, path))
        kinds = page.locator("[data-from]").evaluate_all(
            "(all) => [...new Map(all.map((e) => [e.dataset.from, e])).values()].map((e) => e.dataset.from)")
        for kind in kinds:
            page.locator(f"[data-from='{kind}']").first.evaluate(
                "(e) => e.dispatchEvent(new MouseEvent('click', { bubbles: true }))")
            card = page.get_by_test_id("source")
            expect(card, f"{kind} on {name}").to_contain_text("SHA-256")
            column = kind.partition(".")[2]
            expect(card.locator("p").first, f"{kind} on {name}").to_contain_text(column or "Every number")
            page.keyboard.press("Escape")
            seen += 1
    assert seen > 30


@one_host
def test_notes_are_kept_saved_and_merged(
    page: Page, site: Site, run_id: str, reader: RunReader, tmp_path: Path
) -> None:
    layer, feature = place(reader)
    open_page(page, site.at(run_id, f"/feature/{layer}/{feature}"))
    page.get_by_label("Your label").fill("cytotoxic <granules>")
    page.get_by_label("Your note").fill("check with PRF1")
    page.get_by_label("Your name").fill("A. Reader")
    page.get_by_role("button", name="Keep").click()
    expect(page.locator(".own-label")).to_contain_text("cytotoxic <granules>")
    open_page(page, site.at(run_id, "/data"))
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save 1 note as JSON").click()
    saved = tmp_path / "notes.json"
    shutil.copy(waiting.value.path(), saved)
    assert json.loads(saved.read_text())["remarks"][0]["note"] == "check with PRF1"
    page.get_by_role("button", name="Remove the note").click()
    expect(page.get_by_test_id("remarks")).to_contain_text("no notes on this run")
    page.locator("input[type=file]").set_input_files(saved)
    expect(page.get_by_test_id("remarks")).to_contain_text("1 note read from notes.json")
    expect(page.get_by_test_id("remarks")).to_contain_text("cytotoxic <granules>")
    run = shutil.copytree(reader.path, tmp_path / "run", ignore=shutil.ignore_patterns("codes", "positions", ".cache"))
    assert merge_remarks(run, [saved]) == 1
    record = Atlas(export([run], tmp_path / "atlas")).run("run").feature(layer, feature)
    assert [(r["label"], r["note"], r["author"]) for r in record["remarks"]] == [
        ("cytotoxic <granules>", "check with PRF1", "A. Reader")]


def test_the_api_is_described_where_there_is_one(page: Page, site: Site, run_id: str) -> None:
    open_page(page, site.at(run_id, "/data"))
    if "/some/where/" in site.url:
        expect(page.locator("main")).to_contain_text("plain files, so nobody answers questions")
        return
    endpoints = page.get_by_test_id("endpoints")
    expect(endpoints).to_contain_text("/api/runs/{run}/genes/{symbol}")
    endpoints.get_by_text("/api/runs/{run}/genes/{symbol}").click()
    expect(endpoints).to_contain_text("n_seen")


@one_host
def test_stories_lead_to_what_they_tell(page: Page, site: Site, run_id: str) -> None:
    open_page(page, site.at(run_id))
    cards = page.get_by_test_id("stories").locator("article")
    assert 5 <= cards.count() <= 8
    for link in cards.locator("h3 a").evaluate_all("(all) => all.map((a) => a.href)"):
        open_page(page, link)
        expect(page.locator("main")).not_to_contain_text("No such")


@one_host
def test_keys_lead_to_pages(page: Page, site: Site, run_id: str) -> None:
    open_page(page, site.at(run_id))
    for key, heading in (("t", "Ontology"), ("g", "Genes"), ("?", "Help")):
        page.keyboard.press(key)
        expect(page.locator("h1")).to_have_text(heading)
    page.keyboard.press("g")
    box = page.get_by_test_id("gene-search")
    box.focus()
    page.keyboard.type("t")
    expect(page.locator("h1")).to_have_text("Genes")


def test_a_gene_set_that_nobody_carries_is_explained(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    open_page(page, site.at(run_id, "/ontology"))
    page.get_by_test_id("term-search").fill("photosynthesis")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("No gene set with “photosynthesis”")
    label = reader.findings().iloc[0]["label"]
    page.get_by_test_id("term-search").fill(label.lower())
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("term-features")).to_be_visible()
