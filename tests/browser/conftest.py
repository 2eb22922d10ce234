"""The atlas of the demo, published in two ways, in a Chromium that reports everything that goes wrong."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from cellprism.atlas.export import export
from cellprism.atlas.server import create_app
from cellprism.reader import RunReader, open_run

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)
AXE = Path("src/cellprism/atlas/web/node_modules/axe-core/axe.min.js")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Site:
    """A published atlas: the address of its first page, ending in a slash."""

    url: str

    def at(self, run: str, page: str = "") -> str:
        return f"{self.url}#/{run}{page}"


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
        with _served(published / "some" / "where") as port:
            yield Site(f"http://127.0.0.1:{port}/")
        return
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(published))) as host:
        thread = threading.Thread(target=host.serve_forever)
        thread.start()
        yield Site(f"http://127.0.0.1:{host.server_port}/some/where/")
        host.shutdown()
        thread.join()


@contextmanager
def _served(atlas: Path) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(atlas), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()
    listener.close()


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


@contextmanager
def watched(browser: Browser, **options: object) -> Iterator[Page]:
    """A page in a fresh context; at the end nothing may have gone wrong on it or left this machine."""
    context = browser.new_context(**options)
    page = context.new_page()
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("requestfailed", lambda request: troubles.append(f"failed: {request.url}"))
    page.on("request", lambda request: troubles.append(f"outside: {request.url}") if _outside(request.url) else None)
    yield page
    context.close()
    assert troubles == []


def _outside(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme not in {"data", "blob"} and parts.hostname != "127.0.0.1"


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
        "layer": f"/layer/{reader.layers[-1]}",
        "labelled feature": f"/feature/{found['layer']}/{found['feature']}",
        "unlabelled feature": f"/feature/{found['layer']}/{bare}",
        "genes": "/genes",
        "gene": f"/genes?gene={found['genes'][0]}",
        "modules": "/modules",
        "methods": "/methods",
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
