"""Gene sets: what is already known about groups of genes, read from GMT files.

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

if TYPE_CHECKING:
    from collections.abc import Sequence

GeneSets = dict[str, dict[str, tuple[str, ...]]]
"""Library name -> term -> its gene symbols, upper case, in the order of the file."""


def load_gene_sets(names_or_paths: Sequence[str]) -> GeneSets:
    """Read gene-set libraries.

    Parameters
    ----------
    names_or_paths
        Names of shipped libraries, or paths of GMT files; the library name of a path is its stem.

    Raises
    ------
    UserError
        A name is neither a shipped library nor a file, two files have the same library name, or a file is malformed.
    """
    libraries: GeneSets = {}
    for path in gene_set_paths(names_or_paths):
        if path.stem in libraries:
            msg = f"two gene-set files are named {path.stem}: rename one of them, or give it once."
            raise UserError(msg)
        libraries[path.stem] = read_gmt(path)
    return libraries


def gene_set_paths(names_or_paths: Sequence[str]) -> list[Path]:
    """Files that :func:`load_gene_sets` reads for the same argument, in the same order.

    Raises
    ------
    UserError
        A name is neither a shipped library nor a file.
    """
    shipped = {path.stem: path for path in _shipped()}
    return [_locate(name, shipped) for name in names_or_paths]


def read_gmt(path: Path) -> dict[str, tuple[str, ...]]:
    """Read a GMT file: one gene set a line, with its name, a description and its genes, separated by tabs.

    Blank fields are dropped, weights of Enrichr files (``GENE,1.0``) stripped, symbols upper-cased and listed once.

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
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        term, *rest = (part.strip() for part in line.split("\t"))
        genes = tuple(dict.fromkeys(filter(None, (_symbol(part) for part in rest[1:]))))
        if not rest:
            fault = "has no tabs: write the name, a description and the genes with a tab between any two"
        elif not term:
            fault = "has no name: write one before the first tab"
        elif not genes:
            fault = f"has no genes for {term!r}: add them after the description, or delete the line"
        elif term in sets:
            fault = f"repeats the name {term!r}: rename or delete one of the two"
        else:
            sets[term] = genes
            continue
        msg = f"{path}, line {number}, {fault}."
        raise UserError(msg)
    if not sets:
        msg = f"{path} holds no gene sets: give a GMT file with at least one line."
        raise UserError(msg)
    return sets


def _symbol(field: str) -> str:
    return field.partition(",")[0].strip().upper()


def _lines(path: Path) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read as a GMT file: {error}; give a text file of gene sets."
        raise UserError(msg) from None


def _shipped() -> list[Path]:
    folder = Path(str(resources.files("cellprism.knowledge") / "data"))
    return sorted(folder.glob("*.gmt"))


def _locate(name: str, shipped: dict[str, Path]) -> Path:
    if name in shipped:
        return shipped[name]
    if Path(name).is_file():
        return Path(name)
    msg = f"no gene sets {name!r}: give a shipped library ({', '.join(shipped)}) or the path of a GMT file."
    raise UserError(msg)
