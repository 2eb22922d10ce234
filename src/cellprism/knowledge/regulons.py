"""Transcription factors and their targets: TRRUST, CollecTRI, DoRothEA."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pandas as pd

from cellprism.knowledge.text import columns, fault, fields, read_lines

if TYPE_CHECKING:
    from pathlib import Path

TRRUST = {"Activation": 1.0, "Repression": -1.0, "Unknown": 0.0}


def read_trrust(path: Path) -> pd.DataFrame:
    """Read the raw table of TRRUST v2: factor, target, mode and PubMed ids, without a header.

    Returns
    -------
    Columns source, target (upper case) and weight: 1 activation, -1 repression, 0 unknown; every row of the file, so
    that an edge that was seen to do both is there twice.

    Raises
    ------
    UserError
        The file cannot be read, or a line is short, lacks a gene or has another mode.
    """
    rows = []
    for number, line in enumerate(read_lines(path, "a TRRUST table"), start=1):
        source, target, mode, *_ = fields(path, number, line, 4)
        if not source or not target or mode not in TRRUST:
            raise fault(path, number, f"is no edge of TRRUST (mode {mode!r}, should be one of {', '.join(TRRUST)})")
        rows.append((source.upper(), target.upper(), TRRUST[mode]))
    return pd.DataFrame(rows, columns=["source", "target", "weight"])


def read_regulons(path: Path) -> pd.DataFrame:
    """Read signed edges with a header: columns source, target and weight, by comma or tab (CollecTRI, DoRothEA).

    Returns
    -------
    Columns source, target (upper case) and weight; of DoRothEA's weights only the sign is evidence of direction.

    Raises
    ------
    UserError
        The file cannot be read, lacks a column, or a line is short, lacks a gene or has no number as weight.
    """
    lines = read_lines(path, "a table of regulons")
    reader = csv.reader(lines, delimiter="\t" if "\t" in lines[0] else ",")
    places = columns(path, next(reader), ("source", "target", "weight"))
    rows = []
    for number, row in enumerate(reader, start=2):
        try:
            source, target, weight = (row[place].strip() for place in places)
            value = float(weight)
        except (IndexError, ValueError):
            raise fault(path, number, "is no edge of source, target and a number as weight: get it again") from None
        if not source or not target:
            raise fault(path, number, "lacks the source or the target: get it again")
        rows.append((source.upper(), target.upper(), value))
    if not rows:
        raise fault(path, 1, "is the only line: give a table with edges")
    return pd.DataFrame(rows, columns=["source", "target", "weight"])


def target_sets(edges: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """One term for each factor, ``STAT1 targets``, whatever the sign; genes in the order of the edges, each once."""
    pairs = edges.drop_duplicates(["source", "target"])
    grouped = pairs.groupby("source", sort=False)["target"]
    return {f"{source} targets": tuple(targets) for source, targets in grouped}


def is_target_set(term: str) -> bool:
    """Whether a term is the targets of a factor: ``STAT1 targets``, or ``TF targets: IRF7`` as the shipped library."""
    return term.endswith(" targets") or term.startswith("TF targets: ")
