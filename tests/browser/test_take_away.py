"""What a reader takes away from a page: tables, pictures, and code that gives the same tables."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page, expect
from tests.browser.browsing import open_page

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.browsing import Site

    from cellprism.reader import RunReader

pytestmark = [
    pytest.mark.browser, pytest.mark.parametrize("site", ["plain files in a sub-path"], indirect=True),
]


def taken(page: Page, button: str) -> Path:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=f"Download {button}", exact=True).click()
    return waiting.value.path()


def table(page: Page, button: str) -> pd.DataFrame:
    return pd.read_csv(taken(page, f"{button} as CSV"), float_precision="round_trip")


def executed(page: Page, reader: RunReader) -> dict[str, Any]:
    """The names that the page's Python cell defines, with the run of the test in place of the run's own path."""
    page.get_by_text("Copy as Python").click()
    code = page.get_by_test_id("python").inner_text()
    first = next(line for line in code.splitlines() if "open_run" in line)
    names: dict[str, Any] = {}
    exec(code.replace(first, f"run = cp.open_run({str(reader.path)!r})"), names)
    return names


@pytest.mark.parametrize("query", [
    "", "filter=CD&sort=auroc&down=1", "colour=module&pick=0&sort=frequency", "colour=group&pick=0&sort=feature&down=1",
    "colour=annotated&pick=none&sort=max", "only=auroc:0.7..;frequency:..0.05", "only=by_gene:..0.9;n_layers:..2",
    "only=axis_cosine:0.25..;terms:..6", "around=6pl.0_1ekf.0_1ekf.14nb_6pl.14nb&sort=frequency",
])
def test_the_code_of_a_layer_gives_its_table(
    page: Page, site: Site, run_id: str, reader: RunReader, query: str
) -> None:
    open_page(page, site.at(run_id, f"/layer/{reader.layers[-1]}?{query}"))
    found = table(page, "these features")
    wanted = executed(page, reader)["table"]
    assert 0 < len(found) == len(wanted)
    # The page has four digits, so that places may differ only between numbers that are as good as equal.
    same = found["feature"].to_numpy() == wanted["feature"].to_numpy()
    assert same.mean() > 0.95
    found, wanted = (frame.set_index("feature").sort_index() for frame in (found, wanted))
    for name in ("label", "module"):
        assert [v for v in found[name] if pd.notna(v)] == [v for v in wanted[name] if pd.notna(v)]
        assert found[name].isna().tolist() == wanted[name].isna().tolist()
    for name in ("n_fired", "label_q", "group_auroc"):
        np.testing.assert_allclose(found[name], wanted[name], rtol=6e-4)


def test_the_code_of_a_feature_gives_its_tables(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    first = reader.findings().iloc[0]
    open_page(page, site.at(run_id, f"/feature/{first['layer']}/{first['feature']}"))
    tables = executed(page, reader)
    for what, name in (("the top genes", "genes"), ("the gene sets", "gene_sets"), ("the cell groups", "groups"),
                       ("the features like it", "neighbours")):
        found, wanted = table(page, what), tables[name]
        assert len(found) == len(wanted) > 0
        for column in {"mean", "p", "auroc", "similarity"} & set(found):
            np.testing.assert_allclose(np.sort(found[column]), np.sort(wanted[column]), rtol=1e-5)
    assert table(page, "the top genes")["gene"].tolist() == tables["genes"]["symbol"].tolist()
    assert table(page, "the histogram")["positions"].sum() == tables["histogram"]["count"].sum()


def test_the_code_of_a_gene_gives_its_table(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    symbol = reader.findings().iloc[0]["genes"][0]
    open_page(page, site.at(run_id, f"/genes?gene={symbol}"))
    found, wanted = table(page, "these features"), executed(page, reader)["hits"]
    assert found[["layer", "feature"]].to_numpy().tolist() == wanted[["layer", "feature"]].to_numpy().tolist()
    assert found["rank"].tolist() == (wanted["rank"] + 1).tolist()
    assert set(wanted["symbol"]) == {symbol}


def test_every_chart_is_a_picture_with_its_caption(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    first = reader.findings().iloc[0]
    places = {
        "": reader.config.title,
        f"/layer/{first['layer']}": f"features of layer {first['layer']}",
        f"/feature/{first['layer']}/{first['feature']}": f"feature {first['feature']}",
        f"/genes?gene={first['genes'][0]}": first["genes"][0],
    }
    for path, caption in places.items():
        open_page(page, site.at(run_id, path))
        buttons = page.get_by_role("button", name="as SVG")
        expect(buttons.first).to_be_visible()
        for button in buttons.all():
            name = (button.get_attribute("aria-label") or "").removeprefix("Download ")
            picture = taken(page, name).read_text(encoding="utf-8")
            root = ET.fromstring(picture)
            words = " ".join(text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}tspan"))
            assert caption in words and "in its atlas." in words
            shapes = [root.iter(f"{{http://www.w3.org/2000/svg}}{kind}") for kind in ("circle", "path", "rect")]
            assert sum(1 for kind in shapes for _ in kind) > 3
            assert "var(" not in picture and "class=" not in picture
            if name == "the map as SVG":
                alive = int((~reader.features(first["layer"])["dead"]).sum())
                assert sum(1 for _ in root.iter("{http://www.w3.org/2000/svg}circle")) == alive


def test_the_other_tables_can_be_taken(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    layer = reader.layers[0]
    open_page(page, site.at(run_id, f"/modules?layer={layer}"))
    assert len(table(page, "the modules")) == len(reader.modules(layer))
    open_page(page, site.at(run_id, "/methods"))
    assert len(table(page, "the rates")) == len(reader.rates())
    assert set(table(page, "the stages")["sha256"].str.len()) == {64}
    open_page(page, site.at(run_id))
    page.get_by_text("Every number, layer by layer").click()
    numbers = table(page, "the numbers of every layer")
    assert numbers.query("name == 'n_alive'")["layer"].tolist() == list(reader.layers)
