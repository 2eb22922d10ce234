"""Genes, terms and groups of cells under the numbers that the other files of an atlas use for them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cellprism.atlas.packing import whole

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from cellprism.reader import RunReader

Pair = tuple[str, str]


@dataclass(frozen=True)
class Dictionaries:
    """What the indices in an atlas stand for.

    Attributes
    ----------
    genes
        The run's table of genes; a gene's index is its row.
    terms
        ``(source, term)`` to index, sorted.
    groups
        ``(label column, value)`` to index, sorted.
    group_sizes
        Cells of each group.
    """

    genes: pd.DataFrame
    terms: dict[Pair, int]
    groups: dict[Pair, int]
    group_sizes: list[int]

    def symbols(self) -> list[str]:
        """Symbol of each gene, or its identifier where it has none."""
        return [symbol or name for symbol, name in zip(self.genes["symbol"], self.genes["id"], strict=True)]

    def names(self, genes: Iterable[int]) -> dict[str, list[str]]:
        """Gene (as text) to ``[symbol, id]``, or ``[symbol]`` where both are the same."""
        return {str(gene): list(dict.fromkeys(self._named[gene])) for gene in sorted(genes)}

    def known(self, genes: Iterable[int]) -> dict[str, list[Any]]:
        """Gene (as text) to ``[symbol, id, n_seen]``."""
        return {str(gene): [*self._named[gene], self._seen[gene]] for gene in genes}

    @cached_property
    def _seen(self) -> list[int | None]:
        return [whole(n) for n in self.genes["n_seen"].tolist()]

    @cached_property
    def _named(self) -> list[tuple[str, str]]:
        return list(zip(self.symbols(), self.genes["id"].tolist(), strict=True))

    def files(self) -> dict[str, Any]:
        """Content of the dictionary files, by name."""
        symbols = self.symbols()
        return {
            "symbols": {"symbol": symbols},
            "genes": {"symbol": symbols, "id": self.genes["id"].tolist(), "n_seen": self._seen},
            "terms": {"source": [source for source, _ in self.terms], "term": [term for _, term in self.terms]},
            "groups": {"key": [key for key, _ in self.groups], "value": [value for _, value in self.groups],
                       "n_cells": self.group_sizes},
        }


def dictionaries(reader: RunReader) -> Dictionaries:
    """Number the genes, the terms that any layer mentions, and every value of every label column."""
    terms: set[Pair] = set()
    for layer in reader.layers:
        named = reader.features(layer)[["source", "label"]]
        for table in (reader.annotations(layer), reader.modules(layer), named.rename(columns={"label": "term"})):
            terms.update(_pairs(table.dropna(subset=["source", "term"]), "source", "term"))
    sizes = reader.cell_labels().groupby(["key", "value"], sort=True).size()
    return Dictionaries(
        genes=reader.genes().sort_values("gene", ignore_index=True),
        terms={pair: i for i, pair in enumerate(sorted(terms))},
        groups={(str(key), str(value)): i for i, (key, value) in enumerate(sizes.index)},
        group_sizes=[int(n) for n in sizes],
    )


def _pairs(table: pd.DataFrame, first: str, second: str) -> set[Pair]:
    return set(zip(table[first], table[second], strict=True))
