"""What the names of genes tell of the species, for messages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_IDENTIFIERS = {
    "ENSMUSG": "mouse", "ENSRNOG": "rat", "ENSDARG": "zebrafish", "ENSMMUG": "macaque", "ENSMFAG": "macaque",
    "ENSSSCG": "pig", "ENSGALG": "chicken", "FBgn": "fruit fly", "WBGene": "worm", "ENSG": "human",
}
_RODENT = re.compile(r"[A-Z][a-z0-9][a-z0-9.-]*|\d+[A-Z]\d+Rik")
_CAPITALS = re.compile(r"[A-Z][A-Z0-9.-]+|C[0-9XY]+orf\d+")


def guess_species(genes: Sequence[tuple[str, ...]]) -> str | None:
    """The species that most of the genes' names speak for, or None.

    The prefix of an Ensembl id decides. Symbols tell rodents, ``Cd79a``, from humans, ``CD79A``; so short a symbol as
    ``F5`` is both and does not count.
    """
    names = [gene[0] for gene in genes]
    for prefix, species in _IDENTIFIERS.items():
        if sum(name.startswith(prefix) for name in names) > len(names) / 2:
            return species
    rodent = sum(bool(_RODENT.fullmatch(name)) and not _CAPITALS.fullmatch(name) for name in names)
    return "mouse or rat" if rodent > len(names) / 2 else None
