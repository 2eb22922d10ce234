"""Ontologies in OBO format: terms, the namespace of each, and what each is a part or a kind of."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from cellprism.errors import UserError
from cellprism.knowledge.text import fault, read_lines

if TYPE_CHECKING:
    from pathlib import Path

UPWARD = ("part_of",)
"""Relationships, beside is_a, along which an annotation to a term is one to the term above it."""


@dataclass
class Term:
    """A stanza of the file; ``above`` has the terms of is_a and part_of, each with the line that says so."""

    id: str
    line: int
    name: str = ""
    namespace: str = ""
    obsolete: bool = False
    above: list[tuple[str, int]] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Ontology:
    """The terms of an OBO file that are not obsolete.

    Attributes
    ----------
    terms
        Identifier -> term.
    primary
        Alternative identifier -> identifier.
    obsolete
        Identifiers of obsolete terms.
    version
        The file's ``data-version``, or an empty text.
    """

    terms: dict[str, Term]
    primary: dict[str, str]
    obsolete: frozenset[str]
    version: str

    def resolve(self, identifier: str) -> str | None:
        """The current identifier, or None for an obsolete or unknown one."""
        identifier = self.primary.get(identifier, identifier)
        return identifier if identifier in self.terms else None

    @cached_property
    def ancestors(self) -> dict[str, frozenset[str]]:
        """Every term -> itself and all terms above it in the same namespace."""
        found: dict[str, frozenset[str]] = {}
        for start in self.terms:
            stack = [start]
            while stack:
                above = self._above(stack[-1])
                missing = [term for term in above if term not in found]
                if missing:
                    stack += missing
                else:
                    top = stack.pop()
                    found[top] = frozenset({top}.union(*(found[term] for term in above)))
        return found

    def _above(self, identifier: str) -> list[str]:
        term = self.terms[identifier]
        return [up for up, _ in term.above if self.terms[up].namespace == term.namespace]


def read_obo(path: Path) -> Ontology:
    """Read an OBO file (format 1.2 or 1.4).

    Raises
    ------
    UserError
        The file cannot be read, holds no terms, a term lacks an identifier or a name or occurs twice, or the term above
        a term is absent or below it.
    """
    stanzas: list[Term] = []
    stanza, version, default = "", "", ""
    for number, line in enumerate(read_lines(path, "an OBO file"), start=1):
        if line.startswith("["):
            stanza = line.strip()
            if stanza == "[Term]":
                stanzas.append(Term("", number))
        tag, colon, value = line.partition(":")
        value = value.partition(" !")[0].strip()
        if stanza == "" and tag == "data-version":
            version = value
        elif stanza == "" and tag == "default-namespace":
            default = value
        elif stanza == "[Term]" and colon:
            _take(stanzas[-1], tag, value, number)
    if not stanzas:
        raise fault(path, 1, "holds no [Term]: give an ontology in OBO format")
    return _checked(path, stanzas, default, version)


def _take(term: Term, tag: str, value: str, number: int) -> None:
    """One line of a stanza; braces at the end hold remarks."""
    value = value if tag in ("name", "def") else value.partition("{")[0].strip()
    if tag == "id":
        term.id = value
    elif tag == "name":
        term.name = value
    elif tag == "namespace":
        term.namespace = value
    elif tag == "is_obsolete":
        term.obsolete = value == "true"
    elif tag == "alt_id":
        term.others.append(value)
    elif tag == "is_a":
        term.above.append((value, number))
    elif tag == "relationship":
        kind, _, target = value.partition(" ")
        if kind in UPWARD:
            term.above.append((target.strip(), number))


def _checked(path: Path, stanzas: list[Term], default: str, version: str) -> Ontology:
    terms: dict[str, Term] = {}
    for term in stanzas:
        term.namespace = term.namespace or default
        if not term.id or not term.name:
            raise fault(path, term.line, "starts a term without id or name: get the file again")
        if term.id in terms:
            raise fault(path, term.line, f"repeats the term {term.id}: delete one of the two")
        terms[term.id] = term
    alive = {name: term for name, term in terms.items() if not term.obsolete}
    for term in alive.values():
        for above, number in term.above:
            if above not in alive:
                raise fault(path, number, f"puts {term.id} below {above}, which is absent or obsolete: get it again")
    primary = {other: term.id for term in alive.values() for other in term.others if other not in alive}
    ontology = Ontology(alive, primary, frozenset(terms.keys() - alive.keys()), version)
    _refuse_cycles(path, alive)
    return ontology


def _refuse_cycles(path: Path, terms: dict[str, Term]) -> None:
    """Take away terms with nothing above them until none is left; what stays is a cycle or below one."""
    waiting = {name: len(term.above) for name, term in terms.items()}
    below: dict[str, list[str]] = {name: [] for name in terms}
    for name, term in terms.items():
        for above, _ in term.above:
            below[above].append(name)
    free = [name for name, n in waiting.items() if n == 0]
    for name in free:
        for lower in below[name]:
            waiting[lower] -= 1
            if waiting[lower] == 0:
                free.append(lower)
    if len(free) < len(terms):
        name = next(name for name in terms if waiting[name] > 0)
        msg = f"{path} has a cycle through or above {name}: an ontology has none; get the file again."
        raise UserError(msg)
