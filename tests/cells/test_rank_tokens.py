from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cellprism.cells.expression import Expression
from cellprism.cells.rank_tokens import GeneVocabulary, rank_tokens
from cellprism.errors import UserError

if TYPE_CHECKING:
    from cellprism.cells.tokens import TokenizedCells


def vocabulary(n: int = 60) -> GeneVocabulary:
    names = [f"G{i}" for i in range(n)]
    rng = np.random.default_rng(1)
    return GeneVocabulary(
        tokens={"<pad>": 0, "<mask>": 1, **{name: i + 2 for i, name in enumerate(names)}},
        medians={name: float(m) for name, m in zip(names, rng.uniform(0.5, 3, n), strict=True)},
        aliases={"OLD7": "G7"},
        name="test dictionary",
    )


def slow(expression: Expression, known: GeneVocabulary, max_genes: int) -> list[list[str]]:
    """Geneformer's recipe, gene by gene."""
    cells = []
    for row, total in zip(expression.counts.toarray(), expression.totals, strict=True):
        values = {
            names[0]: count / total * 10_000 / known.medians[names[0]]
            for names, count in zip(expression.genes, row, strict=True) if count > 0 and names[0] in known.medians
        }
        cells.append(sorted(sorted(values), key=lambda name: -values[name])[:max_genes])
    return cells


def ids(tokens: TokenizedCells) -> list[list[str]]:
    names = tokens.genes["id"].to_numpy()[tokens.gene]
    return [list(part) for part in np.split(names, tokens.offsets[1:-1])]


@pytest.mark.parametrize("max_genes", [1000, 10])
def test_order_equals_the_recipe(small_cells: Expression, max_genes: int) -> None:
    tokens = rank_tokens(small_cells, vocabulary(50), max_genes=max_genes)
    assert ids(tokens) == slow(small_cells, vocabulary(50), max_genes)
    assert tokens.cells["n_expressed"].tolist() == np.diff(small_cells.counts.indptr).tolist()
    assert (tokens.lengths == np.minimum(tokens.cells["n_mapped"], max_genes)).all()


def test_ties_keep_one_order(small_cells: Expression) -> None:
    flat = replace(small_cells, counts=(small_cells.counts > 0).astype(np.float32).tocsr())
    even = replace(vocabulary(), medians=dict.fromkeys(vocabulary().medians, 1.0))
    for cell in ids(rank_tokens(flat, even, max_genes=1000)):
        assert cell == sorted(cell)


def test_versions_aliases_and_duplicates_lead_to_one_gene() -> None:
    known = GeneVocabulary({"ENSG1": 2, "G7": 3}, {"ENSG1": 1.0, "G7": 1.0}, {"OLD7": "G7"}, "d")
    expression = Expression(
        counts=sparse.csr_matrix(np.array([[1.0, 2, 5]], np.float32)), totals=np.array([8.0]),
        genes=[("ENSG1.4",), ("old7",), ("G7",)], names=np.array(["c"]), obs=pd.DataFrame(index=["c"]), source="s",
    )
    tokens = rank_tokens(expression, known, max_genes=10)
    assert ids(tokens) == [["G7", "ENSG1"]]
    assert tokens.cells["n_mapped"].tolist() == [2]


@pytest.mark.parametrize("prefix", ["Mm", "ENSMUSG0000"])
def test_cells_of_another_world_are_refused_with_the_numbers(small_cells: Expression, prefix: str) -> None:
    foreign = replace(small_cells, genes=[(f"{prefix}{i}",) for i in range(60)])
    with pytest.raises(UserError, match=r"small cells: 0 of 60 genes, with 0\.0%"):
        rank_tokens(foreign, vocabulary(), max_genes=10)


def test_too_small_a_share_is_refused_unless_it_is_the_model_that_is_small(small_cells: Expression) -> None:
    strange = replace(small_cells, genes=[(f"G{i}" if i < 20 else f"X{i}",) for i in range(60)])
    with pytest.raises(UserError, match="20 of 60 genes"):
        rank_tokens(strange, vocabulary(60), max_genes=10, min_share_mapped=0.9)
    assert len(rank_tokens(small_cells, vocabulary(20), max_genes=10, min_share_mapped=0.9)) == 40


def test_keeping_some_cells_keeps_their_positions(small_cells: Expression) -> None:
    tokens = rank_tokens(small_cells, vocabulary(), max_genes=30)
    chosen = np.arange(40) % 3 == 0
    assert ids(tokens.keep(chosen)) == [cell for cell, keep in zip(ids(tokens), chosen, strict=True) if keep]
