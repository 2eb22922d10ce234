"""The pages Steering and Regulation of a run that has both, as plain files and from our server."""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, Response, expect
from tests.atlas.fabricated import LAYERS, write_run
from tests.atlas.fabricated_results import ALPHAS, OFF, ON, PARTNERS, QUIET, TARGETS
from tests.browser.browsing import Site, address, from_our_server, from_plain_files, open_page, watched

from cellprism.atlas.export import export
from cellprism.reader import RunReader, open_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.browser

FIRST, LAST = LAYERS
one_host = pytest.mark.parametrize("results", ["plain files"], indirect=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunReader:
    return open_run(write_run(tmp_path_factory.mktemp("results") / "run"))


@pytest.fixture(scope="module")
def folder(run: RunReader, tmp_path_factory: pytest.TempPathFactory) -> Path:
    bare = write_run(tmp_path_factory.mktemp("bare") / "bare", traced=False)
    return export([run.path, bare], tmp_path_factory.mktemp("atlas") / "site")


@pytest.fixture(scope="module", params=["plain files", "our server"])
def results(request: pytest.FixtureRequest, folder: Path) -> Iterator[Site]:
    with (from_plain_files if request.param == "plain files" else from_our_server)(folder) as port:
        yield Site(f"http://127.0.0.1:{port}/")


def taken(page: Page, what: str) -> pd.DataFrame:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=f"Download {what} as CSV").click()
    return pd.read_csv(waiting.value.path())


def sent(answer: Response) -> int:
    """Bytes over the wire, compressed as hosts do."""
    body = answer.body()
    return len(body) if body[:2] == b"\x1f\x8b" else len(gzip.compress(body))


def code(page: Page) -> dict[str, Any]:
    page.get_by_text("Copy as Python").click()
    names: dict[str, Any] = {}
    exec(page.get_by_test_id("python").inner_text(), names)
    return names


def test_effects_stand_beside_their_controls(page: Page, results: Site, run: RunReader) -> None:
    open_page(page, results.at("run", "/steering"))
    expect(page.locator("main")).to_contain_text("Does pushing a feature move cells along?")
    table = run.steering(FIRST).query("readout == 'state' and alpha == 5").set_index(["direction", "feature"])
    found = taken(page, "the effects").set_index("feature")
    assert set(found.index) == {*ON, *OFF}
    for feature, row in found.iterrows():
        own = table.loc[("atom", feature)]
        assert [row[name] for name in ("effect", "low", "high", "q")] == pytest.approx(
            [own[name] for name in ("effect", "low", "high", "q")], rel=1e-3)
        assert row["random_effect"] == pytest.approx(table.loc[("random", feature), "effect"], rel=1e-3)
        if feature == OFF[-1]:
            assert pd.isna(row["matched"])
        else:
            assert row["matched"] == PARTNERS[feature]
            assert row["matched_effect"] == pytest.approx(table.loc[("atom", PARTNERS[feature]), "effect"], rel=1e-3)
    expect(page.get_by_test_id("effects").locator(".mark.own")).to_have_count(len(found))
    expect(page.get_by_test_id("effects").locator(".mark.matched")).to_have_count(len(found) - 1)
    filled = page.get_by_test_id("effects").locator(".mark.own:not(.unsure)")
    expect(filled).to_have_count(int((found["q"] < 0.05).sum()))
    moved = sum(row["q"] < 0.05 and row["effect"] > 0 for f, row in found.iterrows() if f in ON)
    expect(page.locator("main .lede").nth(1)).to_contain_text(f"{moved} of {len(ON)} on-features")


def test_what_is_chosen_is_in_the_address(page: Page, results: Site, run: RunReader) -> None:
    open_page(page, results.at("run", "/steering"))
    page.get_by_role("combobox", name="Activation times").select_option("2")
    page.get_by_role("combobox", name="Readout").select_option("fate")
    page.get_by_test_id("effects").locator(".forest-row").nth(1).click()
    expect(page).to_have_url(re.compile(r"alpha=2&readout=fate&feature=\d+"))
    feature = int(re.findall(r"feature=(\d+)", address(page))[0])
    closely = page.get_by_test_id("steered-feature")
    expect(closely.get_by_role("heading", level=2)).to_contain_text(f"{FIRST}·{feature}")
    dose = taken(page, "the dose-response")
    own = run.steering(FIRST).query("readout == 'fate' and feature == @feature and direction == 'atom'")
    assert dose.query("direction == 'atom'")["effect"].tolist() == pytest.approx(own["effect"].tolist(), rel=1e-3)
    assert dose["alpha"].unique().tolist() == list(ALPHAS)
    genes = taken(page, "the genes")
    assert len(genes) == len(run.steering_genes(FIRST).query("feature == @feature"))
    strongest = run.steering_genes(FIRST).query("feature == @feature and alpha == 2 and change > 0 and rank == 1")
    expect(closely.locator(".change-up tbody tr").first).to_contain_text(strongest["gene"].iloc[0])
    left = address(page)
    open_page(page, left)
    expect(page.get_by_test_id("effects").locator(".forest-row[aria-current]")).to_have_count(1)
    arms = taken(page, "the arms")
    pd.testing.assert_frame_equal(arms, run.steering_arms(FIRST)[arms.columns], check_dtype=False)
    table = code(page)["effects"]
    assert sorted(table["feature"]) == sorted([*ON, *OFF])
    assert set(table["readout"]) == {"fate"}


@one_host
def test_the_last_layer_is_called_algebraic(page: Page, results: Site) -> None:
    open_page(page, results.at("run", f"/steering?layer={LAST}"))
    expect(page.get_by_role("note")).to_contain_text(f"Layer {LAST} is the last: no block follows it")
    expect(page.get_by_test_id("effects-table").get_by_role("columnheader", name="q", exact=True)).to_have_count(0)
    page.get_by_role("combobox", name="Layer").select_option(str(FIRST))
    expect(page).to_have_url(results.at("run", f"/steering?layer={FIRST}"))
    expect(page.get_by_role("note")).to_have_count(0)


@one_host
def test_readouts_are_judged_before_they_are_used(page: Page, results: Site, run: RunReader) -> None:
    open_page(page, results.at("run", "/steering"))
    panel = page.get_by_test_id("readouts")
    rows = panel.locator("tbody tr")
    table = run.steering_readouts(FIRST)
    for i, row in enumerate(table.itertuples()):
        expect(rows.nth(i)).to_contain_text(f"{row.quality:.2f}")
        works = row.quality > row.null_q95
        assert ("no better than its null" in rows.nth(i).inner_text()) == (not works)
    pd.testing.assert_frame_equal(taken(page, "the readouts"), table, check_dtype=False)
    panel.get_by_role("button", name="progress").click()
    expect(page).to_have_url(re.compile("readout=progress"))
    expect(page.get_by_role("heading", name="Effect on progress")).to_be_visible()


def test_a_perturbation_shows_what_responds(page: Page, results: Site, run: RunReader) -> None:
    open_page(page, results.at("run", "/regulation"))
    expect(page.locator("main")).to_contain_text("Do features answer when a gene is knocked out")
    far = page.locator("main .flag")
    expect(far).to_contain_text("A cell of the screen has 10 positions (median), one of the run 50")
    table = run.perturbations(LAST).sort_values(["responding", "target"], ascending=[False, True], ignore_index=True)
    pd.testing.assert_frame_equal(taken(page, "the perturbations"), table, check_dtype=False)
    page.get_by_test_id("perturbations").get_by_role("link", name=TARGETS[2]).click()
    expect(page).to_have_url(results.at("run", f"/regulation?gene={TARGETS[2]}"))
    expect(page.get_by_role("heading", level=2, name=TARGETS[2])).to_be_visible()
    own = run.responses(LAST).query("target == @TARGETS[2]").sort_values(["p", "feature"], ignore_index=True)
    found = taken(page, "the responses")
    assert found["feature"].tolist() == own["feature"].tolist()
    assert found["t"].tolist() == pytest.approx(own["t"].tolist(), rel=1e-3)
    dots = page.get_by_test_id("volcano").locator("path.volcano")
    drawn = [len(re.findall("M", dots.nth(i).get_attribute("d") or "")) for i in range(3)]
    sure = own[own["q"] < 0.05]
    assert drawn == [len(own) - len(sure), (sure["effect"] > 0).sum(), (sure["effect"] <= 0).sum()]
    names = code(page)
    assert names["target"] == TARGETS[2]
    assert names["responses"]["feature"].tolist() == own["feature"].tolist()


@one_host
def test_the_heat_map_can_be_read_and_followed(page: Page, results: Site, run: RunReader) -> None:
    open_page(page, results.at("run", f"/regulation?gene={QUIET}"))
    expect(page.locator("main")).to_contain_text("its own expression is not measured")
    heat = taken(page, "the heat map").set_index("target")
    table = run.responses(LAST).set_index(["target", "feature"])["t"]
    for target, row in heat.iterrows():
        for feature, t in row.items():
            place = (target, int(str(feature)))
            assert pd.isna(t) if place not in table.index else t == pytest.approx(table[place], rel=1e-2, abs=0.01)
    chart = page.locator(".heat-map")
    expect(chart.locator("a[aria-current] text")).to_have_text(QUIET)
    box = chart.locator("path").first.bounding_box()
    assert box is not None
    chart.hover(position={"x": 110, "y": 150})
    expect(page.locator(".heat-told")).to_contain_text("perturbed, feature")
    chart.locator("a").filter(has_text=TARGETS[0]).click()
    expect(page).to_have_url(results.at("run", f"/regulation?gene={TARGETS[0]}"))


@one_host
def test_known_targets_are_judged_beside_expression(page: Page, results: Site, run: RunReader) -> None:
    open_page(page, results.at("run", "/regulation"))
    verdict = page.get_by_test_id("verdict")
    expect(verdict).to_contain_text("for 1 of 3 factors by features and for 2 by the change of expression alone")
    expect(verdict).to_contain_text("the model adds nothing")
    expect(verdict).to_contain_text("found in 80\u00a0% of trials")
    table = run.tf_targets(LAST).sort_values(["p", "target", "source"], ignore_index=True)
    pd.testing.assert_frame_equal(taken(page, "the factors"), table, check_dtype=False)


@one_host
def test_a_perturbation_that_is_not_there_is_explained(page: Page, results: Site) -> None:
    open_page(page, results.at("run", "/regulation?gene=NOSUCH"))
    expect(page.get_by_role("status")).to_contain_text("NOSUCH was not perturbed in this screen")


@one_host
def test_a_number_tells_the_command_and_the_file(page: Page, results: Site) -> None:
    for path, cell, file, command in (
        ("/steering", "steering.effect", f"causal/steering_{FIRST:02d}.parquet", "cellprism steer RUN --layer 0"),
        ("/regulation", "perturbations.responding", f"regulation/perturbations_{LAST:02d}.parquet",
         "cellprism perturb RUN screen.h5ad --layer 2"),
    ):
        open_page(page, results.at("run", path))
        page.locator(f".virtual [data-from='{cell}']").first.click()
        card = page.get_by_test_id("source")
        expect(card).to_contain_text(file)
        expect(card).to_contain_text(command)
        expect(card).to_contain_text("SHA-256")


@one_host
@pytest.mark.parametrize(("path", "table"), [("/steering", "the effects"), ("/regulation", "the responses")])
def test_tables_and_pictures_can_be_taken_whole(page: Page, results: Site, path: str, table: str) -> None:
    open_page(page, results.at("run", path))
    for link in page.get_by_role("link", name=re.compile("Download the whole table .* as Parquet")).all():
        assert page.request.get(results.url + (link.get_attribute("href") or "")).status == 200
    assert len(taken(page, table)) > 0
    pictures = page.get_by_role("button", name=re.compile("Download .* as SVG"))
    assert pictures.count() >= 3
    for button in pictures.all():
        with page.expect_download() as waiting:
            button.click()
        drawn = waiting.value.path().read_text(encoding="utf-8")
        assert drawn.count("<path") + drawn.count("<circle") > 1
        assert "Run “Fabricated”" in drawn


@one_host
def test_a_feature_page_tells_both(page: Page, results: Site, run: RunReader) -> None:
    answers = run.responses(LAST).query("q < 0.05 and feature in @ON")
    feature = int(answers["feature"].iloc[0]) if len(answers) else ON[0]
    open_page(page, results.at("run", f"/feature/{LAST}/{feature}"))
    section = page.get_by_test_id("pushed")
    expect(section).to_contain_text("rises along the ordering")
    n = int((answers["feature"] == feature).sum())
    expect(section).to_contain_text(f"responds to {n} of")
    section.get_by_role("link", name="Open Steering").click()
    expect(page).to_have_url(results.at("run", f"/steering?layer={LAST}&feature={feature}"))
    open_page(page, results.at("bare", f"/feature/{LAST}/{feature}"))
    expect(page.get_by_test_id("pushed")).to_have_count(0)


def test_a_run_without_them_names_the_commands(page: Page, results: Site) -> None:
    commands = {"/steering": "cellprism steer RUN --layer", "/regulation": "cellprism perturb RUN SCREEN"}
    for path, command in commands.items():
        open_page(page, results.at("bare", path))
        expect(page.locator("main .note")).to_contain_text(command)


@one_host
@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("dark", 1280)])
def test_axe_finds_nothing_serious(
    browser: Browser, results: Site, axe: Callable[[Page], list[str]], scheme: str, width: int,
) -> None:
    options = {"color_scheme": scheme, "reduced_motion": "reduce", "viewport": {"width": width, "height": 800}}
    with watched(browser, **options) as page:
        for run in ("run", "bare"):
            for path in ("/steering", "/regulation", f"/steering?layer={LAST}"):
                open_page(page, results.at(run, path))
                assert axe(page) == [], path
                assert page.evaluate("document.documentElement.scrollWidth") <= width, path
                assert page.evaluate("document.querySelectorAll('*').length") <= 2000


@one_host
def test_pages_are_light(browser: Browser, results: Site) -> None:
    for path in ("/steering", "/regulation"):
        with watched(browser) as page:
            answers: list[Response] = []
            page.on("response", lambda r, answers=answers: answers.append(r))
            open_page(page, results.at("run", path))
            assert sum(map(sent, answers)) <= 170_000
            assert not any("download/" in answer.url for answer in answers)


@one_host
def test_pages_can_be_used_with_keys(page: Page, results: Site) -> None:
    open_page(page, results.at("run", "/steering"))
    row = page.get_by_test_id("effects").locator("a.forest-row").nth(2)
    row.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("feature="))
    open_page(page, results.at("run", "/regulation"))
    link = page.get_by_test_id("perturbations").get_by_role("link").nth(1)
    link.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("gene="))
