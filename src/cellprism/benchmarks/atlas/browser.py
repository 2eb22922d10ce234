"""Pages of an atlas in a headless Chromium, on this machine's speed and on a slow one."""

from __future__ import annotations

import gzip
import os
import shutil
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import cellprism.atlas
from cellprism.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)
SLOW = {"offline": False, "latency": 40, "downloadThroughput": 10e6 / 8, "uploadThroughput": 10e6 / 8}
THROTTLE = 4
AXE = Path(cellprism.atlas.__file__).parent / "web" / "node_modules" / "axe-core" / "axe.min.js"
TEXT = {".html", ".js", ".css", ".json"}

READY = """
window.cellprismReady = new Promise((resolve) => {
  const look = () => {
    const main = document.querySelector("main");
    const there = main && main.querySelector("h1") && !main.querySelector(".waiting") &&
      main.querySelector("article, canvas[data-points], table, [role=table]");
    if (there) resolve(performance.now()); else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
});
window.cellprismBlocked = 0;
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) window.cellprismBlocked += Math.max(0, duration - 50);
}).observe({ type: "longtask", buffered: true });
"""
"""Resolves when a page has its content: neither empty nor waiting for a file. Also what tasks took beyond 50 ms."""


@dataclass(frozen=True)
class View:
    """A page opened in a fresh profile: seconds until it is there, milliseconds for which tasks of more than 50 ms kept
    it from answering until it is at rest, bytes of what was asked for until it was there, those of maps and of code,
    nodes, requests to other hosts, serious findings of axe (None: axe is not installed)."""

    ready: float
    blocked: float
    bytes: int
    maps: int
    code: int
    nodes: int
    outside: int
    axe: int | None


class Measured:
    """A browser and a host of one atlas.

    Parameters
    ----------
    browser
        A Chromium that Playwright started.
    address
        Where the atlas is.
    """

    def __init__(self, browser: Any, address: str) -> None:
        self.browser = browser
        self.address = address

    def view(self, path: str, *, slow: bool) -> View:
        """Open a page and measure it."""
        context = self.browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        if slow:
            session.send("Network.emulateNetworkConditions", SLOW)
            session.send("Emulation.setCPUThrottlingRate", {"rate": THROTTLE})
        addresses: dict[str, str] = {}
        sizes: dict[str, int] = {}
        session.on("Network.requestWillBeSent", lambda e: addresses.update({e["requestId"]: e["request"]["url"]}))
        session.on("Network.loadingFinished", lambda e: sizes.update({e["requestId"]: int(e["encodedDataLength"])}))
        page.add_init_script(READY)
        page.goto(self.address + path)
        ready = page.evaluate("window.cellprismReady") / 1e3
        asked = set(addresses)
        page.wait_for_load_state("networkidle")
        blocked = page.evaluate("window.cellprismBlocked")
        nodes = page.evaluate("document.querySelectorAll('*').length")
        axe = None if slow or not AXE.exists() else _axe(page)
        context.close()
        sizes = {i: size for i, size in sizes.items() if i in asked}  # what is fetched ahead comes after the view
        code = sum(size for i, size in sizes.items() if urlsplit(addresses[i]).path.endswith((".js", ".css")))
        maps = sum(size for i, size in sizes.items() if "/map/" in urlsplit(addresses[i]).path)
        outside = sum(1 for url in addresses.values() if urlsplit(url).hostname not in {"127.0.0.1", None, ""})
        return View(ready, blocked, sum(sizes.values()), maps, code, nodes, outside, axe)


@contextmanager
def measured(atlas: Path) -> Iterator[Measured]:
    """A browser on an atlas that is served as static hosts do, text gzipped.

    Raises
    ------
    UserError
        Playwright or Chromium is not installed.
    """
    chromium = os.environ.get("CELLPRISM_CHROMIUM") or shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        msg = "measuring pages needs a Chromium and Playwright: install both, or set CELLPRISM_CHROMIUM."
        raise UserError(msg)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Gzipping, directory=str(atlas))) as host:
        threading.Thread(target=host.serve_forever, daemon=True).start()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
            yield Measured(browser, f"http://127.0.0.1:{host.server_port}/")
            browser.close()
        host.shutdown()


def gzipped_size(path: Path) -> int:
    """Bytes of a file as a host sends it."""
    return len(gzip.compress(path.read_bytes(), 6))


class _Gzipping(SimpleHTTPRequestHandler):
    """Answer as static hosts do: text gzipped, anything else as it is."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        packed = path.suffix in TEXT
        if packed:
            data = gzip.compress(data, 6)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Length", str(len(data)))
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def handle(self) -> None:
        with suppress(ConnectionError):  # a page that is left drops what it still asked for
            super().handle()


def _axe(page: Any) -> int:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    violations = page.evaluate("axe.run().then((result) => result.violations)")
    return sum(len(found["nodes"]) for found in violations if found["impact"] in {"serious", "critical"})
