"""A run with as many genes as the models know: the page of a gene comes before what only a search needs."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, Response, expect
from tests.atlas.fabricated import write_run
from tests.browser.browsing import Site, from_plain_files, open_page

from cellprism.atlas.export import export
from cellprism.atlas.packing import pack_json, unpack_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.browser

N_GENES = 19_000
BUDGET = 160_000
ELSEWHERE = 30_000
"""Bytes by which the terms and the summary of a large run exceed those of this one."""


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    return export([write_run(folder / "run", traced=False, n_genes=N_GENES)], folder / "atlas")


@pytest.fixture(scope="module")
def many(atlas: Path) -> Iterator[Site]:
    with from_plain_files(atlas) as port:
        yield Site(f"http://127.0.0.1:{port}/")


def test_the_first_view_of_a_gene_is_light(page: Page, many: Site) -> None:
    answers: list[Response] = []
    page.on("response", lambda r, answers=answers: answers.append(r))
    open_page(page, many.at("run", "/genes?gene=CD3D"))
    expect(page.locator("main")).to_contain_text("ENSG00000000000 · seen at")
    bodies = {answer.url: answer.body() for answer in answers}
    sent = sum(len(body) if body[:2] == b"\x1f\x8b" else len(gzip.compress(body)) for body in bodies.values())
    assert any(url.endswith("dict/symbols.jz") for url in bodies)
    assert not any(url.endswith("dict/genes.jz") for url in bodies)
    assert 60_000 < sent <= BUDGET - ELSEWHERE


def test_identifiers_come_when_they_are_looked_for(page: Page, many: Site) -> None:
    open_page(page, many.at("run", "/genes?gene=ENSG00000000001"))
    expect(page.get_by_role("heading", name="MS4A1")).to_be_visible()
    open_page(page, many.at("run", "/genes"))
    page.get_by_test_id("gene-search").fill("ENSG00000000002")
    expect(page.get_by_role("option").first).to_contain_text("GNLY")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="GNLY")).to_be_visible()
    expect(page.locator("main")).to_contain_text("ENSG00000000002 · seen at")


def test_an_atlas_without_the_file_of_symbols_is_searched(page: Page, many: Site, atlas: Path) -> None:
    """As older versions wrote it: one dictionary of genes, and nothing about them beside their features."""
    folder = atlas / "runs" / "run"
    before = {path: path.read_bytes() for path in (folder / "summary.jz", *(folder / "gene").iterdir())}
    for path, data in before.items():
        path.write_bytes(_older(data))
    try:
        open_page(page, many.at("run", "/genes?gene=CD3D"))
        expect(page.locator("main")).to_contain_text("ENSG00000000000 · seen at")
    finally:
        for path, data in before.items():
            path.write_bytes(data)


def _older(data: bytes) -> bytes:
    content = unpack_json(data)
    content.get("files", {}).pop("symbols", None)
    if "files" not in content:
        content.pop("genes")
    return pack_json(content)
