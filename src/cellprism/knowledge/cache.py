"""The folder of downloaded and added sources: whole or not there, with a record of what each is."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellprism.errors import UserError
from cellprism.runs.files import sha256, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def folder() -> Path:
    """``CELLPRISM_CACHE``, or the platform's place for caches."""
    import pooch

    return Path(os.environ.get("CELLPRISM_CACHE") or pooch.os_cache("cellprism")) / "knowledge"


def record(name: str) -> dict[str, Any] | None:
    """What is known of a source that is in the cache, or None.

    Keys: name, kind, version, date, licence, files (name, url, bytes, sha256 of each) and contents (counts).
    """
    if not NAME.fullmatch(name):
        return None
    path = _record_path(name)
    if not path.exists():
        return None
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return known


def records() -> dict[str, dict[str, Any]]:
    """All sources in the cache by name."""
    names = sorted(path.stem for path in folder().glob("*.json"))
    return {name: known for name in names if (known := record(name)) is not None}


def checked(name: str) -> Path:
    """Folder of a source in the cache.

    Raises
    ------
    UserError
        A file is missing or is not what the record says.
    """
    known = record(name) or {"files": []}
    for file in known["files"]:
        path = folder() / name / file["name"]
        if not path.exists() or sha256(path) != file["sha256"]:
            state = "was changed" if path.exists() else "is gone"
            msg = f"{path} {state} since it was put there: get or add {name} again."
            raise UserError(msg)
    return folder() / name


@contextmanager
def replacing(name: str) -> Iterator[Path]:
    """An empty folder that takes the place of source ``name`` when the block ends without an error.

    Raises
    ------
    UserError
        The name cannot be the name of a folder.
    """
    if not NAME.fullmatch(name):
        msg = f"{name!r} cannot be a name: use letters, digits, dot, underscore and hyphen."
        raise UserError(msg)
    folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=folder()) as temporary:
        fresh = Path(temporary) / name
        fresh.mkdir()
        yield fresh
        _record_path(name).unlink(missing_ok=True)
        if (folder() / name).exists():
            shutil.rmtree(folder() / name)
        fresh.rename(folder() / name)


def write_record(
    name: str, facts: dict[str, Any], urls: dict[str, str], contents: dict[str, int],
) -> dict[str, Any]:
    """Record source ``name``, whose files are in place; ``urls`` has the address of each file."""
    known = {
        "name": name, **facts, "date": time.strftime("%Y-%m-%d", time.gmtime()), "contents": contents,
        "files": [
            {"name": file, "url": url, "bytes": path.stat().st_size, "sha256": sha256(path)}
            for file, url in urls.items() if (path := folder() / name / file)
        ],
    }
    write_json(_record_path(name), known)
    return known


def _record_path(name: str) -> Path:
    return folder() / f"{name}.json"
