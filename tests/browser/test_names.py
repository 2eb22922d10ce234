"""Any name of a gene leads to it, and a name that leads nowhere is explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect
from tests.browser.browsing import open_page

if TYPE_CHECKING:
    from tests.browser.browsing import Site

pytestmark = pytest.mark.browser


def test_another_name_leads_to_the_gene(page: Page, whole: Site) -> None:
    open_page(page, whole.at("run", "/genes"))
    page.get_by_test_id("gene-search").fill("cd20")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("cd20 means MS4A1: other name")
    expect(page.get_by_role("heading", name="MS4A1")).to_be_visible()
    expect(page.locator(".gene-hits [role=table]")).to_be_visible()


@pytest.mark.parametrize(("name", "words"), [
    ("p53", "p53 is a name of TP53 (other name)"), ("TP53", "TP53 is the symbol of a gene."),
    ("NOSUCHGENE", "NOSUCHGENE is not among the 300 genes"),
])
def test_a_name_that_leads_nowhere_is_explained(page: Page, whole: Site, name: str, words: str) -> None:
    open_page(page, whole.at("run", f"/genes?gene={name}"))
    expect(page.get_by_role("status").first).to_contain_text(words)
    expect(page.get_by_role("status").first).to_contain_text("no feature can be a feature of it")


def test_a_gene_list_is_read_by_other_names_too(page: Page, whole: Site) -> None:
    open_page(page, whole.at("run", "/list?genes=CD20+granulysin+p53+GENE1+GENE2+GENE3"))
    own = page.get_by_role("region", name="Ranked features of Fabricated")
    expect(own).to_contain_text("Read as: CD20 as MS4A1, granulysin as GNLY")
    expect(own.get_by_test_id("unknown-genes")).to_contain_text("p53")
    expect(own.get_by_test_id("ranked")).to_be_visible()


def test_an_unstable_feature_is_flagged(page: Page, whole: Site) -> None:
    """Of three other seeds one has feature 5's atom, two have feature 6's."""
    open_page(page, whole.at("run", "/feature/0/5"))
    expect(page.locator("main header")).to_contain_text("unstable: another seed finds this atom again in 33 %")
    open_page(page, whole.at("run", "/feature/0/6"))
    expect(page.locator("main header")).not_to_contain_text("unstable")
    expect(page.get_by_role("region", name="More about it")).to_contain_text("the same atom in 67 % of 3")
