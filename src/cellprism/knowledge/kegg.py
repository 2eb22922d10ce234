"""KEGG pathways from the tables of its REST service (`link/pathway/hsa`, `list/pathway/hsa`, `list/hsa`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellprism.knowledge.text import fault, fields, read_lines

if TYPE_CHECKING:
    from pathlib import Path


def kegg_sets(link: Path, pathways: Path, genes: Path) -> dict[str, tuple[str, ...]]:
    """Pathway -> gene symbols.

    Parameters
    ----------
    link
        ``hsa:10327<tab>path:hsa00010``: a gene and its pathway.
    pathways
        ``hsa00010<tab>Glycolysis / Gluconeogenesis - Homo sapiens (human)``.
    genes
        ``hsa:10327<tab>CDS<tab>position<tab>AKR1A1, ALDR1; aldo-keto reductase``; the first symbol is the current one,
        and entries without a symbol before the semicolon are left out.

    Raises
    ------
    UserError
        A file cannot be read, a line is short, or a pathway of ``link`` has no name.
    """
    names = {
        row[0].removeprefix("path:"): row[1].rpartition(" - ")[0] or row[1] for _, row in _rows(pathways, 2)
    }
    symbols = {}
    for _, row in _rows(genes, 2):
        listed, semicolon, _ = row[-1].partition(";")
        if semicolon:
            symbols[row[0]] = listed.split(",")[0].strip().upper()
    sets: dict[str, dict[str, None]] = {}
    for number, (gene, pathway) in _rows(link, 2):
        identifier = pathway.removeprefix("path:")
        if identifier not in names:
            raise fault(link, number, f"has the pathway {identifier}, which {pathways} does not name: get both again")
        members = sets.setdefault(f"{names[identifier]} ({identifier})", {})
        if gene in symbols:
            members[symbols[gene]] = None
    return {term: tuple(members) for term, members in sets.items() if members}


def _rows(path: Path, least: int) -> list[tuple[int, list[str]]]:
    lines = enumerate(read_lines(path, "a table of KEGG"), start=1)
    rows = [(number, fields(path, number, line, least)) for number, line in lines if line.strip()]
    if not rows:
        raise fault(path, 1, "holds no rows: get it again")
    return rows
