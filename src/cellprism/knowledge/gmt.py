"""GMT files: one gene set a line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cellprism.knowledge.text import fault, read_lines

if TYPE_CHECKING:
    from pathlib import Path

REACTOME = re.compile(r"R-[A-Z]{3}-\d+")
WEIGHT = re.compile(r",[\d.eE+-]+$")


def read_gmt(path: Path) -> dict[str, tuple[str, ...]]:
    """Read a GMT file: one gene set a line, with its name, a description and its genes, separated by tabs.

    Blank fields are dropped, weights of Enrichr files (``GENE,1.0``) stripped, symbols upper-cased and listed once.
    Reactome gives the identifier of a pathway beside its name, in either order, and some names are not unique: such a
    term is called ``name (R-HSA-...)``.

    Returns
    -------
    dict
        Term -> gene symbols, in the order of the file.

    Raises
    ------
    UserError
        The file cannot be read, or a line has no tabs, no name, no genes or the name of an earlier line.
    """
    sets: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(read_lines(path, "a GMT file"), start=1):
        if not line.strip():
            continue
        name, *rest = (part.strip() for part in line.split("\t"))
        genes = tuple(dict.fromkeys(filter(None, (_symbol(part) for part in rest[1:]))))
        term = _reactome(name, rest[0]) if rest else name
        if not rest:
            what = "has no tabs: write the name, a description and the genes with a tab between any two"
        elif not name:
            what = "has no name: write one before the first tab"
        elif not genes:
            what = f"has no genes for {term!r}: add them after the description, or delete the line"
        elif term in sets:
            what = f"repeats the name {term!r}: rename or delete one of the two"
        else:
            sets[term] = genes
            continue
        raise fault(path, number, what)
    if not sets:
        raise fault(path, 1, "holds no gene sets: give a GMT file with at least one line")
    return sets


def _symbol(field: str) -> str:
    return WEIGHT.sub("", field).strip().upper()


def _reactome(name: str, description: str) -> str:
    if REACTOME.fullmatch(name) and description:
        return f"{description} ({name})"
    return f"{name} ({description})" if REACTOME.fullmatch(description) else name
