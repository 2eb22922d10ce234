"""What a gene is called: one place that turns any of its names into the approved symbol."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cellprism.errors import UserError
from cellprism.knowledge.text import columns, fault, read_lines

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ENSEMBL = re.compile(r"(ENS[A-Z]*G\d{11})(\.\d+)?(_PAR_Y)?")
COLUMNS = ("symbol", "status", "alias_symbol", "prev_symbol", "ensembl_gene_id")


@dataclass(frozen=True)
class Resolution:
    """Names and what they stand for.

    Attributes
    ----------
    symbols
        Name as given -> approved symbol.
    unmapped
        Names that nothing is known by, in the order given.
    ambiguous
        Names that are a previous symbol or an alias of several genes and the symbol of none, with those genes.
    """

    symbols: dict[str, str]
    unmapped: tuple[str, ...]
    ambiguous: dict[str, tuple[str, ...]]


class GeneNames:
    """Names of genes.

    A name is looked up as Ensembl gene id (without its version), then as approved symbol, as previous symbol, and as
    alias; the first that knows it decides, and a name that stands for several genes at that level is ambiguous. Case is
    ignored.

    Parameters
    ----------
    levels
        Dicts of upper-case names to approved symbols, in the order in which they are asked.
    """

    def __init__(self, levels: list[dict[str, tuple[str, ...]]]) -> None:
        self.levels = levels

    def resolve(self, names: Iterable[str]) -> Resolution:
        """Look up every name; what is not found or ambiguous is listed."""
        symbols, unmapped, ambiguous = {}, [], {}
        for name in dict.fromkeys(names):
            found = self._find(name)
            if len(found) == 1:
                symbols[name] = found[0]
            elif found:
                ambiguous[name] = found
            else:
                unmapped.append(name)
        return Resolution(symbols, tuple(unmapped), ambiguous)

    def _find(self, name: str) -> tuple[str, ...]:
        key = without_version(name.strip()).upper()
        return next((level[key] for level in self.levels if key in level), ())


def without_version(name: str) -> str:
    """An Ensembl gene id without its version; any other name as it is."""
    match = ENSEMBL.fullmatch(name.upper())
    return match.group(1) if match else name


def read_hgnc(path: Path) -> GeneNames:
    """Read HGNC's complete set (`hgnc_complete_set.txt`, tab-separated; lists are joined by ``|``).

    Raises
    ------
    UserError
        The file cannot be read, lacks a column, holds no approved gene, or a line is short or repeats a symbol.
    """
    lines = read_lines(path, "HGNC's complete set")
    places = columns(path, lines[0].split("\t"), COLUMNS)
    levels: list[dict[str, dict[str, None]]] = [{}, {}, {}, {}]
    for number, line in enumerate(lines[1:], start=2):
        row = line.split("\t")
        if len(row) <= max(places[:-1]):
            raise fault(path, number, f"has {len(row)} fields and needs {max(places) + 1}: get the file again")
        symbol, status, alias, previous, ensembl = (row[p].strip('" ') if p < len(row) else "" for p in places)
        if status != "Approved":
            continue
        if symbol.upper() in levels[1]:
            raise fault(path, number, f"repeats the symbol {symbol}: get the file again")
        for level, names in zip(levels, (ensembl, symbol, previous, alias), strict=True):
            for name in filter(None, (part.strip() for part in names.split("|"))):
                level.setdefault(name.upper(), {})[symbol] = None
    if not levels[1]:
        msg = f"{path} holds no approved gene: give HGNC's complete set."
        raise UserError(msg)
    return GeneNames([{name: tuple(symbols) for name, symbols in level.items()} for level in levels])


def translate(
    libraries: dict[str, dict[str, tuple[str, ...]]], spelled: Iterable[str], names: GeneNames,
) -> tuple[dict[str, dict[str, tuple[str, ...]]], Resolution]:
    """Spell the genes of gene sets as the data do.

    Two names are one gene if they have the same approved symbol. A gene of a set that the data do not have under any
    name, or whose name is ambiguous, is kept as it is.

    Parameters
    ----------
    libraries
        Library -> term -> genes.
    spelled
        The names that the data use.
    names
        See `read_hgnc`.

    Returns
    -------
    The gene sets, and the resolution of the data's names.
    """
    resolution = names.resolve(spelled)
    own: dict[str, str] = {}
    for name, symbol in resolution.symbols.items():
        own.setdefault(symbol, name)
    upper = {name.upper() for name in resolution.symbols}
    known = names.resolve({gene for terms in libraries.values() for genes in terms.values() for gene in genes}).symbols

    def spell(gene: str) -> str:
        return gene if gene.upper() in upper else own.get(known.get(gene, ""), gene)

    return {
        library: {term: tuple(dict.fromkeys(map(spell, genes))) for term, genes in terms.items()}
        for library, terms in libraries.items()
    }, resolution
