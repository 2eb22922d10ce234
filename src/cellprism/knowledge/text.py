"""Lines of a text file, gzipped or not, and sentences that name one of them."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from cellprism.errors import UserError


def read_lines(path: Path, kind: str) -> list[str]:
    """The lines of a UTF-8 file without their ends; a file whose name ends in ``.gz`` is decompressed.

    Raises
    ------
    UserError
        The file is missing, is no text, or is a truncated or damaged gzip file; ``kind`` says what was expected.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read as {kind}: {error}; give a whole text file, or get it again."
        raise UserError(msg) from None
    return text.replace("\r\n", "\n").rstrip("\n").split("\n")


def fault(path: Path, number: int, what: str) -> UserError:
    """The error to raise for line ``number`` (from 1) of ``path``; ``what`` says what is wrong and what to do."""
    return UserError(f"{path}, line {number}, {what}.")


def fields(path: Path, number: int, line: str, least: int) -> list[str]:
    """The tab-separated fields of a line, stripped.

    Raises
    ------
    UserError
        There are fewer than ``least``.
    """
    parts = [part.strip() for part in line.split("\t")]
    if len(parts) < least:
        raise fault(path, number, f"has {len(parts)} tab-separated fields and needs {least}: get the file again")
    return parts


def columns(path: Path, header: list[str], wanted: tuple[str, ...]) -> list[int]:
    """Places of the ``wanted`` columns in a header.

    Raises
    ------
    UserError
        One is missing.
    """
    missing = [name for name in wanted if name not in header]
    if missing:
        raise fault(path, 1, f"has no column {missing[0]!r} among {', '.join(header[:20])}: is it the right file?")
    return [header.index(name) for name in wanted]


def stem(path: Path) -> str:
    """Name of a file without ``.gz`` and its extension."""
    name = Path(path).name.removesuffix(".gz")
    return name.rsplit(".", 1)[0] if "." in name else name
