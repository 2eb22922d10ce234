"""Get a source from its makers, or take the user's own files; whole and checked, or not at all."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cellprism.errors import UserError
from cellprism.knowledge import cache
from cellprism.knowledge.formats import kind_of, read_libraries, read_names, read_network
from cellprism.knowledge.sources import SOURCES
from cellprism.runs.files import sha256

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cellprism.knowledge.sources import Source

TIMEOUT = 60
"""Seconds without an answer before a server counts as silent."""
CONFIDENT = 900
"""Score at which STRING is read to see that it is whole."""


def get(
    name: str, *, accept_licence: bool = False, update: bool = False, expected: Path | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Download a source, unless the cache has it; give its record.

    Parameters
    ----------
    name
        Name in the catalogue.
    accept_licence
        The user accepts the licence; needed where it forbids some uses.
    update
        Download even if the cache has it.
    expected
        Record of an earlier download: files with other checksums are refused.
    progress
        Draw a bar on the terminal.

    Raises
    ------
    UserError
        No such source, its licence is not accepted, the download fails or breaks off, or the files are not what they
        should be. The cache then keeps what it had.
    """
    source = SOURCES.get(name)
    if source is None:
        msg = f"there is no source {name!r}: choose among {', '.join(SOURCES)}, or `cellprism knowledge add` your own."
        raise UserError(msg)
    known = cache.record(name)
    if known is not None and not update:
        cache.checked(name)
        return known
    if source.restricted and not accept_licence:
        msg = (
            f"{name} has a licence that forbids some uses ({source.licence}): read {source.home} and repeat with "
            "`--accept-licence`."
        )
        raise UserError(msg)
    checksums = _checksums(expected) if expected else {}
    with cache.replacing(name) as folder:
        for file, url in source.files.items():
            _fetch(url, folder / file, checksums.get(file), progress=progress)
        contents = _contents(folder, source)
    facts = {key: getattr(source, key) for key in ("title", "kind", "licence", "home")}
    version = _version(source, cache.folder() / name)
    return cache.write_record(name, {**facts, "version": version}, source.files, contents)


def add(name: str, files: Sequence[Path], *, licence: str = "not stated") -> dict[str, Any]:
    """Copy the user's own files into the cache under a name; give the record.

    Raises
    ------
    UserError
        The name belongs to the catalogue, a file is missing or unknown, or they do not make one source together.
    """
    if name in SOURCES:
        msg = f"{name} is a source of the catalogue: choose another name for your own files."
        raise UserError(msg)
    missing = next((path for path in files if not Path(path).is_file()), None)
    if missing is not None:
        msg = f"no file {missing}: give the files that make up {name}."
        raise UserError(msg)
    with cache.replacing(name) as folder:
        for path in files:
            shutil.copyfile(path, folder / Path(path).name)
        kinds = {kind_of(folder / Path(path).name) for path in files}
        kind = "gene names" if kinds == {"hgnc"} else "network" if kinds & {"edges", "string-links"} else "gene sets"
        contents = _counts(folder, kind)
    facts = {"title": "your own", "kind": kind, "licence": licence, "home": "", "version": ""}
    return cache.write_record(name, facts, {Path(path).name: "" for path in files}, contents)


def address(url: str) -> str:
    """Where to ask for ``url``: itself, or the same host and path below ``CELLPRISM_MIRROR``."""
    mirror = os.environ.get("CELLPRISM_MIRROR")
    if not mirror:
        return url
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{mirror.rstrip('/')}/{parts.netloc}{parts.path}{query}"


def _fetch(url: str, target: Path, checksum: str | None, *, progress: bool) -> None:
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    zipped = urlsplit(url).path.endswith(".zip")
    arriving = target.with_name(f".{target.name}.arriving")
    headers = {"User-Agent": "cellprism", "Accept-Encoding": "identity"}
    download = pooch.HTTPDownloader(timeout=TIMEOUT, headers=headers, progressbar=progress)
    try:
        pooch.retrieve(address(url), None, fname=arriving.name, path=arriving.parent, downloader=download)
    except (requests.RequestException, OSError) as error:
        msg = f"{address(url)} did not arrive whole ({_reason(error)}): nothing was kept; try again."
        raise UserError(msg) from None
    if zipped:
        _unzip(url, arriving, target)
    else:
        arriving.rename(target)
    if checksum is not None and sha256(target) != checksum:
        msg = f"{address(url)} has another checksum than the record: it changed or was damaged; nothing was kept."
        raise UserError(msg)


def _unzip(url: str, archive: Path, target: Path) -> None:
    """Take the one file out of a zip archive."""
    try:
        with zipfile.ZipFile(archive) as content:
            (member,) = content.namelist()
            target.write_bytes(content.read(member))
    except (zipfile.BadZipFile, ValueError) as error:
        msg = f"{address(url)} is no zip file with one file in it ({error}): nothing was kept; try again."
        raise UserError(msg) from None
    archive.unlink()


def _contents(folder: Path, source: Source) -> dict[str, int]:
    try:
        return _counts(folder, source.kind)
    except UserError as error:
        message = str(error).replace(f"{folder}{os.sep}", "")
        msg = f"{source.name} sent files that are not what they should be, nothing was kept: {message}"
        raise UserError(msg) from None


def _counts(folder: Path, kind: str) -> dict[str, int]:
    """Read a source through, and count."""
    if kind == "gene names":
        return {"symbols": len(read_names(folder).levels[1])}
    if kind == "network":
        network = read_network(folder, least_score=CONFIDENT)
        return {"genes": len(network.genes), "edges": len(network.edges)}
    libraries = read_libraries(folder)
    genes = {gene for terms in libraries.values() for members in terms.values() for gene in members}
    return {"terms": sum(map(len, libraries.values())), "genes": len(genes)}


def _version(source: Source, folder: Path) -> str:
    """The release that a file names, or that of the catalogue."""
    for file in source.files:
        if file.endswith(".obo"):
            from cellprism.knowledge.ontology import read_obo

            return read_obo(folder / file).version or source.version
    return source.version


def _checksums(path: Path) -> dict[str, str]:
    import json

    try:
        return {file["name"]: file["sha256"] for file in json.loads(path.read_text(encoding="utf-8"))["files"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path} is no record of a download ({error}): give the JSON file beside a downloaded source."
        raise UserError(msg) from None


def _reason(error: Exception) -> str:
    """The last, most concrete cause, in a line."""
    return " ".join(str(error).split())[:200]
