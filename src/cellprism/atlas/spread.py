"""Records of genes and of gene sets spread over files of about equal size, whatever the size of the run."""

from __future__ import annotations

from typing import Any, TypeVar

ROWS = 1000
"""Rows of a file, about: some 15 kB."""
FEWEST, MOST = 256, 4096

Record = TypeVar("Record")


def spread(records: dict[int, Record], n_rows: int) -> list[dict[str, Any]]:
    """Files of records: file i has those whose number is i modulo the number of files, a power of two."""
    n_files = FEWEST
    while n_files < MOST and n_files * ROWS < n_rows:
        n_files *= 2
    files: list[dict[str, Any]] = [{} for _ in range(n_files)]
    for number, record in records.items():
        files[number % n_files][str(number)] = record
    return files


def file_name(folder: str, number: int, n_files: int) -> str:
    """Name of the file that has record ``number``."""
    return f"{folder}/{number % n_files:02x}.jz"
