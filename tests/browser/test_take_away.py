"""What a reader takes away from a page: tables, pictures, and code that gives the same tables."""

from __future__ import annotations

import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

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


def executed(page: Page) -> dict[str, Any]:
    """The names that the page's Python cell defines, run just as it stands there."""
    page.get_by_text("Copy as Python").click()
    names: dict[str, Any] = {}
    exec(page.get_by_test_id("python").inner_text(), names)
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
    wanted = executed(page)["table"]
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
    tables = executed(page)
    for what, name in (("the top genes", "genes"), ("the gene sets", "gene_sets"), ("the cell groups", "groups"),
                       ("the features like it", "neighbours")):
        found, wanted = table(page, what), tables[name]
        if name == "neighbours":
            partners = found.loc[found["kind"] == "highway", "feature"].tolist()
            assert partners == (tables["highways"]["partner"].tolist()[:len(partners)] if partners else [])
            found = found[found["kind"] != "highway"]
        assert len(found) == len(wanted) > 0
        for column in {"mean", "p", "auroc", "similarity"} & set(found):
            np.testing.assert_allclose(np.sort(found[column]), np.sort(wanted[column]), rtol=1e-5)
    assert table(page, "the top genes")["gene"].tolist() == tables["genes"]["symbol"].tolist()
    assert table(page, "the histogram")["positions"].sum() == tables["histogram"]["count"].sum()


def test_the_code_of_a_gene_gives_its_table(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    symbol = reader.findings().iloc[0]["genes"][0]
    open_page(page, site.at(run_id, f"/genes?gene={symbol}"))
    found, wanted = table(page, "these features"), executed(page)["hits"]
    assert found[["layer", "feature"]].to_numpy().tolist() == wanted[["layer", "feature"]].to_numpy().tolist()
    assert found["rank"].tolist() == (wanted["rank"] + 1).tolist()
    assert set(wanted["symbol"]) == {symbol}


def test_the_code_of_a_gene_set_gives_its_table(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    label = reader.findings().iloc[0]
    open_page(page, site.at(run_id, f"/ontology?term={quote(label['source'] + '|' + label['label'])}"))
    found, wanted = table(page, "these features"), executed(page)["found"]
    assert 0 < len(found) == len(wanted)
    assert found[["layer", "feature", "overlap", "genes"]].to_numpy().tolist() == (
        wanted[["layer", "feature", "overlap", "genes"]].to_numpy().tolist())
    np.testing.assert_allclose(found["q"], wanted["q"], rtol=1e-5)


def test_the_code_of_a_cell_group_gives_its_table(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    first = reader.findings().iloc[0]
    open_page(page, site.at(run_id, f"/cells?{urlencode({'key': first['group_key'], 'group': first['group_value']})}"))
    found, wanted = table(page, "these features"), executed(page)["found"]
    wanted = wanted.groupby("layer").head(40)
    assert sorted(zip(found["layer"], found["feature"], strict=True)) == sorted(
        zip(wanted["layer"], wanted["feature"], strict=True))
    np.testing.assert_allclose(found["auroc"], wanted["auroc"], rtol=1e-5)
    matrix = table(page, "the matrix").query("group == @first['group_value']").set_index("layer")
    tests = pd.concat([reader.celltypes(layer).assign(layer=layer) for layer in reader.layers])
    sure = tests.query("value == @first['group_value'] and q < 0.05 and auroc > 0.5").groupby("layer")["auroc"]
    assert matrix["n_features"].to_dict() == sure.size().to_dict()
    np.testing.assert_allclose(matrix["best_auroc"], sure.max(), rtol=1e-5)


def test_the_code_of_the_other_pages_runs(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    open_page(page, site.at(run_id))
    pd.testing.assert_frame_equal(executed(page)["findings"], reader.findings())
    open_page(page, site.at(run_id, "/modules"))
    pd.testing.assert_frame_equal(executed(page)["modules"], reader.modules(reader.layers[0]))
    open_page(page, site.at(run_id, "/data"))
    assert executed(page)["run"].layers == reader.layers


def _start(link: str) -> bytes:
    try:
        with urllib.request.urlopen(link) as answer:
            return bytes(answer.read(4))
    except urllib.error.HTTPError:
        return b""


def test_every_whole_table_can_be_taken(page: Page, site: Site, run_id: str, pages: dict[str, str]) -> None:
    links = set()
    for path in pages.values():
        open_page(page, site.at(run_id, path))
        links |= set(page.locator("a[href$='.parquet']").evaluate_all("(all) => all.map((a) => a.href)"))
    assert len(links) >= 5
    found = {link: _start(link) for link in links}
    assert {link for link, start in found.items() if start != b"PAR1"} == set()


def test_a_picture_can_be_had_in_pixels(page: Page, site: Site, run_id: str) -> None:
    open_page(page, site.at(run_id))
    button = page.get_by_role("button", name="as PNG").first
    name = (button.get_attribute("aria-label") or "").removeprefix("Download ")
    data = taken(page, name).read_bytes()
    assert data.startswith(b"\x89PNG") and len(data) > 3000


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
                circles = list(root.iter("{http://www.w3.org/2000/svg}circle"))
                rings = [circle for circle in circles if "fill:none" in circle.get("style", "")]
                assert len(circles) - len(rings) == alive
                assert 0 < len(rings) <= 16, "around the dots that have a name"


def test_small_maps_are_pictures_with_their_names(page: Page, site: Site, run_id: str, reader: RunReader) -> None:
    svg = "{http://www.w3.org/2000/svg}"
    open_page(page, site.at(run_id, "/layers"))
    expect(page.locator(".minis canvas")).to_have_count(len(reader.layers))
    root = ET.fromstring(taken(page, "the maps as SVG").read_text(encoding="utf-8"))
    names = [text.text for text in root.iter(f"{svg}text") if text.text]
    groups = page.locator(".legend .name").all_inner_texts()
    assert names == [*(f"Layer {layer}" for layer in reader.layers), *groups]
    assert len(list(root.iter(f"{svg}circle"))) == len(groups) > 1
    maps = [image.get("href", "") for image in root.iter(f"{svg}image")]
    assert len(set(maps)) == len(reader.layers) and all(data.startswith("data:image/png;base64,") for data in maps)
    assert table(page, "the counts")["n_annotated"].tolist() == [
        int((reader.features(layer)["label_q"] < 0.05).sum()) for layer in reader.layers
    ]
    open_page(page, site.at(run_id, f"/modules?layer={reader.layers[0]}"))
    expect(page.locator(".module-map canvas")).to_be_visible()
    root = ET.fromstring(taken(page, "the map of modules as SVG").read_text(encoding="utf-8"))
    assert len(list(root.iter(f"{svg}image"))) == 1
    assert taken(page, "the map of modules as PNG").read_bytes().startswith(b"\x89PNG")


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
