"""Hosts for an atlas, and pages that report everything that goes wrong on them."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import uvicorn
from playwright.sync_api import expect

from cellprism.atlas.server import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page, Request

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Site:
    """A published atlas: the address of its first page, ending in a slash."""

    url: str

    def at(self, run: str, page: str = "") -> str:
        return f"{self.url}#/{run}{page}"


@contextmanager
def from_plain_files(root: Path) -> Iterator[int]:
    """Serve a directory as `python -m http.server` does; gives the port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root))) as host:
        thread = threading.Thread(target=host.serve_forever)
        thread.start()
        yield host.server_port
        host.shutdown()
        thread.join()


@contextmanager
def from_our_server(atlas: Path) -> Iterator[int]:
    """Serve an atlas as `cellprism serve` does; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(atlas), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()
    listener.close()


COUNTING = """
window.underWay = 0;
const ask = window.fetch;
window.fetch = (...given) => {
  window.underWay += 1;
  const answer = ask(...given);
  // What comes with an answer is read, unpacked and drawn after it.
  answer.catch(() => undefined).then(() => setTimeout(() => { window.underWay -= 1; }, 30));
  return answer;
};
"""
AT_REST = """() => {
  const main = document.querySelector("main");
  const there = main?.querySelector("h1") && window.underWay === 0 && !main.textContent.includes("Loading …");
  window.framesAtRest = there ? (window.framesAtRest ?? 0) + 1 : 0;
  return window.framesAtRest > 3;
}"""
"""A page has its content, and nothing more was asked for in several frames."""


@contextmanager
def watched(browser: Browser, **options: object) -> Iterator[Page]:
    """A page in a fresh context; at the end nothing may have gone wrong on it or left this machine."""
    context = browser.new_context(**options)
    context.add_init_script(COUNTING)
    page = context.new_page()
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("requestfailed", lambda request: troubles.append(f"failed: {request.url}") if _failed(request) else None)
    page.on("request", lambda request: troubles.append(f"outside: {request.url}") if _outside(request.url) else None)
    yield page
    context.close()
    assert troubles == []


PHONE = {"width": 360, "height": 740}
UNFIT = """() => {
  const page = document.documentElement;
  const found = page.scrollWidth > page.clientWidth ? [`the page is ${page.scrollWidth} wide`] : [];
  for (const e of document.querySelectorAll("body *")) {
    if (!["auto", "scroll"].includes(getComputedStyle(e).overflowX) || e.scrollWidth <= e.clientWidth + 1) continue;
    const told = e.tagName === "PRE" || e.previousElementSibling?.matches(".sideways");
    if (e.tabIndex !== 0 || !told) found.push(`${e.tagName} ${e.className} scrolls to ${e.scrollWidth}`);
  }
  return found;
}"""
"""What does not fit: a page that scrolls sideways, or a box that does without saying so or out of reach of keys."""


def open_page(page: Page, url: str) -> None:
    """Open a page and wait until it has its content."""
    page.goto("about:blank")
    page.goto(url)
    expect(page.locator("main h1")).to_be_visible()
    page.wait_for_function(AT_REST)


def address(page: Page) -> str:
    """Where the page says that it is, which it does a frame after it has changed."""
    page.evaluate("() => new Promise((told) => requestAnimationFrame(() => setTimeout(told)))")
    return page.url


def _failed(request: Request) -> bool:
    """Leaving a page ends what it still asks for; that is no failure."""
    return request.failure != "net::ERR_ABORTED"


def _outside(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme not in {"data", "blob"} and parts.hostname != "127.0.0.1"
