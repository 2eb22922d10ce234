"""A server that answers as the Hugging Face hub does, as far as fetching a repository asks."""

from __future__ import annotations

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Serves the folder ``files`` as repository ``name`` at `COMMIT`, which is also its branch ``main``.

    The next transfer of the file ``cut`` breaks off half way, that of ``stuck`` stops there and keeps the line,
    ``down`` names a file that cannot be had, ``asked`` lists the paths and Range headers of downloads, ``gated`` lets
    nobody in.
    """

    daemon_threads = True

    def __init__(self, files: Path, name: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.name = name
        self.cut = self.stuck = self.down = ""
        self.gated = False
        self.asked: list[tuple[str, str]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        hub = self.server
        if hub.gated:
            self._json({"error": "ask first"}, status=403, headers={"X-Error-Code": "GatedRepo"})
        elif path in {f"/api/models/{hub.name}", f"/api/models/{hub.name}/revision/main"}:
            self._json({"id": hub.name, "sha": COMMIT, "siblings": []})
        elif path == f"/api/models/{hub.name}/tree/{COMMIT}":
            self._json([
                {"type": "file", "path": f.relative_to(hub.files).as_posix(), "size": f.stat().st_size, "oid": _etag(f)}
                for f in sorted(hub.files.rglob("*")) if f.is_file()
            ])
        elif path.startswith(f"/{hub.name}/resolve/{COMMIT}/"):
            self._file(path.removeprefix(f"/{hub.name}/resolve/{COMMIT}/"))
        else:
            kind = "RevisionNotFound" if path.startswith(f"/api/models/{hub.name}/") else "RepoNotFound"
            self._json({"error": "not found"}, status=404, headers={"X-Error-Code": kind})

    def _json(self, value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self._head(status, {**(headers or {}), "Content-Length": str(len(body)), "Content-Type": "application/json"})
        if self.command == "GET":
            self.wfile.write(body)

    def _file(self, name: str) -> None:
        if name == self.server.down:
            self._json({"error": "down"}, status=403)
            return
        body = (self.server.files / name).read_bytes()
        asked = self.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
        headers = {
            "ETag": f'"{_etag(self.server.files / name)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes",
            "Content-Length": str(len(body) - start),
        }
        if asked:
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        self._head(206 if asked else 200, headers)
        if self.command == "HEAD":
            return
        self.server.asked.append((name, asked))
        if name == self.server.cut:
            self.server.cut = ""
            self.wfile.write(body[start : start + (len(body) - start) // 2])
            self.close_connection = True
        elif name == self.server.stuck:
            self.server.stuck = ""
            self.wfile.write(body[start : start + (len(body) - start) // 2])
            self.wfile.flush()
            self.connection.settimeout(60)
            self.connection.recv(1)  # until the other side is gone
            self.close_connection = True
        else:
            self.wfile.write(body[start:])

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Keep quiet."""


def _etag(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
