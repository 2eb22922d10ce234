"""Gene Ontology as gene sets: annotations carried up to every term above."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cellprism.knowledge.gaf import Annotations
    from cellprism.knowledge.ontology import Ontology


@dataclass(frozen=True)
class OntologySets:
    """Gene sets of an ontology.

    Attributes
    ----------
    libraries
        Namespace -> ``name (identifier)`` -> gene symbols, sorted; terms without genes are absent.
    unknown
        Identifiers among the annotations that are obsolete or absent in the ontology, sorted; they were left out.
    """

    libraries: dict[str, dict[str, tuple[str, ...]]]
    unknown: tuple[str, ...]


def ontology_sets(ontology: Ontology, annotations: Annotations) -> OntologySets:
    """Give each gene its terms and all terms above them by is_a and part_of, within a namespace.

    A part_of that leads from one namespace to another (a function that is part of a process) is not followed, so that a
    library holds what was annotated in it.
    """
    genes: dict[str, set[str]] = {}
    unknown = set()
    for symbol, identifier in annotations.pairs:
        current = ontology.resolve(identifier)
        if current is None:
            unknown.add(identifier)
            continue
        for above in ontology.ancestors[current]:
            genes.setdefault(above, set()).add(symbol)
    libraries: dict[str, dict[str, tuple[str, ...]]] = {}
    for identifier in sorted(genes):
        term = ontology.terms[identifier]
        libraries.setdefault(term.namespace, {})[f"{term.name} ({identifier})"] = tuple(sorted(genes[identifier]))
    return OntologySets(libraries, tuple(sorted(unknown)))
