"""Gene Ontology annotations in GAF format: which gene product was annotated with which term."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cellprism.knowledge.text import fault, fields, read_lines

if TYPE_CHECKING:
    from pathlib import Path

SYMBOL, QUALIFIER, TERM, EVIDENCE = 2, 3, 4, 6
"""Places of the columns used, of at least 15 (GAF 1.0; 2.x has 17)."""


@dataclass(frozen=True)
class Annotations:
    """What a GAF file says.

    Attributes
    ----------
    pairs
        (gene symbol in upper case, term identifier), in the order of the file, each once.
    negated
        Lines left out because their qualifier says NOT.
    without_data
        Lines left out because their evidence is ND: nothing is known, the term is the root.
    """

    pairs: list[tuple[str, str]]
    negated: int
    without_data: int


def read_gaf(path: Path) -> Annotations:
    """Read a GAF file (1.0 to 2.2), gzipped or not.

    Raises
    ------
    UserError
        The file cannot be read, holds no annotations, or a line is short or lacks symbol, term or evidence.
    """
    pairs: dict[tuple[str, str], None] = {}
    negated = without_data = 0
    for number, line in enumerate(read_lines(path, "a GAF file"), start=1):
        if not line.strip() or line.startswith("!"):
            continue
        row = fields(path, number, line, 15)
        symbol, qualifier, term, evidence = (row[place] for place in (SYMBOL, QUALIFIER, TERM, EVIDENCE))
        if not symbol or ":" not in term or not evidence:
            raise fault(path, number, "lacks the symbol, the term or the evidence (columns 3, 5, 7): get it again")
        if "NOT" in qualifier.split("|"):
            negated += 1
        elif evidence == "ND":
            without_data += 1
        else:
            pairs[symbol.upper(), term] = None
    if not pairs:
        raise fault(path, 1, "holds no annotations: give a file in GAF format")
    return Annotations(list(pairs), negated, without_data)
