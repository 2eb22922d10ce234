"""Fetch large files of the hub so that a killed process loses nothing: the hub's own library starts them anew."""

from __future__ import annotations

import fcntl
import hashlib
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from cellprism.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

_SHA256 = 64
"""Digits of the hash by which the hub knows a large file."""


def fetch_weights(repository: str, snapshot: Path, patterns: tuple[str, ...]) -> None:
    """Put files of a repository into the hub's cache as blobs, where its library finds them.

    A file is written to ``<etag>.part`` beside its blob and goes on from there, whoever fetches it next.

    Parameters
    ----------
    repository
        Hub id.
    snapshot
        Folder of the hub's cache for the commit.
    patterns
        Of names in the repository; files that fit the first are fetched, if there are none those of the next.

    Raises
    ------
    UserError
        What was fetched is not what the hub has.
    huggingface_hub.errors.HTTPError, OSError
        The hub cannot be reached, or the transfer broke off.
    """
    from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    names = HfApi().list_repo_files(repository, revision=snapshot.name)
    fitting = ([name for name in names if fnmatch(name, pattern)] for pattern in patterns)
    blobs = snapshot.parent.parent / "blobs"
    blobs.mkdir(exist_ok=True)
    for name in next(filter(None, fitting), []):
        url = hf_hub_url(repository, name, revision=snapshot.name)
        facts = get_hf_file_metadata(url)
        blob = blobs / str(facts.etag)
        part = blobs / f"{facts.etag}.part"
        with part.open("ab") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)  # whoever waited here finds the blob
            if not blob.exists():
                http_get(url, handle, resume_size=handle.tell(), headers=build_hf_headers(), expected_size=facts.size)
                handle.flush()
                _check(part, str(facts.etag), name)
                part.replace(blob)
            part.unlink(missing_ok=True)


def _check(path: Path, etag: str, name: str) -> None:
    """Compare a file with the hash that the hub tells of large files; what differs must not be resumed again."""
    if len(etag) != _SHA256:
        return
    with path.open("rb") as handle:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
    if found != etag:
        path.unlink()
        msg = f"{name} came over the network damaged: give the same command again."
        raise UserError(msg)
