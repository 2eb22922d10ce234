"""Which reader a file needs, by its extension and its first line."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from cellprism.errors import UserError
from cellprism.knowledge import markers, regulons
from cellprism.knowledge.gmt import read_gmt
from cellprism.knowledge.text import stem

if TYPE_CHECKING:
    from collections.abc import Callable

    from cellprism.knowledge.genes import GeneNames
    from cellprism.knowledge.network import Network

    Terms = dict[str, tuple[str, ...]]

FIRST_LINES = (
    ("string-links", re.compile(r"protein1 protein2 combined_score\b")),
    ("string-info", re.compile(r"#string_protein_id\t")),
    ("hgnc", re.compile(r"hgnc_id\tsymbol\t")),
    ("panglao", re.compile(r".*\bofficial gene symbol\b.*\bcell type\b")),
    ("cellmarker", re.compile(r".*\bcellName\b.*\bgeneSymbol\b|.*\bcell_name\b.*\bSymbol\b")),
    ("regulons", re.compile(r'(?=.*\bsource\b)(?=.*\btarget\b)(?=.*\bweight\b)[\w",\t]+$')),
    ("kegg-link", re.compile(r"[a-z]{3,4}:\w+\tpath:[a-z]{3,4}\d{5}$")),
    ("kegg-genes", re.compile(r"[a-z]{3,4}:\w+\t[^\t]+")),
    ("kegg-pathways", re.compile(r"(path:)?[a-z]{3,4}\d{5}\t[^\t]+$")),
    ("trrust", re.compile(r"[^\t]+\t[^\t]+\t(Activation|Repression|Unknown)\t")),
    ("edges", re.compile(r"[^\t]+\t[^\t]+$")),
    ("gmt", re.compile(r"[^\t]+\t[^\t]*\t[^\t]")),
)
"""Formats told by their first line; the first pattern that matches wins."""
EXTENSIONS = {".gmt": "gmt", ".obo": "obo", ".gaf": "gaf"}
READERS: dict[str, Callable[[Path], Terms]] = {
    "gmt": read_gmt,
    "trrust": lambda path: regulons.target_sets(regulons.read_trrust(path)),
    "regulons": lambda path: regulons.target_sets(regulons.read_regulons(path)),
    "panglao": lambda path: markers.panglao_sets(markers.read_panglao(path)),
    "cellmarker": lambda path: markers.cellmarker_sets(markers.read_cellmarker(path)),
}
"""Formats of gene sets in one file."""
TOGETHER = {
    frozenset({"obo", "gaf"}): "an ontology (.obo) and its annotations (.gaf)",
    frozenset({"kegg-link", "kegg-pathways", "kegg-genes"}): "KEGG's link/pathway, list/pathway and list tables",
}
"""Formats of gene sets in several files, which lie in one folder."""


def kind_of(path: Path) -> str:
    """Name of a file's format.

    Raises
    ------
    UserError
        The file cannot be read, or no format is recognised.
    """
    extension = Path(Path(path).name.removesuffix(".gz")).suffix.lower()
    if extension in EXTENSIONS:
        return EXTENSIONS[extension]
    first = _first_line(path)
    for kind, pattern in FIRST_LINES:
        if pattern.match(first):
            return kind
    msg = f"{path} is in no known format (first line {first[:60]!r}): see the page on gene sets for the formats."
    raise UserError(msg)


def read_libraries(path: Path, name: str | None = None) -> dict[str, Terms]:
    """Read gene sets from a file, or from a folder of files.

    Parameters
    ----------
    path
        A GMT file, a table of TRRUST, CollecTRI, DoRothEA, PanglaoDB or CellMarker, or a folder. A folder may hold the
        files that make gene sets together: an ontology and its annotations, or the three tables of KEGG.
    name
        Name of the library; default: the stem of the file or the name of the folder. Namespaces of an ontology become
        ``name: namespace``, several files of a folder ``name: stem``.

    Raises
    ------
    UserError
        Something cannot be read, or no gene sets are in it.
    """
    path = Path(path)
    files = {file: kind_of(file) for file in _files(path)}
    kinds = frozenset(files.values())
    name = name or (path.name if path.is_dir() else stem(path))
    if kinds in TOGETHER and len(files) == len(kinds):
        return _together({kind: file for file, kind in files.items()}, name)
    wrong = next((file for file, kind in files.items() if kind not in READERS), None)
    if wrong is not None:
        part_of = next((text for group, text in TOGETHER.items() if files[wrong] in group), None)
        hint = f"put {part_of} into one folder and give the folder" if part_of else "give a file of gene sets"
        msg = f"{wrong} ({files[wrong]}) alone holds no gene sets: {hint}."
        raise UserError(msg)
    alone = len(files) == 1
    return {name if alone else f"{name}: {stem(file)}": READERS[kind](file) for file, kind in files.items()}


def read_network(path: Path, *, least_score: int) -> Network:
    """Read a network from a file of edges, or from a folder with STRING's protein.links and protein.info.

    Raises
    ------
    UserError
        It is something else, or cannot be read.
    """
    from cellprism.knowledge import network

    files = {kind_of(file): file for file in _files(Path(path))}
    if files.keys() == {"string-links", "string-info"}:
        return network.read_string(files["string-links"], files["string-info"], least_score=least_score)
    if len(files) == 1 and not files.keys().isdisjoint({"edges", "gmt"}):  # edges with further columns look like GMT
        return network.read_edges(next(iter(files.values())))
    msg = f"{path} is no network: give a file with two gene symbols a line, or a folder with STRING's links and info."
    raise UserError(msg)


def read_names(path: Path) -> GeneNames:
    """Read names of genes: HGNC's complete set, as a file or alone in a folder.

    Raises
    ------
    UserError
        It is something else, or cannot be read.
    """
    from cellprism.knowledge.genes import read_hgnc

    files = [file for file in _files(Path(path)) if kind_of(file) == "hgnc"]
    if len(files) == 1:
        return read_hgnc(files[0])
    msg = f"{path} holds no names of genes: give HGNC's complete set (hgnc_complete_set.txt)."
    raise UserError(msg)


def _together(files: dict[str, Path], name: str) -> dict[str, Terms]:
    if "obo" in files:
        from cellprism.knowledge.gaf import read_gaf
        from cellprism.knowledge.go import ontology_sets
        from cellprism.knowledge.ontology import read_obo

        libraries = ontology_sets(read_obo(files["obo"]), read_gaf(files["gaf"])).libraries
        return {f"{name}: {namespace}": terms for namespace, terms in libraries.items()}
    from cellprism.knowledge.kegg import kegg_sets

    return {name: kegg_sets(files["kegg-link"], files["kegg-pathways"], files["kegg-genes"])}


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    if not files:
        msg = f"{path} is an empty folder: give one with files in it."
        raise UserError(msg)
    return files


def _first_line(path: Path) -> str:
    try:
        with gzip.open(path, "rb") if Path(path).suffix == ".gz" else Path(path).open("rb") as handle:
            return handle.readline().decode("utf-8-sig").rstrip("\r\n")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read as a text file: {error}; give a whole one, or get it again."
        raise UserError(msg) from None
