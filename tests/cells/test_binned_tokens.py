from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file
from scipy import sparse

from cellprism.cells.binned_tokens import SymbolVocabulary, binned_tokens, quantile_bins, raw_value_tokens
from cellprism.cells.expression import Expression, read_expression
from cellprism.errors import UserError

if TYPE_CHECKING:
    from cellprism.cells.tokens import TokenizedCells

ORIGINAL = Path(__file__).parents[1] / "models" / "data" / "scgpt_tiny.safetensors"


def vocabulary(n: int = 60) -> SymbolVocabulary:
    return SymbolVocabulary({**{f"G{i}": i for i in range(n)}, "<pad>": n, "<cls>": n + 1}, "vocab.json")


def one_cell(counts: list[float], genes: list[tuple[str, ...]], name: str = "c") -> Expression:
    row = sparse.csr_matrix(np.array([counts], np.float32))
    return Expression(
        counts=row, totals=np.array([sum(counts)]), genes=genes, names=np.array([name]),
        obs=pd.DataFrame(index=[name]), source="one cell",
    )


def content(tokens: TokenizedCells) -> list[dict[str, float]]:
    assert tokens.value is not None
    ids = tokens.genes["id"].to_numpy()[tokens.gene]
    bounds = list(zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True))
    return [dict(zip(ids[a:b], tokens.value[a:b].tolist(), strict=True)) for a, b in bounds]


@pytest.mark.parametrize("cell", range(4))
def test_bins_equal_the_original(cell: int) -> None:
    """``binning.*`` holds four cells' counts, scGPT's own bins of them, and the uniform numbers it drew."""
    original = load_file(ORIGINAL)
    counts, draws, bins = (original[f"binning.{cell}.{part}"] for part in ("counts", "draws", "bins"))
    assert quantile_bins(counts, draws).tolist() == bins.tolist()


def test_bins_equal_counting_edges_one_by_one() -> None:
    rng = np.random.default_rng(0)
    values = rng.poisson(3, 200).astype(np.float32) + 1
    draws = rng.random(200)
    edges = np.quantile(values, np.linspace(0, 1, 10))
    for value, draw, got in zip(values, draws, quantile_bins(values, draws, n_bins=11), strict=True):
        below, not_above = sum(e < value for e in edges), sum(e <= value for e in edges)
        possible = list(range(below + 1, not_above + 1)) or [below]
        assert got == possible[::-1][int(draw * len(possible))]
        assert 1 <= got <= 10


def test_distinct_values_fill_the_bins_evenly_and_in_order() -> None:
    values = np.random.default_rng(1).permutation(np.arange(1, 4901)).astype(np.float32)
    bins = quantile_bins(values, np.random.default_rng(2).random(4900))
    assert (np.diff(bins[np.argsort(values)]) >= 0).all()
    sizes = np.bincount(bins.astype(int), minlength=51)
    assert sizes[0] == 0
    assert (np.abs(sizes[1:50] - 100) <= 2).all()


def test_a_cell_reads_the_same_in_any_company(small_cells: Expression) -> None:
    whole = content(binned_tokens(small_cells, vocabulary(), max_genes=20))
    again = content(binned_tokens(small_cells, vocabulary(), max_genes=20))
    turned = content(binned_tokens(small_cells.take(np.arange(39, -1, -1)), vocabulary(), max_genes=20))
    assert whole == again == turned[::-1]
    assert len({tuple(cell) for cell in whole}) > 1


def test_a_longer_cell_is_a_sample_of_itself_binned_whole(small_cells: Expression) -> None:
    whole = binned_tokens(small_cells, vocabulary(), max_genes=1000)
    cut = binned_tokens(small_cells, vocabulary(), max_genes=10)
    assert set(cut.lengths) == {10}
    assert (whole.lengths == whole.cells["n_mapped"]).all()
    kept = np.zeros(60)
    for full, sample in zip(content(whole), content(cut), strict=True):
        assert sample.items() <= full.items()
        kept[[int(gene[1:]) for gene in sample]] += 1
    assert np.corrcoef(kept, (small_cells.counts > 0).toarray().sum(axis=0))[0, 1] > 0
    assert (kept > 0).sum() > 50  # not always the same genes


def test_published_takes_the_highest_counts_as_they_are(small_cells: Expression) -> None:
    dense = small_cells.counts.toarray()
    for row, cell in zip(dense, content(raw_value_tokens(small_cells, vocabulary(), max_genes=10)), strict=True):
        names = sorted(f"G{i}" for i in range(60))
        order = sorted((name for name in names if row[int(name[1:])] > 0), key=lambda name: -row[int(name[1:])])
        assert list(cell.items()) == [(name, row[int(name[1:])]) for name in order[:10]]


def test_symbols_are_found_in_any_column_and_summed() -> None:
    expression = one_cell([1, 2, 5, 9], [("ENSG1", "G7"), ("G7", "nan"), ("x", "G3"), ("<cls>", "g4")])
    tokens = raw_value_tokens(expression, vocabulary(), max_genes=10)
    assert content(tokens) == [{"G3": 5.0, "G7": 3.0}]
    assert tokens.genes["token"].tolist() == [3, 7]
    assert tokens.cells["n_expressed"].tolist() == [4]
    assert tokens.cells["n_mapped"].tolist() == [2]


@pytest.mark.parametrize("read", [binned_tokens, raw_value_tokens])
def test_cells_of_another_species_are_refused_with_the_numbers(small_cells: Expression, read) -> None:
    mouse = replace(small_cells, genes=[(f"g{i}",) for i in range(60)])
    with pytest.raises(UserError, match=r"small cells: 0 of 60 genes, with 0\.0%.*vocab\.json"):
        read(mouse, vocabulary(), max_genes=10)
    strange = replace(small_cells, genes=[(f"G{i}" if i < 20 else f"X{i}",) for i in range(60)])
    with pytest.raises(UserError, match="20 of 60 genes"):
        read(strange, vocabulary(), max_genes=10, min_share_mapped=0.9)


def test_a_cell_without_known_genes_is_empty(small_cells: Expression) -> None:
    counts = small_cells.counts.toarray()
    counts[1] = 0
    tokens = binned_tokens(replace(small_cells, counts=sparse.csr_matrix(counts)), vocabulary(), max_genes=10)
    assert tokens.lengths[1] == 0


def test_keeping_some_cells_keeps_their_values(small_cells: Expression) -> None:
    tokens = binned_tokens(small_cells, vocabulary(), max_genes=30)
    chosen = np.arange(40) % 3 == 0
    kept = [cell for cell, keep in zip(content(tokens), chosen, strict=True) if keep]
    assert content(tokens.keep(chosen)) == kept


def test_real_cells_read_by_the_real_vocabulary(shared: Path) -> None:
    from cellprism.models.scgpt import read_vocabulary

    known = read_vocabulary(shared / "data" / "scgpt" / "vocab.json", pad_token="<pad>")
    cells = read_expression(str(shared / "data" / "cells" / "zheng2017_pbmc_800.h5ad")).take(np.arange(100))
    tokens = binned_tokens(cells, known, max_genes=1199, min_share_mapped=0.9)
    assert tokens.value is not None
    assert len(known.tokens) == 60697
    assert 300 < np.median(tokens.lengths) < 1199
    assert (tokens.value >= 1).all()
    assert (tokens.value <= 50).all()
    assert (tokens.value == 50).any()
