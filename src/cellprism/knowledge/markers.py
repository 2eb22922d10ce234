"""Marker genes of cell types: PanglaoDB and CellMarker."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

import pandas as pd

from cellprism.knowledge.text import columns, fault, read_lines

if TYPE_CHECKING:
    from pathlib import Path

PANGLAO = ("species", "official gene symbol", "cell type")
CELLMARKER = (
    ("speciesType", "tissueType", "cellName", "geneSymbol"),
    ("species", "tissue_type", "cell_name", "Symbol"),
)
"""Columns of CellMarker 1.0 (text) and 2.0 (its spreadsheet saved as text)."""


def read_panglao(path: Path) -> pd.DataFrame:
    """Read the marker table of PanglaoDB: columns species, symbol (upper case) and cell_type; every row of the file.

    Raises
    ------
    UserError
        The file cannot be read, lacks a column, or a line is short or lacks symbol or cell type.
    """
    return _table(path, PANGLAO, "a PanglaoDB table").set_axis(["species", "symbol", "cell_type"], axis=1)


def panglao_sets(markers: pd.DataFrame, species: str = "Hs") -> dict[str, tuple[str, ...]]:
    """Cell type -> markers in ``species`` (``Hs`` human, ``Mm`` mouse)."""
    return _sets(markers[[species in listed.split() for listed in markers["species"]]])


def read_cellmarker(path: Path) -> pd.DataFrame:
    """Read CellMarker 1.0, or 2.0 saved as text: columns species, symbol (upper case), cell_type; one row a marker.

    A cell type is called ``cell (tissue)``. Fields of CellMarker 1.0 hold lists with brackets around complexes and
    ``NA`` for what has no symbol.

    Raises
    ------
    UserError
        The file cannot be read, has the columns of neither version, or a line is short.
    """
    header = _split(read_lines(path, "a CellMarker table"))[0]
    names = next((names for names in CELLMARKER if set(names) <= set(header)), CELLMARKER[0])
    table = _table(path, names, "a CellMarker table", may_be_empty=True)
    rows = []
    for species, tissue, cell, listed in table.itertuples(index=False):
        genes = (gene.strip() for gene in re.split(r"[,\[\]]", listed))
        rows += [(species, gene, f"{cell} ({tissue})") for gene in genes if gene not in ("", "NA")]
    return pd.DataFrame(rows, columns=["species", "symbol", "cell_type"])


def cellmarker_sets(markers: pd.DataFrame, species: str = "Human") -> dict[str, tuple[str, ...]]:
    """Cell type -> markers in ``species``."""
    return _sets(markers[markers["species"] == species])


def _sets(markers: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    grouped = markers.drop_duplicates(["cell_type", "symbol"]).groupby("cell_type", sort=False)["symbol"]
    return {str(cell_type): tuple(symbols) for cell_type, symbols in grouped}


def _table(path: Path, names: tuple[str, ...], kind: str, *, may_be_empty: bool = False) -> pd.DataFrame:
    rows = _split(read_lines(path, kind))
    places = columns(path, rows[0], names)
    table = []
    for number, row in enumerate(rows[1:], start=2):
        if len(row) <= max(places):
            raise fault(path, number, f"has {len(row)} fields and needs {max(places) + 1}: get the file again")
        values = [row[place].strip() for place in places]
        if not may_be_empty and not all(values[1:]):
            raise fault(path, number, f"lacks one of {', '.join(names[1:])}: get the file again")
        table.append([*values[:-1], values[-1].upper()] if may_be_empty else [values[0], values[1].upper(), values[2]])
    if not table:
        raise fault(path, 1, "is the only line: give a table with markers")
    return pd.DataFrame(table, columns=list(names))


def _split(lines: list[str]) -> list[list[str]]:
    return list(csv.reader(lines, delimiter="\t" if "\t" in lines[0] else ",", quoting=csv.QUOTE_MINIMAL))
