"""Other names of genes, so that a search for any of them leads to the gene, or says which gene it would be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cellprism.errors import UserError
from cellprism.knowledge import cache
from cellprism.knowledge.gene_sets import common_names, load_names

if TYPE_CHECKING:
    from cellprism.atlas.dictionaries import Dictionaries
    from cellprism.knowledge.genes import GeneNames
    from cellprism.reader import RunReader

KINDS = ("Ensembl id", "symbol", "previous symbol", "other name")
"""What a name is, by its level in `GeneNames`."""
NAMES = 1500
"""Names of a file, about: some 20 kB."""
SOURCE = "hgnc"
"""The source that is used where it is there, whether or not the run was annotated with it."""

Entry = list[Any]
"""``[gene of the run or null, approved symbol, what the name is]``."""


def known_names(reader: RunReader) -> list[GeneNames]:
    """What is known of the names of genes: those of the run's configuration or the downloaded ones, then the shipped.

    A source that the run was annotated with and that is not here any more is passed over: the atlas has fewer names.
    """
    found = []
    for name in dict.fromkeys([reader.config.annotation.gene_names, SOURCE]):
        try:
            if name is not None and (name != SOURCE or cache.record(name)):
                found.append(load_names(name))
                break
        except UserError:
            continue
    return [*found, common_names()]


def names_key() -> str:
    """Changes when other names would be found."""
    return json.dumps(cache.record(SOURCE), sort_keys=True)


def name_index(sources: list[GeneNames], dictionary: Dictionaries) -> dict[str, list[Entry]]:
    """Every name that is neither symbol nor identifier of a gene of the run, upper-case, to the genes that it may mean.

    Parameters
    ----------
    sources
        Names of genes; the first source that knows a name decides.
    dictionary
        The genes of the run.
    """
    spelled = [(gene, name.upper()) for names in (dictionary.genes["id"], dictionary.symbols())
               for gene, name in enumerate(names)]
    own = {name for _, name in spelled}
    index: dict[str, list[Entry]] = {}
    for names in sources:
        symbols = names.resolve(name for _, name in spelled).symbols
        genes = {symbols[name]: gene for gene, name in reversed(spelled) if name in symbols}
        for kind, level in zip(KINDS, names.levels, strict=True):
            for name, approved in level.items():
                if name not in own and name not in index:
                    index[name] = [[genes.get(symbol), symbol, kind] for symbol in approved]
    return index


def name_files(index: dict[str, list[Entry]]) -> list[dict[str, list[Entry]]]:
    """The index spread over files by `place`."""
    files: list[dict[str, list[Entry]]] = [{} for _ in range(max(1, -(-len(index) // NAMES)))]
    for name in sorted(index):
        files[place(name, len(files))][name] = index[name]
    return files


def place(name: str, n_files: int) -> int:
    """The file that has a name: FNV-1a of its UTF-16 code units, modulo the number of files."""
    value = 0x811C9DC5
    for unit in memoryview(name.encode("utf-16-le")).cast("H"):
        value = ((value ^ unit) * 0x01000193) & 0xFFFFFFFF
    return value % n_files
