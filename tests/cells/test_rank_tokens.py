from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cellprism.cells.expression import Expression, read_expression
from cellprism.cells.rank_tokens import GeneVocabulary, rank_tokens
from cellprism.errors import UserError
from cellprism.models.dictionaries import find_vocabulary, read_dictionary

if TYPE_CHECKING:
    from pathlib import Path

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
    with pytest.raises(UserError, match=r"small cells: 0 of 60 genes, with 0\.0%.*in a column such as feature_name"):
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


@pytest.mark.parametrize("name", ["zheng2017_pbmc_800", "scp1884_gut_1020"])
@pytest.mark.parametrize(("generation", "size"), [("gc104M", 4094), ("gc30M", 2048)])
def test_real_cells_read_by_the_real_dictionaries(shared: Path, name: str, generation: str, size: int) -> None:
    """Geneformer's steps: map every name, sum what has one id, keep ids with a token, normalise, rank."""
    folder = shared / "data" / "geneformer"
    cells = read_expression(str(shared / "data" / "cells" / f"{name}.h5ad")).take(np.arange(0, 800, 160))
    n_tokens = {"gc104M": 20275, "gc30M": 25426}[generation]
    known = find_vocabulary(folder, n_tokens)
    parts = {part: next(folder.rglob(f"{part}_{generation}.pkl")) for part in (
        "token_dictionary", "gene_median_dictionary", "gene_name_id_dict", "ensembl_mapping_dict",
    )}
    token, median, by_name, mapping = map(read_dictionary, parts.values())
    by_name = {symbol.upper(): gene for symbol, gene in by_name.items()}
    found = ids(rank_tokens(cells, known, max_genes=size, min_share_mapped=0.8))
    for row, total, cell in zip(cells.counts.toarray(), cells.totals, found, strict=True):
        summed: dict[str, float] = defaultdict(float)
        for names, count in zip(cells.genes, row.astype(float), strict=True):
            upper = [part.split(".")[0].upper() if part.startswith("ENS") else part.upper() for part in names]
            mapped = [mapping.get(part) or by_name.get(part) for part in upper]
            first = next((gene for gene in mapped if gene in token and gene in median), None)
            if first and count:
                summed[first] += count
        value = {gene: n / total * 10_000 / median[gene] for gene, n in summed.items()}
        assert len(cell) == min(size, len(value)) > 200
        assert set(cell) <= set(value)
        ranked = np.array([value[gene] for gene in cell])
        assert (np.diff(ranked) <= 1e-9 * ranked[:-1]).all()
        left_out = [value[gene] for gene in set(value) - set(cell)]
        assert max(left_out, default=0) <= ranked[-1] * (1 + 1e-9)
