"""Filters of a layer's map: ranges of numbers, an outline, and what sets the chosen features apart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page, Route, expect
from scipy.stats import hypergeom
from tests.browser.browsing import address, open_page

from cellprism.atlas.featuremap import map_files, read_map
from cellprism.stats.fdr import bh

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.browsing import Site

    from cellprism.reader import RunReader

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("site", ["plain files in a sub-path"], indirect=True)]


def downloaded(page: Page, what: str) -> pd.DataFrame:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=f"Download {what} as CSV").click()
    return pd.read_csv(waiting.value.path(), float_precision="round_trip")


def test_a_range_set_by_keyboard_filters_table_and_map(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    layer = reader.layers[0]
    open_page(page, site.at(run_id, f"/layer/{layer}"))
    slider = page.get_by_role("slider", name="Least firing frequency")
    slider.focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(r"only=frequency%3A0\.\d+\.\."))
    least = float(re.findall(r"frequency%3A([\d.e-]+?)\.\.", address(page))[0])
    found = downloaded(page, "these features")
    table = reader.features(layer)
    wanted = table[(table["frequency"] >= least) & ~table["dead"]]
    assert 0 < len(wanted) < len(reader.features(layer))
    assert set(found["feature"]) == set(wanted["feature"])
    left = address(page)
    page.goto("about:blank")
    open_page(page, left)
    assert len(downloaded(page, "these features")) == len(wanted)
    page.get_by_role("button", name="Clear firing frequency").click()
    assert len(downloaded(page, "these features")) == len(reader.features(layer))


def test_an_outline_holds_the_features_within(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    """Drawn around the left half of the map, it takes the features whose x is below the middle."""
    layer = reader.layers[0]
    open_page(page, site.at(run_id, f"/layer/{layer}"))
    canvas = page.get_by_test_id("map")
    expect(canvas).to_have_attribute("data-sample", re.compile("feature"))
    page.get_by_role("button", name="Draw around features").click()
    box = canvas.bounding_box()
    assert box is not None
    corners = [(3, 3), (box["width"] / 2, 3), (box["width"] / 2, box["height"] - 3), (3, box["height"] - 3)]
    page.mouse.move(box["x"] + 3, box["y"] + 3)
    page.mouse.down()
    for x, y in [*corners[1:], (3, 3)]:
        page.mouse.move(box["x"] + x, box["y"] + y, steps=12)
    page.mouse.up()
    expect(page).to_have_url(re.compile("around="))
    found = set(downloaded(page, "these features")["feature"])
    table = reader.features(layer).query("not dead")
    middle = (table["x"].min() + table["x"].max()) / 2
    far = (table["x"] - middle).abs() > (table["x"].max() - table["x"].min()) / 20
    assert set(table.loc[far & (table["x"] < middle), "feature"]) <= found
    assert not found & set(table.loc[far & (table["x"] > middle), "feature"])
    canvas.focus()
    page.keyboard.press("Escape")
    expect(page).not_to_have_url(re.compile("around="))
    page.keyboard.press("v")
    assert len(downloaded(page, "these features")) == len(table)


def test_what_sets_features_apart_is_tested_as_scipy_does(
    page: Page, site: Site, run_id: str, reader: RunReader
) -> None:
    layer = reader.layers[-1]
    open_page(page, site.at(run_id, f"/layer/{layer}?only=auroc:0.8.."))
    page.get_by_role("button", name="What sets them apart").click()
    expect(page.get_by_test_id("apart")).to_contain_text("top genes at q")
    chosen = set(downloaded(page, "these features")["feature"])
    found = downloaded(page, "what sets them apart").query("kind == 'gene'").set_index("name")
    top = reader.top_genes(layer)
    population = top["feature"].nunique()
    tests = pd.DataFrame([
        (symbol, own["feature"].isin(chosen).sum(), own["feature"].nunique())
        for symbol, own in top.groupby("symbol")
    ], columns=["name", "k", "all"]).set_index("name")
    n_chosen = len(chosen & set(top["feature"]))
    tests["p"] = hypergeom.sf(tests["k"] - 1, population, tests["all"], n_chosen)
    tests["q"] = bh(tests["p"].to_numpy())
    wanted = tests[tests["k"] > 0]
    assert set(found["n_all"]) == {population}
    assert sorted(found.index) == sorted(wanted.index)
    wanted = wanted.loc[found.index]
    assert found["n_chosen_with"].tolist() == wanted["k"].tolist()
    np.testing.assert_allclose(found["p"], wanted["p"], rtol=1e-8)
    np.testing.assert_allclose(found["q"], wanted["q"], rtol=1e-8)
    sure = found[(found["q"] < 0.05) & (found["effect"] > 0)]
    assert len(sure) > 0
    page.get_by_role("link", name=re.compile("Rank all features by these")).click()
    expect(page.get_by_test_id("gene-list")).to_have_value(re.compile(str(sure.index[0])))


def test_all_layers_are_coloured_alike(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    open_page(page, site.at(run_id, "/layers?colour=by_gene"))
    expect(page.locator(".mini-map canvas")).to_have_count(len(reader.layers))
    expect(page.locator(".legend")).to_contain_text("explains")
    page.get_by_role("link", name=f"Layer {reader.layers[1]}").click()
    expect(page).to_have_url(site.at(run_id, f"/layer/{reader.layers[1]}?colour=by_gene"))
    expect(page.get_by_role("combobox", name="Colour by")).to_have_value("by_gene")


def test_a_large_layer_is_there_before_its_rest(
    page: Page, site: Site, run_id: str, reader: RunReader, published: Path
) -> None:
    """The first piece is drawn and listed as a sample; when the rest has come, everything is as of one piece."""
    layer = reader.layers[0]
    n = len(reader.features(layer))
    folder = published / "some/where/runs" / run_id
    first, rest = (data for _, data in map_files(read_map(folder, layer), layer, first=n // 4))
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(f"**/map/L{layer:02d}.bin", lambda route: route.fulfill(body=first))
    page.route(f"**/map/L{layer:02d}-rest.bin", hold)
    page.goto(site.at(run_id, f"/layer/{layer}"))
    title = page.locator(".table-title")
    expect(title).to_contain_text(f"{n // 4} of a random {n // 4} of the {n} features")
    expect(title).to_contain_text("the others are on their way")
    canvas = page.get_by_test_id("map")
    expect(canvas).to_have_attribute("data-points", re.compile(r"\d+"))
    some = int(canvas.get_attribute("data-points") or 0)
    assert 0 < some <= n // 4
    page.get_by_role("searchbox", name="Filter by label").fill("a")
    held[0].fulfill(body=rest)
    expect(title).to_contain_text(f"of {n} features")
    expect(title).not_to_contain_text("random")
    page.get_by_role("button", name="Clear the filter").click()
    found = downloaded(page, "these features")
    table = reader.features(layer)
    assert sorted(found["feature"]) == table["feature"].tolist()
    expect(canvas).to_have_attribute("data-points", str((~table["dead"]).sum()))
