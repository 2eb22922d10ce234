"""docs/formats.md says what the schemas say."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from cellprism.runs.schemas import TABLES

TOOL = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "write_formats.py"))


def test_document_is_current() -> None:
    document = TOOL["DOCUMENT"].read_text(encoding="utf-8")
    assert document == TOOL["render"](document), "run `.venv/bin/python tools/write_formats.py`"


def test_every_table_and_column_is_there() -> None:
    text = TOOL["render"](TOOL["MARKER"])
    for table in TABLES.values():
        section = text.split(f"### {table.name} (version {table.version})\n")[1].split("\n### ")[0]
        for name, (kind, meaning) in table.columns.items():
            assert f"| {name} | {kind} | {meaning} |" in section


def test_document_without_marker() -> None:
    with pytest.raises(ValueError, match="has no line"):
        TOOL["render"]("# Files")
