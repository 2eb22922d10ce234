"""The gene list page: what it computes is what scipy and our own functions give."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page, expect
from scipy.stats import hypergeom

from cellprism.stats.fdr import bh

if TYPE_CHECKING:
    from tests.browser.browsing import Site

    from cellprism.reader import RunReader

pytestmark = pytest.mark.browser

INTERFERON = (
    "IFI6 IFI16 IFI27 IFI30 IFI35 IFI44 IFI44L IFIH1 IFIT1 IFIT2 IFIT3 IFIT5 IFITM1 IFITM2 IFITM3 ISG15 ISG20 IRF1 "
    "IRF7 IRF9 STAT1 STAT2 MX1 MX2 OAS1 OAS2 OAS3 OASL BST2 DDX58 DDX60 EIF2AK2 GBP1 GBP2 GBP4 GBP5 HERC5 HERC6 LY6E "
    "PARP9 PARP14 PLSCR1 PSMB8 PSMB9 RSAD2 SAMD9L SP110 TRIM22 UBE2L6 XAF1"
)


def ranked(reader: RunReader, names: list[str]) -> pd.DataFrame:
    """The slow, obvious way."""
    genes = reader.genes()
    background = genes[genes["n_seen"] >= reader.config.annotation.min_firings]
    listed = set(background.loc[background["symbol"].str.upper().isin([name.upper() for name in names]), "gene"])
    rows = []
    for layer in reader.layers:
        for feature, own in reader.top_genes(layer).groupby("feature"):
            shared = [row.symbol for row in own.sort_values("rank").itertuples() if row.gene in listed]
            p = hypergeom.sf(len(shared) - 1, len(background), len(listed), len(own))
            rows.append((layer, feature, len(shared), len(own), p, " ".join(shared)))
    table = pd.DataFrame(rows, columns=["layer", "feature", "overlap", "n_genes", "p", "genes"])
    table["q"] = bh(table["p"].to_numpy())
    return table[table["overlap"] > 0].set_index(["layer", "feature"]).sort_index()


def downloaded(page: Page) -> pd.DataFrame:
    with page.expect_download() as waiting:
        page.get_by_test_id("ranked").get_by_role("button", name="CSV").click()
    return pd.read_csv(waiting.value.path(), float_precision="round_trip")


def test_features_are_ranked_as_scipy_does(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    page.goto(site.at(run_id, "/list"))
    page.get_by_test_id("gene-list").fill(INTERFERON.lower().replace(" ", "; ") + "\nNOSUCHGENE")
    page.get_by_role("button", name="Rank the features").click()
    expect(page.get_by_test_id("unknown-genes")).to_contain_text("NOSUCHGENE")
    expect(page.get_by_test_id("ranked")).to_be_visible()
    found = downloaded(page)
    wanted = ranked(reader, INTERFERON.split())
    assert len(wanted) > 50
    assert found["p"].is_monotonic_increasing
    assert set(found["run"]) == {run_id}
    found = found.set_index(["layer", "feature"]).sort_index()
    assert found.index.equals(wanted.index)
    for name in ("overlap", "n_genes", "genes"):
        assert found[name].tolist() == wanted[name].tolist()
    np.testing.assert_allclose(found["p"], wanted["p"], rtol=1e-9)
    np.testing.assert_allclose(found["q"], wanted["q"], rtol=1e-9)
    labels = pd.concat({layer: reader.features(layer).set_index("feature")["label"] for layer in reader.layers})
    assert found["label"].fillna("").tolist() == labels.reindex(found.index).fillna("").tolist()
    best = wanted.sort_values("p").iloc[0]
    expect(page.get_by_test_id("ranked").get_by_role("row").nth(1)).to_contain_text(str(best["genes"].split()[0]))


def test_the_address_keeps_the_list(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    """Identifiers and symbols name the same genes, and a list too rare for the background is explained."""
    genes = reader.genes()
    top = reader.top_genes(reader.layers[0]).query("feature == feature.min()")["gene"].tolist()
    own = genes.set_index("gene").loc[top]
    page.goto(site.at(run_id, f"/list?genes={'+'.join(own['symbol'])}"))
    expect(page.get_by_test_id("gene-list")).to_have_value(" ".join(own["symbol"]))
    by_symbol = downloaded(page)
    assert by_symbol.iloc[0]["overlap"] == len(top)
    page.goto("about:blank")
    page.goto(site.at(run_id, "/list"))
    page.get_by_test_id("gene-list").fill(",".join(own["id"]))
    page.get_by_role("button", name="Rank the features").click()
    pd.testing.assert_frame_equal(downloaded(page), by_symbol)
    seldom = genes.loc[genes["n_seen"] < reader.config.annotation.min_firings, "symbol"].iloc[0]
    page.goto(site.at(run_id, f"/list?genes=TP53+{seldom}"))
    expect(page.locator("main")).to_contain_text(f"positions: {seldom}")
    expect(page.get_by_role("status")).to_contain_text("None of these names")
