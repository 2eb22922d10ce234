"""Serve an atlas on this machine: its files as they are, and a few questions under ``/api``."""

from __future__ import annotations

import errno
import hashlib
import json
import socket
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles

from cellprism._version import __version__
from cellprism.atlas.api import routes
from cellprism.atlas.export import STATIC, export
from cellprism.atlas.files import FORMAT, Atlas, Missing, is_atlas
from cellprism.atlas.guard import Guard, is_wildcard
from cellprism.atlas.nameindex import names_key
from cellprism.errors import UserError
from cellprism.runs.files import sha256, write_text

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from starlette.types import Scope

TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".json": "application/json", ".svg": "image/svg+xml", ".png": "image/png", ".txt": "text/plain; charset=utf-8",
}
"""Content types by suffix, so that they do not depend on the machine; anything else is a stream of bytes."""

PORTS = range(8642, 8692)
"""Ports that are tried, in this order, when none is asked for."""


def create_app(path: Path, *, host: str = "127.0.0.1", origins: Sequence[str] = ()) -> FastAPI:
    """The application that serves one exported atlas, read-only.

    Parameters
    ----------
    path
        An atlas directory.
    host
        Address that the server will be bound to.
    origins
        Sites whose pages may read the answers, such as ``https://lab.example``; none unless asked.

    Raises
    ------
    UserError
        The directory is not an atlas, or is of a newer format.
    """
    atlas = Atlas(Path(path))
    app = FastAPI(
        title="cellprism atlas", version=__version__, docs_url=None, redoc_url=None,
        description="What the features of a single-cell foundation model mean. Read-only.",
    )
    app.include_router(routes(atlas))
    served = {**atlas.index, "mode": "serve", "capabilities": [*atlas.index["capabilities"], "api"]}
    index = json.dumps(served, ensure_ascii=False).encode()
    tag = f'"{hashlib.sha256(index).hexdigest()[:32]}"'

    @app.get("/atlas.json", include_in_schema=False)
    def atlas_json(request: Request) -> Response:
        known = request.headers.get("if-none-match") == tag
        return Response(b"" if known else index, 304 if known else 200, {"ETag": tag}, TYPES[".json"])

    @app.get("/docs", include_in_schema=False)
    def docs() -> Response:
        """The questions are described on the page "Data", which asks no other host for anything."""
        return RedirectResponse(f"/#/{quote(atlas.runs[0].id)}/data" if atlas.runs else "/")

    app.mount("/", _Files(directory=atlas.path, html=True))
    app.add_exception_handler(Missing, _missing)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    if origins:
        app.add_middleware(CORSMiddleware, allow_origins=[_origin(site) for site in origins], allow_methods=["GET"])
    app.add_middleware(Guard, host=host)
    return app


def serve(
    paths: Sequence[Path],
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    origins: Sequence[str] = (),
    on_ready: Callable[[str], None] = lambda _url: None,
) -> None:
    """Serve runs or one exported atlas until interrupted.

    Parameters
    ----------
    paths
        Run directories, or one atlas directory.
    host
        Address to bind to.
    port
        Port to listen on; default: the first free one of `PORTS`.
    origins
        Sites whose pages may read the answers.
    on_ready
        Called with the URL once the server answers.

    Raises
    ------
    UserError
        A path is neither, a run is not finished, or no port is free.
    """
    with prepared([Path(path) for path in paths]) as atlas, _bound(host, port) as listener:
        name = socket.gethostname() if is_wildcard(host) else host
        shown = f"[{name}]" if ":" in name else name
        url = f"http://{shown}:{listener.getsockname()[1]}/"
        app = create_app(atlas, host=host, origins=origins)
        config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", server_header=False)
        with suppress(KeyboardInterrupt):
            _Server(config, lambda: on_ready(url)).run(sockets=[listener])


def _origin(site: str) -> str:
    """A site as browsers name it: scheme, host and port, nothing after."""
    parts = urlsplit(site)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path.strip("/") or parts.query:
        msg = f"{site!r} is not a site: give scheme and host, such as https://lab.example, and nothing after."
        raise UserError(msg)
    return f"{parts.scheme}://{parts.netloc}".lower()


@contextmanager
def prepared(paths: Sequence[Path]) -> Iterator[Path]:
    """The directory to serve: the atlas itself, an export kept within the run, or a temporary one."""
    exported = [path for path in paths if is_atlas(path)]
    if exported and len(paths) > 1:
        msg = f"{exported[0]} is an exported atlas, which can only be served alone: give the runs that it was made of."
        raise UserError(msg)
    if exported:
        yield exported[0]
        return
    if len(paths) == 1 and (kept := _kept(paths[0])) is not None:
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="cellprism-") as folder:
        yield export(paths, Path(folder) / "atlas")


def _kept(run: Path) -> Path | None:
    """An export within the run, made now unless one of this very run is there; None where it cannot be written."""
    cache = run / ".cache"
    manifest = run / "manifest.json"
    if not manifest.exists():
        return None
    parts = [__version__, str(FORMAT), sha256(STATIC), sha256(manifest), sha256(run / "run.yaml")]
    remarks = run / "remarks.parquet"
    parts += [names_key(), *([sha256(remarks)] if remarks.exists() else []), *_results(run)]
    key = "\n".join(parts) + "\n"
    try:
        if not (is_atlas(cache / "atlas") and (cache / "atlas.key").read_text(encoding="utf-8") == key):
            cache.mkdir(exist_ok=True)
            export([run], cache / "atlas")
            write_text(cache / "atlas.key", key)
    except OSError:
        return None
    return cache / "atlas"


def _results(run: Path) -> list[str]:
    """What tells that a command other than the run's wrote a table since: names, sizes and times of such tables."""
    paths = sorted(path for folder in ("causal", "regulation") for path in (run / folder).rglob("*.parquet"))
    return [f"{path.relative_to(run)} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in paths]


class _Files(StaticFiles):
    """Files under content types of our own, never with a Content-Encoding."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        if response.status_code == 200:
            response.headers["Content-Type"] = TYPES.get(Path(full_path).suffix, "application/octet-stream")
        return response


class _Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()


@contextmanager
def _bound(host: str, port: int | None) -> Iterator[socket.socket]:
    """A listening socket."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _bind(listener, host, PORTS if port is None else (port,))
        listener.listen()
        yield listener


def _bind(listener: socket.socket, host: str, ports: Sequence[int]) -> None:
    for port in ports:
        try:
            listener.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE and port != ports[-1]:
                continue
            msg = f"cannot listen on {host} port {port} ({error.strerror}): choose another port with `--port`."
            raise UserError(msg) from None
        return


def _missing(_request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 404)


def _refused(request: Request, error: Exception) -> Response:
    status, detail = getattr(error, "status_code", 500), getattr(error, "detail", "")
    if status == 404:
        detail = f"There is no {request.url.path} in this atlas."
    elif status == 405:
        detail = "This atlas is read-only: use GET."
    return JSONResponse({"detail": detail}, status, headers=getattr(error, "headers", None))


def _invalid(_request: Request, error: Exception) -> Response:
    fault: dict[str, Any] = error.errors()[0] if isinstance(error, RequestValidationError) else {}
    detail = f"{fault['loc'][-1]}: {fault['msg'][0].lower()}{fault['msg'][1:]}, got {fault['input']!r}."
    return JSONResponse({"detail": detail}, 422)
