"""A feature's like in another run of the same atlas, found by the top genes that both have."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from playwright.sync_api import Page, expect
from scipy.stats import hypergeom
from tests.atlas.fabricated import LAYERS, write_run
from tests.browser.browsing import Site, from_plain_files, open_page

from cellprism.atlas.export import export
from cellprism.reader import RunReader, open_run
from cellprism.stats.fdr import bh

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.browser

LAYER, FEATURE = LAYERS[0], 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run and its twin, in which every feature has its like."""
    folder = tmp_path_factory.mktemp("two")
    write_run(folder / "run")
    write_run(folder / "other", title="Another")
    return folder


@pytest.fixture(scope="module")
def two(folder: Path) -> Iterator[Site]:
    with from_plain_files(export([folder / "run", folder / "other"], folder / "atlas")) as port:
        yield Site(f"http://127.0.0.1:{port}/")


def ranked(reader: RunReader, symbols: set[str]) -> pd.DataFrame:
    """The slow, obvious way."""
    background = set(reader.genes().query("n_seen >= 5")["symbol"])
    rows = []
    for layer in reader.layers:
        for feature, top in reader.top_genes(layer).groupby("feature"):
            overlap = len(set(top["symbol"]) & symbols & background)
            p = hypergeom.sf(overlap - 1, len(background), len(symbols & background), len(top))
            rows.append((layer, feature, overlap, p))
    table = pd.DataFrame(rows, columns=["layer", "feature", "overlap", "p"])
    return table.assign(q=bh(table["p"].to_numpy())).sort_values(["p", "layer", "feature"])


def test_the_like_of_a_feature_in_another_run(page: Page, two: Site, folder: Path) -> None:
    own = open_run(folder / "run").top_genes(LAYER).query("feature == @FEATURE")
    wanted = ranked(open_run(folder / "other"), set(own["symbol"])).query("q < 0.05")
    assert wanted.iloc[0][["layer", "feature"]].tolist() == [LAYER, FEATURE]
    open_page(page, two.at("run", f"/feature/{LAYER}/{FEATURE}"))
    likes = page.get_by_test_id("other-runs")
    likes.scroll_into_view_if_needed()
    items = likes.get_by_role("listitem")
    expect(items).to_have_count(min(6, len(wanted)))
    first = items.first
    expect(first).to_contain_text(f"{LAYER}·{FEATURE}")
    words = first.inner_text()
    assert re.search(rf"{wanted.iloc[0]['overlap']:.0f} of \d+, q", words)
    first.get_by_role("link").click()
    expect(page).to_have_url(two.at("other", f"/feature/{LAYER}/{FEATURE}"))


def test_a_run_alone_says_so(page: Page, folder: Path, tmp_path: Path) -> None:
    alone = shutil.copytree(folder / "run", tmp_path / "run")
    with from_plain_files(export([alone], tmp_path / "atlas")) as port:
        open_page(page, Site(f"http://127.0.0.1:{port}/").at("run", f"/feature/{LAYER}/{FEATURE}"))
        expect(page.get_by_test_id("other-runs")).to_contain_text("This atlas has one run")
