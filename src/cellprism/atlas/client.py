"""Read the tables of a run wherever they are: its directory, an exported atlas, or an atlas at an address."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin, urlsplit

from cellprism.atlas.files import FORMAT, is_atlas
from cellprism.atlas.packing import unpack_json
from cellprism.errors import UserError
from cellprism.reader import RunReader, open_run
from cellprism.runs.directory import Run, open_directory
from cellprism.runs.files import atomic_path

if TYPE_CHECKING:
    import requests

TIMEOUT = 30.0
"""Seconds that a host may take to answer."""


def open_atlas(path: str | Path, run: str | None = None) -> RunReader:
    """Open a run for reading: the same calls wherever it is.

    Parameters
    ----------
    path
        A run directory, a directory that ``cellprism export`` wrote, or the address of an atlas, served or static, as
        a browser shows it. Tables of an address are fetched when they are first asked for.
    run
        Which run of the atlas, by its id. Not needed where there is only one, or where the address names it.

    Returns
    -------
    RunReader
        Gives every table as a DataFrame.

    Raises
    ------
    UserError
        There is no run or atlas, the atlas has no such run or several to choose from, or a host does not answer.
    """
    text = str(path)
    if urlsplit(text).scheme in {"http", "https"}:
        return RunReader(_published(text, run))
    folder = Path(path)
    if not is_atlas(folder):
        return open_run(folder)
    index = json.loads((folder / "atlas.json").read_text(encoding="utf-8"))
    return RunReader(open_directory(folder / "download" / _choice(index, run, text)))


class PublishedRun(Run):
    """The tables of a run in an atlas at an address, kept in a temporary directory once they were fetched.

    Parameters
    ----------
    host
        Fetches the atlas's files.
    identifier
        Id of the run.
    """

    def __init__(self, host: Host, identifier: str) -> None:
        self._host = host
        self._base = f"download/{identifier}/"
        listing = host.json(f"runs/{identifier}/tables.jz")
        self._hashes: dict[str, str] = {entry["file"]: entry["sha256"] for entry in listing["files"]}
        self.path = Path(tempfile.mkdtemp(prefix="cellprism-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
        for name in ("format.json", "run.yaml", "model.json", "absent.json"):
            self._fetch(name)
        super().__init__(self.path, open_directory(self.path).config)

    @property
    def name(self) -> str:
        return f"{self._host.address}{self._base}"

    def file(self, name: str, layer: int | None = None) -> Path:
        """The local copy of a file or folder of the run; one that the atlas does not list does not exist."""
        path = super().file(name, layer)
        wanted = path.relative_to(self.path).as_posix()
        for listed in self._hashes:
            if listed == wanted or listed.startswith(f"{wanted}/"):
                self._fetch(listed)
        return path

    def suffixes(self, name: str, layer: int) -> list[str]:
        start = f"layers/{layer:02d}/{name}"
        found = (file.removeprefix(start).removesuffix(".parquet") for file in self._hashes
                 if file.startswith(start) and file.endswith(".parquet"))
        return sorted(suffix for suffix in found if suffix == "" or suffix.startswith("_"))

    def beginning(self, start: str) -> list[str]:
        return sorted(file for file in self._hashes if file.startswith(start) and "/" not in file.removeprefix(start))

    def _fetch(self, name: str) -> None:
        target = self.path / name
        if name not in self._hashes or target.exists():
            return
        data = self._host.bytes(self._base + name)
        if hashlib.sha256(data).hexdigest() != self._hashes[name]:
            msg = f"{self.name}{name} is not the file that the atlas lists: its SHA-256 differs; fetch it again later."
            raise UserError(msg)
        with atomic_path(target) as temporary:
            temporary.write_bytes(data)


class Host:
    """Fetches files below an address."""

    def __init__(self, address: str) -> None:
        import requests

        self.address = address
        self._session = requests.Session()
        # a proxy cannot reach this machine's own addresses
        self._session.trust_env = urlsplit(address).hostname not in {"127.0.0.1", "localhost", "::1"}
        self._failure: type[requests.RequestException] = requests.RequestException

    def bytes(self, name: str) -> bytes:
        address = urljoin(self.address, name)
        try:
            answer = self._session.get(address, timeout=TIMEOUT)
        except self._failure as error:
            msg = f"{address} cannot be fetched ({type(error).__name__}): is the address right, and the server running?"
            raise UserError(msg) from None
        if answer.status_code != 200:
            msg = f"{address} cannot be fetched: the server answered {answer.status_code}; is this an atlas?"
            raise UserError(msg)
        content: bytes = answer.content
        return content

    def json(self, name: str) -> Any:
        data = self.bytes(name)
        try:
            return unpack_json(data)
        except (ValueError, OSError, EOFError):
            msg = f"{urljoin(self.address, name)} is not a file of an atlas: give the address of its first page."
            raise UserError(msg) from None


def _published(address: str, run: str | None) -> PublishedRun:
    """The run at an address; the part after ``#`` of a page's address names the run."""
    plain, _, page = address.partition("#")
    plain = plain.partition("?")[0].removesuffix("index.html").removesuffix("atlas.json")
    host = Host(plain if plain.endswith("/") else f"{plain}/")
    index = host.json("atlas.json")
    if not isinstance(index, dict) or not {"format", "runs"} <= index.keys():
        msg = f"{host.address} is not an atlas: give the address of the atlas's first page."
        raise UserError(msg)
    named = unquote(page.removeprefix("/").partition("/")[0].partition("?")[0])
    return PublishedRun(host, _choice(index, run or named or None, address))


def _choice(index: dict[str, Any], run: str | None, where: str) -> str:
    if index["format"] > FORMAT:
        msg = (
            f"{where} has atlas format {index['format']}, this cellprism reads up to {FORMAT}: "
            "update with `pip install -U cellprism`."
        )
        raise UserError(msg)
    known = [str(entry["id"]) for entry in index["runs"]]
    if run is None and len(known) == 1:
        return known[0]
    if run in known:
        return run
    if run is None:
        msg = f"{where} has the runs {', '.join(known)}: choose one with `run=`."
    else:
        msg = f"{where} has no run {run!r}: it has {', '.join(known)}."
    raise UserError(msg)
