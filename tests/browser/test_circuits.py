"""The circuits page of a run with traces: limits, paths and the code that gives the same edges."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, Route, expect
from tests.atlas.fabricated import LAYERS, write_run
from tests.browser.browsing import Site, address, from_plain_files, open_page, watched

from cellprism.atlas.export import export
from cellprism.atlas.packing import pack_json, unpack_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.browser

FIRST, LATER = LAYERS
SOURCE = 6
"""A feature with six edges."""


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("traced") / "run")


@pytest.fixture(scope="module")
def edges(traced: Path) -> pd.DataFrame:
    return pd.read_parquet(traced / "causal/00-ablation/edges.parquet")


@pytest.fixture(scope="module")
def circuits(traced: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with from_plain_files(export([traced], tmp_path_factory.mktemp("atlas") / "site")) as port:
        yield Site(f"http://127.0.0.1:{port}/")


def taken(page: Page, side: str) -> pd.DataFrame:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=f"Download the edges {side} as CSV").click()
    return pd.read_csv(waiting.value.path())


def test_limits_leave_the_edges_that_reach_them(page: Page, circuits: Site, edges: pd.DataFrame) -> None:
    own = edges[edges["source"] == SOURCE]
    open_page(page, circuits.at("run", f"/circuits?feature={FIRST}.{SOURCE}"))
    assert sorted(taken(page, "out")["target"]) == sorted(own["target"])
    expect(page.get_by_test_id("ego").locator("a .node")).to_have_count(len(own))
    slider = page.get_by_role("slider", name=re.compile("q at most"))
    slider.focus()
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(r"q=0\.00"))
    q = float(re.findall(r"[?&]q=([\d.e-]+)", address(page))[0])
    found = taken(page, "out")
    assert sorted(found["target"]) == sorted(own.loc[own["q"] <= q, "target"])
    assert 0 < len(found) < len(own)
    open_page(page, circuits.at("run", f"/circuits?feature={FIRST}.{SOURCE}&g=1.5&sign=opposes&agreement=0.75"))
    wanted = own[(own["g"].abs() >= 1.5) & (own["sign"] < 0) & (own["agreement"] >= 0.75)]
    assert sorted(taken(page, "out")["target"]) == sorted(wanted["target"])


def test_a_node_leads_to_its_own_circuit_and_back(page: Page, circuits: Site, edges: pd.DataFrame) -> None:
    target = int(edges.loc[edges["source"] == SOURCE].sort_values("g", key=abs)["target"].iloc[-1])
    open_page(page, circuits.at("run", f"/circuits?feature={FIRST}.{SOURCE}"))
    page.get_by_test_id("ego").get_by_role("link", name=f"feature {target},").click()
    expect(page).to_have_url(circuits.at("run", f"/circuits?feature={LATER}.{target}"))
    found = taken(page, "in")
    assert sorted(found["source"]) == sorted(edges.loc[edges["target"] == target, "source"])
    expect(page.locator("main")).to_contain_text(f"features of layer {LATER} were not edited")


def test_paths_are_listed(page: Page, circuits: Site, edges: pd.DataFrame) -> None:
    target = int(edges.loc[edges["source"] == SOURCE, "target"].iloc[0])
    other = int(min(set(range(70)) - set(edges.loc[edges["source"] == SOURCE, "target"])))
    open_page(page, circuits.at("run", f"/circuits?feature={FIRST}.{SOURCE}"))
    page.get_by_role("textbox", name="Layer and feature").fill(f"{LATER}.{target}")
    page.get_by_role("button", name="Find paths").click()
    expect(page.get_by_test_id("paths").get_by_role("listitem")).to_have_count(1)
    expect(page).to_have_url(re.compile(rf"to={LATER}\.{target}"))
    page.get_by_role("textbox", name="Layer and feature").fill(f"{LATER}.{other}")
    page.get_by_role("button", name="Find paths").click()
    expect(page.locator("main")).to_contain_text("No path of at most three edges")


def test_the_code_gives_the_edges(page: Page, circuits: Site) -> None:
    open_page(page, circuits.at("run", f"/circuits?feature={FIRST}.{SOURCE}&g=1"))
    found = taken(page, "out")
    page.get_by_text("Copy as Python").click()
    names: dict[str, Any] = {}
    exec(page.get_by_test_id("python").inner_text(), names)
    assert names["out"]["target"].tolist() == found["target"].tolist()
    assert names["out"]["g"].tolist() == pytest.approx(found["g"].tolist(), abs=1e-3)


def test_a_feature_page_shows_its_edges(page: Page, circuits: Site, edges: pd.DataFrame) -> None:
    open_page(page, circuits.at("run", f"/feature/{FIRST}/{SOURCE}"))
    page.get_by_role("heading", name="What it causes").scroll_into_view_if_needed()
    expect(page.locator(".few-edges li")).to_have_count(int((edges["source"] == SOURCE).sum()))
    page.get_by_role("link", name="Open its circuits").click()
    expect(page).to_have_url(circuits.at("run", f"/circuits?feature={FIRST}.{SOURCE}"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    browser: Browser, circuits: Site, axe: Callable[[Page], list[str]], scheme: str
) -> None:
    with watched(browser, color_scheme=scheme, reduced_motion="reduce", viewport={"width": 375, "height": 800}) as page:
        open_page(page, circuits.at("run", f"/circuits?feature={FIRST}.{SOURCE}&to={LATER}.1"))
        assert axe(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        assert page.evaluate("document.querySelectorAll('*').length") <= 2000


def test_the_edges_can_be_taken_whole(page: Page, circuits: Site, edges: pd.DataFrame) -> None:
    open_page(page, circuits.at("run", f"/circuits?feature={FIRST}.{SOURCE}"))
    link = page.get_by_role("link", name="Download the whole table edges as Parquet")
    assert link.get_attribute("href") == "download/run/causal/00-ablation/edges.parquet"
    with page.expect_download() as waiting:
        link.click()
    assert len(pd.read_parquet(waiting.value.path())) == len(edges)
    page.get_by_role("button", name="Source of the edges out").click()
    expect(page.get_by_test_id("source")).to_contain_text("causal/00-ablation/edges.parquet")


def test_where_no_flip_gave_an_edge_the_number_of_flips_is_said(page: Page, circuits: Site) -> None:
    """And a null without edges has no rate; both instead of shares of nothing."""

    def without_edges(route: Route) -> None:
        index = unpack_json(route.fetch().body())
        trace = index[0]["traces"][0]
        for row in trace["fdr"]:
            row.update(null_mean=0.0, fdr=0.0, fdr_low=0.0, fdr_high=0.0, n_permutations=70)
        for rate in trace["rates"]:
            if rate["rate"] == "supports":
                rate.update(null_mean=None)
        route.fulfill(body=pack_json(index))

    counts, signs, again = (
        page.locator(f"[aria-labelledby={name}] tbody tr").first.locator("td") for name in ("traces", "signs", "again")
    )
    open_page(page, circuits.at("run", "/circuits"))
    expect(counts.nth(4)).to_contain_text("to 10.0")
    expect(signs.nth(1)).to_contain_text("50.0")
    page.route("**/circuit/index.jz", without_edges)
    open_page(page, circuits.at("run", "/circuits"))
    expect(counts.nth(4)).to_have_text("none in 70 permutations")
    expect(signs.nth(1)).to_contain_text("no edge in the null")
    expect(again.nth(1)).to_contain_text("50.0")


def test_every_question_is_answered_beside_its_null(page: Page, circuits: Site, edges: pd.DataFrame) -> None:
    open_page(page, circuits.at("run", "/circuits"))

    def rows(name: str) -> list[str]:
        return page.locator(f"[aria-labelledby={name}] tbody tr").all_inner_texts()

    calibrated, half, published = rows("traces")
    assert "calibrated" in calibrated and f"{len(edges)}" in calibrated and "1.50" in calibrated
    assert "half of the cells" in half and "80" in half
    assert "published" in published and "30.0" in published and "43.0" in published
    ours, theirs = rows("signs")
    assert "60.0" in ours and "50.0" in ours and "published" not in ours
    assert "published rule" in theirs and "80.0" in theirs and "85.0" in theirs
    assert len(rows("again")) == 2
    held = f"{100 * edges['replicated'].mean():.1f}"
    expect(page.locator("[aria-labelledby=again]")).to_contain_text(held)
    assert ["10.0" in row and "0.10" in row for row in rows("depth")] == [True]
    assert ["30.0" in row and "15.0" in row for row in rows("alike")] == [True]
    random, other = rows("directions")
    assert "200" in random and "220" in random and "20 to 35" in random and "0.030" in random
    assert "190" in other and "another feature" in other
    main = page.locator("main")
    expect(main).to_contain_text("float32, low rank in bfloat16 elsewhere, which puts effects off by 0.20")
    expect(main).to_contain_text("not shown: 00-ablation-top5")
    expect(page.locator(".limits-note")).to_contain_text("of |g| and agreement alone")
    page.locator("[aria-labelledby=signs] tbody td").first.click()
    expect(page.get_by_test_id("source")).to_contain_text("causal/00-ablation/trace_rates.parquet")
    page.keyboard.press("Escape")
    page.locator("[aria-labelledby=alike] tbody td").first.click()
    expect(page.get_by_test_id("source")).to_contain_text("causal/00-ablation/trace_rates_graph.parquet")


def test_hubs_are_those_that_firing_does_not_explain(page: Page, circuits: Site, edges: pd.DataFrame) -> None:
    open_page(page, circuits.at("run", "/circuits"))
    first = page.locator("[aria-labelledby=hubs] table").first.locator("tbody tr").first
    expect(first.locator("td")).to_contain_text(["3", "2.5", "0.13", "0.0010"])
    page.get_by_label("Order by").select_option("edges")
    expect(page).to_have_url(re.compile("hubs=edges"))
    expect(first.locator("td").first).to_have_text(str(edges["source"].value_counts().max()))
    degrees = page.locator("[aria-labelledby=degrees]")
    own = edges["source"].value_counts()
    expect(degrees.locator(".chart-key b")).to_have_text(str((own == 3).sum()))
    degrees.locator("select").select_option(f"in.{LATER}")
    theirs = edges["target"].value_counts()
    expect(degrees.locator(".chart-key")).to_contain_text(f"of {len(theirs)}")
    assert degrees.locator("svg.scatter .dots").first.get_attribute("d").count("M") == (theirs != 3).sum()  # type: ignore[union-attr]
    with page.expect_download() as waiting:
        degrees.get_by_role("button", name="Download the degrees as CSV").click()
    found = pd.read_csv(waiting.value.path()).set_index("feature")
    assert found["degree"].to_dict() == theirs.to_dict()
    expect(page.locator("[aria-labelledby=firing] tbody tr")).to_contain_text(["0.70"])


def test_estimates_say_that_they_are(page: Page, circuits: Site) -> None:
    open_page(page, circuits.at("run", "/circuits"))
    expect(page.locator(".lede")).to_contain_text("taken away")
    page.get_by_label("Method").select_option(label="Ig (estimates)")
    expect(page.locator(".lede")).to_contain_text("gradients estimate")
    expect(page.locator("main")).not_to_contain_text("taken away")
    expect(page.locator(".flag").first).to_contain_text("estimates by ig")
    row = page.locator("[aria-labelledby=agreement] tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(re.compile(r"9.*0\.75.*40.*50.*100.*80.*60", re.DOTALL))
