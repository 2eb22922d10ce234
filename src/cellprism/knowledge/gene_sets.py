"""Gene sets: what is already known about groups of genes.

The package ships one library, ``immune``: gene sets of blood and immune cells (cell types, programs, targets of
transcription factors) that were written for cellprism from textbooks, reviews and HGNC gene groups; the second column
of the file names the source of each set. They are prior knowledge and were not fitted to any result. Where a gene was
renamed, a set may list the current and the previous symbol, so that data with old annotation keep the gene: terms are
cut to the genes of the run before any test, so the symbol that is not there has no influence.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from cellprism.errors import UserError
from cellprism.knowledge import cache
from cellprism.knowledge.formats import read_libraries, read_names, read_network
from cellprism.knowledge.gmt import read_gmt
from cellprism.knowledge.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cellprism.knowledge.genes import GeneNames
    from cellprism.knowledge.network import Network

__all__ = ["GeneSets", "gene_set_paths", "load_gene_sets", "load_names", "load_network", "locate", "read_gmt"]

GeneSets = dict[str, dict[str, tuple[str, ...]]]
"""Library name -> term -> its gene symbols, upper case, in the order of the file."""


def load_gene_sets(names_or_paths: Sequence[str]) -> GeneSets:
    """Read gene-set libraries.

    Parameters
    ----------
    names_or_paths
        Names of shipped or downloaded libraries, or paths of files or folders (see `formats.read_libraries`); the
        library name of a path is its stem.

    Raises
    ------
    UserError
        A name is neither a library nor a file, two libraries have the same name, or a file is malformed.
    """
    libraries: GeneSets = {}
    for given in names_or_paths:
        path = locate(given)
        for name, terms in read_libraries(path).items():
            if name in libraries:
                msg = f"two gene-set files are named {name}: rename one of them, or give it once."
                raise UserError(msg)
            libraries[name] = terms
    return libraries


def gene_set_paths(names_or_paths: Sequence[str]) -> list[Path]:
    """Files and folders that :func:`load_gene_sets` reads for the same argument, in the same order.

    Raises
    ------
    UserError
        A name is neither a shipped or downloaded library nor a file.
    """
    return [locate(name) for name in names_or_paths]


def locate(name: str, kind: str = "gene sets") -> Path:
    """File or folder of a shipped or downloaded source, or of a path.

    Parameters
    ----------
    name
        Name or path.
    kind
        What is looked for, as it is called in the sentence that says it is not there.

    Raises
    ------
    UserError
        It is none of these, or the downloaded files were changed.
    """
    shipped = {path.stem: path for path in _shipped()} if kind == "gene sets" else {}
    if name in shipped:
        return shipped[name]
    if cache.record(name) is not None:
        return cache.checked(name)
    if Path(name).exists():
        return Path(name)
    if name in SOURCES:
        msg = f"{name} is not downloaded: get it with `cellprism knowledge get {name}`."
        raise UserError(msg)
    here = f"a shipped library ({', '.join(shipped)}) or the path of a file" if shipped else "the path of a file"
    msg = f"no {kind} {name!r}: give {here}, or see `cellprism knowledge list` for what can be downloaded."
    raise UserError(msg)


def load_network(name: str, *, least_score: int) -> Network:
    """Read a downloaded network or that of a path; ``least_score`` cuts STRING (see `formats.read_network`)."""
    return read_network(locate(name, "network"), least_score=least_score)


def load_names(name: str) -> GeneNames:
    """Read downloaded names of genes or those of a path (see `formats.read_names`)."""
    return read_names(locate(name, "gene names"))


def common_names() -> GeneNames:
    """Names that laboratories use for genes, such as p53 and CD20; shipped, one gene per line."""
    from cellprism.knowledge.genes import GeneNames as Names

    path = Path(str(resources.files("cellprism.knowledge") / "data")) / "common_names.tsv"
    symbols: dict[str, tuple[str, ...]] = {}
    aliases: dict[str, tuple[str, ...]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        symbol, names = line.split("\t")
        symbols[symbol] = (symbol,)
        for name in names.split():
            aliases[name] = (*aliases.get(name, ()), symbol)
    return Names([{}, symbols, {}, aliases])


def _shipped() -> list[Path]:
    folder = Path(str(resources.files("cellprism.knowledge") / "data"))
    return sorted(folder.glob("*.gmt"))
