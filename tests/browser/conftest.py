"""The atlas of the demo, published in two ways, in a Chromium that reports everything that goes wrong."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright
from tests.atlas.fabricated import write_run
from tests.browser.browsing import FLAGS, Site, from_our_server, from_plain_files, watched

import cellprism.atlas
from cellprism.atlas.export import export
from cellprism.reader import RunReader, open_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AXE = Path(cellprism.atlas.__file__).parent / "web" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="session")
def reader(demo_run: Path) -> RunReader:
    return open_run(demo_run)


@pytest.fixture(scope="session")
def run_id(demo_run: Path) -> str:
    return demo_run.name


@pytest.fixture(scope="session")
def published(demo_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a host that has the atlas in a folder of a folder."""
    root = tmp_path_factory.mktemp("host")
    (root / "some").mkdir()
    export([demo_run], root / "some" / "where")
    return root


@pytest.fixture(scope="session", params=["plain files in a sub-path", "our server"])
def site(request: pytest.FixtureRequest, published: Path) -> Iterator[Site]:
    if request.param == "our server":
        with from_our_server(published / "some" / "where") as port:
            yield Site(f"http://127.0.0.1:{port}/")
    else:
        with from_plain_files(published) as port:
            yield Site(f"http://127.0.0.1:{port}/some/where/")


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two small runs of random numbers, `run` and `other`, with every table there is."""
    folder = tmp_path_factory.mktemp("whole")
    runs = [write_run(folder / "run"), write_run(folder / "other", title="Another", seed=1)]
    with from_plain_files(export(runs, folder / "atlas")) as port:
        yield Site(f"http://127.0.0.1:{port}/")


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def chromium() -> str:
    found = os.environ.get("CELLPRISM_CHROMIUM") or shutil.which("chromium")
    if found is None:
        pytest.skip("no Chromium: install it or set CELLPRISM_CHROMIUM")
    return found


@pytest.fixture(scope="session")
def browser(chromium: str, playwright: Playwright) -> Iterator[Browser]:
    # Playwright gives every launch a fresh profile.
    browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
    yield browser
    browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with watched(browser, viewport={"width": 1280, "height": 900}) as page:
        yield page


@pytest.fixture(scope="session")
def pages(reader: RunReader, run_id: str) -> dict[str, str]:
    """Every kind of page: name to the part of the address after the hash."""
    found = reader.findings().iloc[0]
    features = reader.features(found["layer"])
    bare = int(features.loc[features["label"].isna(), "feature"].iloc[0])
    return {
        "overview": "",
        "layers": "/layers",
        "outlined layer": f"/layer/{reader.layers[1]}?around=6pl.0_1ekf.0_1ekf.14nb_6pl.14nb&apart=1&more=1",
        "layer": f"/layer/{reader.layers[-1]}",
        "labelled feature": f"/feature/{found['layer']}/{found['feature']}",
        "unlabelled feature": f"/feature/{found['layer']}/{bare}",
        "genes": "/genes",
        "gene": f"/genes?gene={found['genes'][0]}",
        "gene list": f"/list?genes={'+'.join(found['genes'])}",
        "modules": "/modules",
        "ontology": "/ontology",
        "gene set": f"/ontology?{urlencode({'term': found['label']})}",
        "no gene set": "/ontology?term=nosuchthing",
        "cell groups": "/cells",
        "cell group": f"/cells?{urlencode({'group': found['group_value']})}",
        "data": "/data",
        "help": "/help",
        "flow": "/flow",
        "circuits": "/circuits",
        "steering": "/steering",
        "regulation": "/regulation",
        "compare": f"/compare?a={run_id}.{reader.layers[0]}&b={run_id}.{reader.layers[1]}",
        "methods": "/methods",
        "ablation": "/ablation",
    }


@pytest.fixture(scope="session")
def axe() -> Callable[[Page], list[str]]:
    """The serious and critical findings of axe on a page."""
    if not AXE.exists():
        pytest.skip("no axe-core: run `npm ci` in src/cellprism/atlas/web")
    source = AXE.read_text(encoding="utf-8")

    def check(page: Page) -> list[str]:
        page.evaluate(source)
        violations = page.evaluate("axe.run().then((result) => result.violations)")
        return [
            f"{v['id']}: {node['html']} {node['failureSummary']}"
            for v in violations if v["impact"] in {"serious", "critical"} for node in v["nodes"]
        ]

    return check
