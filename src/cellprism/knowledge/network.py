"""Networks of genes without direction: STRING's own files, or plain pairs of symbols."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellprism.errors import UserError
from cellprism.knowledge.text import fault, fields, read_lines

if TYPE_CHECKING:
    from pathlib import Path

LINKS = ["protein1", "protein2", "combined_score"]
ROWS = 1_000_000


@dataclass(frozen=True)
class Network:
    """Undirected edges, each once and none from a gene to itself.

    Attributes
    ----------
    genes
        Symbols in upper case, sorted, shape ``(n,)``; every one has an edge.
    edges
        Indices into ``genes``, the smaller first, in ascending order, shape ``(edges, 2)``.
    """

    genes: np.ndarray
    edges: np.ndarray


def read_edges(path: Path) -> Network:
    """Read pairs of symbols, one pair a line with a tab between; further columns are ignored.

    Raises
    ------
    UserError
        The file cannot be read, or a line is short or lacks a gene.
    """
    pairs = []
    for number, line in enumerate(read_lines(path, "a table of edges"), start=1):
        a, b, *_ = fields(path, number, line, 2)
        if not a or not b:
            raise fault(path, number, "lacks one of its two genes: get the file again")
        pairs.append((a.upper(), b.upper()))
    return _network(np.array(pairs, dtype=object))


def read_string(links: Path, info: Path, *, least_score: int) -> Network:
    """Read STRING: `protein.links`, cut at a combined score, with the names of `protein.info`.

    Parameters
    ----------
    least_score
        Smallest combined score, 0 to 1000; STRING calls 400 medium, 700 high and 900 highest confidence.

    Raises
    ------
    UserError
        A file cannot be read, has other columns or a line that does not fit, a protein has no name, or no edge is left.
    """
    names = {}
    rows = read_lines(info, "STRING's protein.info")
    if not rows[0].startswith("#string_protein_id\tpreferred_name"):
        raise fault(info, 1, "is not the header of STRING's protein.info: is it the right file?")
    for number, line in enumerate(rows[1:], start=2):
        protein, name, *_ = fields(info, number, line, 2)
        names[protein] = name.upper()
    table = _strong_links(links, least_score)
    if table.empty:
        msg = f"{links} has no edge of a combined score of {least_score} or more: lower `annotation.network_score`."
        raise UserError(msg)
    pairs = np.column_stack([table[column].map(names).to_numpy(object) for column in LINKS[:2]])
    unnamed = pd.isna(pairs).any(axis=1)
    if unnamed.any():
        number = int(table.index.to_numpy()[unnamed.argmax()]) + 2
        raise fault(links, number, f"has a protein that {info} does not name: get both files of one version")
    return _network(pairs)


def _strong_links(path: Path, least_score: int) -> pd.DataFrame:
    """Edges of at least a score, read a piece at a time: the whole file has millions."""
    try:
        with pd.read_csv(path, sep=" ", dtype=str, chunksize=ROWS) as pieces:
            kept = [_strong(path, piece, least_score) for piece in pieces]
    except (OSError, EOFError, zlib.error, ValueError) as error:
        msg = f"{path} cannot be read as STRING's protein.links: {' '.join(str(error).split())}; get it again."
        raise UserError(msg) from None
    return pd.concat(kept)


def _strong(path: Path, piece: pd.DataFrame, least_score: int) -> pd.DataFrame:
    if list(piece.columns) != LINKS:
        raise fault(path, 1, f"is not {' '.join(LINKS)!r}: is it STRING's protein.links, not detailed or full?")
    score = pd.to_numeric(piece["combined_score"], errors="coerce")
    if score.isna().any():
        number = int(piece.index.to_numpy()[score.isna().to_numpy().argmax()]) + 2
        raise fault(path, number, "has no number as combined score: get the file again")
    return piece[score >= least_score]


def _network(pairs: np.ndarray) -> Network:
    genes, codes = np.unique(pairs.ravel().astype(str), return_inverse=True)
    ends = np.sort(codes.reshape(-1, 2), axis=1)
    ends = np.unique(ends[ends[:, 0] != ends[:, 1]], axis=0)
    used, index = np.unique(ends, return_inverse=True)
    return Network(genes[used].astype(object), index.reshape(-1, 2))
