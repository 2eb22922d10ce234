"""Features and the terms that they are held to, with the genes of each term that the feature was not named after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from cellprism.runs.directory import Run

MIN_GENES = 3
"""Held-out genes that a term needs."""


@dataclass(frozen=True)
class Subject:
    """A feature and its term.

    Attributes
    ----------
    feature, source, term
        The feature, and library and name of the term.
    top_genes
        The feature's own top genes, ascending.
    held_out
        Genes of the term that are not among them, ascending.
    pool
        Genes that are neither: possible controls, ascending.
    """

    feature: int
    source: str
    term: str
    top_genes: np.ndarray
    held_out: np.ndarray
    pool: np.ndarray


def find_subjects(run: Run, layer: int, features: np.ndarray) -> list[Subject]:
    """Those of ``features`` that have a term with genes to hold out, the best label first.

    The term is the label unless fewer than three of its genes are left beside the feature's top genes; then it is the
    next of the feature's terms below the run's q.
    """
    terms, known = _terms(run)
    top = run.read("top_genes", layer).groupby("feature")["gene"]
    top_genes = {int(str(feature)): np.unique(own.to_numpy(np.int64)) for feature, own in top}
    hits = run.read("annotations", layer)
    hits = hits[(hits["q"] < run.config.annotation.q) & hits["feature"].isin(features)]
    hits = hits.sort_values(
        ["q", "overlap", "term_size", "source", "term"], ascending=[True, False, True, True, True], kind="stable",
    )
    subjects: dict[int, Subject] = {}
    for feature, source, term in zip(hits["feature"].tolist(), hits["source"], hits["term"], strict=True):
        members, own = terms.get((source, term), np.empty(0, np.int64)), top_genes[feature]
        held_out = np.setdiff1d(members, own)
        if feature not in subjects and len(held_out) >= MIN_GENES:
            pool = np.setdiff1d(known, np.union1d(members, own))
            subjects[feature] = Subject(feature, source, term, own, held_out, pool)
    return list(subjects.values())


def _terms(run: Run) -> tuple[dict[tuple[str, str], np.ndarray], np.ndarray]:
    """(Library, term) -> ascending genes of the run; and the genes that have a symbol."""
    from cellprism.knowledge.gene_sets import load_gene_sets, load_names
    from cellprism.knowledge.genes import translate

    settings, symbols = run.config.annotation, run.read("genes")["symbol"].tolist()
    known = [gene for gene, symbol in enumerate(symbols) if symbol is not None]
    sets = load_gene_sets(settings.gene_sets)
    if settings.gene_names is not None:
        sets, _ = translate(sets, [symbols[gene] for gene in known], load_names(settings.gene_names))
    index: dict[str, list[int]] = {}
    for gene in known:
        index.setdefault(symbols[gene].upper(), []).append(gene)
    found = {}
    for library, terms in sets.items():
        for term, names in terms.items():
            genes = sorted({gene for name in names for gene in index.get(name.upper(), [])})
            found[library, term] = np.array(genes, np.int64)
    return found, np.array(known, np.int64)
