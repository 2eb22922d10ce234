"""Write the tables of docs/formats.md from the schemas; what stands above the marker is written by hand."""

from __future__ import annotations

from pathlib import Path

from cellprism.runs.schemas import TABLES, Table

DOCUMENT = Path(__file__).parents[1] / "docs" / "formats.md"
MARKER = "<!-- below: written by tools/write_formats.py -->"


def render(document: str) -> str:
    """The document with the tables below the marker brought up to date."""
    above, found, _ = document.partition(MARKER)
    if not found:
        msg = f"the document has no line {MARKER!r}"
        raise ValueError(msg)
    return f"{above}{MARKER}\n\n" + "\n".join(map(_section, TABLES.values()))


def _section(table: Table) -> str:
    rows = [f"| {name} | {kind} | {meaning} |" for name, (kind, meaning) in table.columns.items()]
    return "\n".join([f"### {table.name} (version {table.version})", "", "| column | type | meaning |", "|---|---|---|",
                      *rows, ""])


if __name__ == "__main__":
    DOCUMENT.write_text(render(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
