"""The page about features taken away: its pictures, tables and addresses, on a run that has such tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.atlas.fabricated import write_run
from tests.atlas.fabricated_ablation import NAME
from tests.browser.browsing import Site, from_our_server, from_plain_files, open_page, watched

import cellprism as cp
from cellprism.atlas.export import export

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cellprism.reader import RunReader

pytestmark = pytest.mark.browser

one_host = pytest.mark.parametrize("lost", ["plain files"], indirect=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An atlas of two runs: one in which features were taken away, one that was not edited."""
    folder = tmp_path_factory.mktemp("lost")
    runs = [write_run(folder / "run"), write_run(folder / "bare", title="Bare", traced=False)]
    return export(runs, folder / "atlas")


@pytest.fixture(scope="module")
def own(made: Path) -> RunReader:
    return cp.open_run(made.parent / "run")


@pytest.fixture(scope="module", params=["plain files", "our server"])
def lost(request: pytest.FixtureRequest, made: Path) -> Iterator[Site]:
    host = from_plain_files if request.param == "plain files" else from_our_server
    with host(made) as port:
        yield Site(f"http://127.0.0.1:{port}/")


def taken(page: Page, what: str, *, within: str = "main") -> pd.DataFrame:
    with page.expect_download() as waiting:
        page.locator(within).get_by_role("button", name=f"Download {what} as CSV", exact=True).click()
    return pd.read_csv(waiting.value.path(), float_precision="round_trip")


def _targets(own: RunReader, combination: int) -> pd.DataFrame:
    """Smallest q first, of equal ones the largest contrast."""
    tests = own.interactions(NAME).query("combination == @combination")
    size = tests["contrast"].abs()
    return tests.assign(size=size).sort_values(["q", "size"], ascending=[True, False])


def test_every_table_is_that_of_the_run_and_of_its_code(page: Page, lost: Site, own: RunReader) -> None:
    open_page(page, lost.at("run", "/ablation?patch=2&scheme=random&combination=6&damage=2"))
    page.get_by_text("Copy as Python").click()
    names: dict[str, Any] = {}
    exec(page.get_by_test_id("python").inner_text(), names)
    combinations = own.combinations(NAME).query("scheme == 'random'")
    for what, name, wanted in (
        ("the patched features", "patching", own.patching(2)),
        ("the combinations", "combinations", combinations),
        ("these targets", "targets", _targets(own, 6)),
        ("the comparison of damage", "arms", own.damage_arms(2)),
        ("the damage by feature", "damage", own.damage(2)),
    ):
        found = taken(page, what)
        assert len(found) == len(wanted) == len(names[name]) > 0, what
        for column in found.columns:
            if found[column].dtype.kind == "f":
                np.testing.assert_allclose(found[column], wanted[column].astype(float), rtol=1e-4)
                np.testing.assert_allclose(found[column], names[name][column].astype(float), rtol=1e-4)
            else:
                assert found[column].tolist() == wanted[column].tolist() == names[name][column].tolist()
    pd.testing.assert_frame_equal(names["rates"], own.causal_rates())


@one_host
def test_features_are_shown_beside_a_random_direction(page: Page, lost: Site, own: RunReader) -> None:
    open_page(page, lost.at("run", "/ablation"))
    table = own.patching(0)
    n = int(((table["q"] < 0.05) & (table["effect"] < 0)).sum())
    expect(page.locator("main")).to_contain_text(f"{n} of 50 tested features")
    forest = page.get_by_role("group", name="What becomes of hidden genes")
    expect(forest.locator("a.forest-row")).to_have_count(20)
    expect(forest.locator(".control")).to_have_count(20)
    page.get_by_role("button", name="Show all 50").click()
    expect(forest.locator("a.forest-row")).to_have_count(50)
    expect(forest.locator(".unsure-row")).to_have_count(int((table["q"] >= 0.05).sum()))
    expect(page).to_have_url(re.compile("all=patched"))
    page.get_by_role("navigation", name="Layers with patched features").get_by_role("link", name="Layer 2").click()
    expect(page).to_have_url(re.compile("patch=2"))
    first = own.patching(2).sort_values("effect").iloc[0]
    page.get_by_test_id("patched").get_by_role("button", name="Effect").click()
    expect(page).to_have_url(re.compile("by=effect"))
    link = page.get_by_test_id("patched").get_by_role("row").nth(1).get_by_role("link")
    expect(link).to_have_text(f"2·{first['feature']}")
    link.click()
    section = page.get_by_role("region", name="Carries its term?")
    expect(section).to_contain_text(first["term"])
    expect(section).to_contain_text(f"{first['n_genes']} hidden genes")
    section.get_by_role("link", name="Beside other features").click()
    expect(page).to_have_url(re.compile(r"/ablation\?patch=2"))


@one_host
def test_the_published_ratio_is_shown_on_demand_with_why_it_is_not_trusted(page: Page, lost: Site) -> None:
    open_page(page, lost.at("run", "/ablation"))
    patched = page.get_by_test_id("patched")
    expect(patched.get_by_role("columnheader", name="Ratio")).to_have_count(0)
    page.get_by_text("The published ratio, and why it is not trusted").click()
    expect(page).to_have_url(re.compile("published=1"))
    expect(patched.get_by_role("columnheader", name="Ratio")).to_have_count(1)
    section = page.get_by_test_id("published")
    expect(section).to_contain_text(re.compile(r"90\s% of the features are specific, and 95\s% of random directions"))
    open_page(page, lost.at("run", "/ablation?published=1"))
    assert section.locator("path.dots").first.get_attribute("d").count("M") == 50  # type: ignore[union-attr]


@one_host
def test_a_combination_lists_its_interactions(page: Page, lost: Site, own: RunReader) -> None:
    open_page(page, lost.at("run", "/ablation"))
    forest = page.get_by_role("group", name="How much of the summed effects")
    expect(forest.locator("a.forest-row")).to_have_count(9)
    rows = own.combinations(NAME)
    for i in (5, 8):
        row = rows.loc[i]
        forest.locator("a.forest-row").nth(i).click()
        expect(page).to_have_url(re.compile(f"combination={i}"))
        chosen = page.get_by_test_id("combination")
        expect(chosen).to_contain_text(f"{row['interactions']} of {row['live']} live targets interact")
        expect(chosen.get_by_role("heading")).to_have_text(
            " + ".join(f"0·{int(row[f'feature_{part}'])}" for part in "abc" if pd.notna(row[f"feature_{part}"])))
        targets = page.get_by_test_id("targets")
        if row["live"]:
            best = own.interactions(NAME).query("combination == @i").sort_values("q").iloc[0]
            expect(targets.get_by_role("row").nth(1)).to_contain_text(f"2·{int(best['target'])}")
            marked = chosen.locator("path.marked-dots").get_attribute("d") or ""
            assert marked.count("M") == row["interactions"]
        else:
            expect(targets).to_contain_text("No target changes without these features.")
    page.get_by_label("Drawn").select_option("same term")
    expect(page).to_have_url(re.compile("scheme=same"))
    expect(forest.locator("a.forest-row")).to_have_count(3)


@one_host
def test_damage_names_both_p_values(page: Page, lost: Site, own: RunReader) -> None:
    open_page(page, lost.at("run", "/ablation?damage=2"))
    table = page.get_by_role("table").filter(has_text="p over features")
    for name in ("p over cells", "p over features", "Interval"):
        expect(table.get_by_role("columnheader", name=name)).to_have_count(1)
    row = table.get_by_role("row").nth(2)
    expect(row).to_contain_text("random")
    expect(row.locator("[data-from='damage_arms.p']")).to_have_text("0.040")
    expect(row.locator("[data-from='damage_arms.p_features']")).to_have_text("0.60")
    row.locator("[data-from='damage_arms.p_features']").click()
    card = page.get_by_test_id("source")
    expect(card).to_contain_text("causal/damage_arms_02.parquet")
    expect(card).to_contain_text("cellprism damage RUN --layer 2 --features top:6 --cells 40")
    expect(card.locator("div:has(> dt:text-is('seed')) dd")).to_have_text("7")
    open_page(page, lost.at("run", "/feature/0/11"))
    section = page.get_by_role("region", name="Carries its term?")
    expect(section.get_by_role("listitem")).to_have_count(2)
    open_page(page, lost.at("run", "/feature/0/60"))
    expect(page.get_by_role("region", name="Carries its term?")).to_have_count(0)


def test_a_run_without_says_why_and_with_which_command(page: Page, lost: Site) -> None:
    open_page(page, lost.at("bare", "/ablation"))
    notes = page.locator("main .note")
    expect(notes).to_have_count(3)
    for i, command in enumerate(("patch RUN --layer 0", "interact RUN --layers 0,0", "damage RUN --layer 0")):
        expect(notes.nth(i)).to_contain_text(f"cellprism {command}")
    expect(page.get_by_text("Copy as Python")).to_have_count(0)


@one_host
@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("dark", 1280)])
def test_the_page_is_clean_and_fits(
    browser: Browser, lost: Site, axe: Callable[[Page], list[str]], scheme: str, width: int
) -> None:
    with watched(browser, color_scheme=scheme, reduced_motion="reduce",
                 viewport={"width": width, "height": 740}) as page:
        for path in ("/ablation?published=1&all=patched", "/feature/0/11"):
            open_page(page, lost.at("run", path))
            assert axe(page) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate("document.querySelectorAll('*').length") <= 2000


@one_host
def test_every_picture_and_table_can_be_taken(page: Page, lost: Site) -> None:
    open_page(page, lost.at("run", "/ablation?published=1"))
    buttons = page.get_by_role("button", name=re.compile("as SVG$"))
    assert buttons.count() == 7
    for button in buttons.all():
        with page.expect_download() as waiting:
            button.click()
        picture = waiting.value.path().read_text(encoding="utf-8")
        assert "in its atlas." in picture
        assert "var(" not in picture
        assert picture.count("<path") + picture.count("<circle") > 1
    links = page.locator("a[href$='.parquet']").evaluate_all("(all) => all.map((a) => a.getAttribute('href'))")
    assert set(links) == {f"download/run/causal/{name}.parquet" for name in (
        "patching_00", f"combinations_{NAME}", f"interactions_{NAME}", "damage_arms_00", "damage_00")}
    for link in set(links):
        assert page.request.get(f"{lost.url}{link}").body()[:4] == b"PAR1"
