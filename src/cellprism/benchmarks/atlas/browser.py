"""Pages of an atlas in a headless Chromium, on this machine's speed and on a slow one."""

from __future__ import annotations

import gzip
import os
import shutil
import threading
from contextlib import contextmanager
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
"""
"""Resolves when a page has its content: neither empty nor waiting for a file."""


@dataclass(frozen=True)
class View:
    """A page opened in a fresh profile: seconds until it is there, bytes over the wire, bytes of code, nodes, requests
    to other hosts, serious findings of axe (None: axe is not installed)."""

    ready: float
    bytes: int
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

    FRAMES = 40

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
        page.wait_for_load_state("networkidle")
        nodes = page.evaluate("document.querySelectorAll('*').length")
        axe = None if slow or not AXE.exists() else _axe(page)
        context.close()
        code = sum(size for i, size in sizes.items() if urlsplit(addresses[i]).path.endswith((".js", ".css")))
        outside = sum(1 for url in addresses.values() if urlsplit(url).hostname not in {"127.0.0.1", None, ""})
        return View(ready, sum(sizes.values()), code, nodes, outside, axe)

    def frame(self, path: str) -> tuple[float, int]:
        """Milliseconds of the page's thread for each frame while the map is dragged, and the dots on it."""
        page = self.browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(self.address + path)
        canvas = page.locator("canvas[data-points]").first
        canvas.wait_for()
        page.wait_for_load_state("networkidle")
        box = canvas.bounding_box()
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        before = _busy(session)
        for step in range(self.FRAMES):
            page.mouse.move(x + 3 * step, y + step)
            page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
        spent = _busy(session) - before
        page.mouse.up()
        points = int(canvas.get_attribute("data-points"))
        page.close()
        return 1e3 * spent / self.FRAMES, points


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


def _axe(page: Any) -> int:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    violations = page.evaluate("axe.run().then((result) => result.violations)")
    return sum(len(found["nodes"]) for found in violations if found["impact"] in {"serious", "critical"})


def _busy(session: Any) -> float:
    """Seconds that the page's thread has worked."""
    metrics = {entry["name"]: entry["value"] for entry in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"])
