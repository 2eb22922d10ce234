from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cellprism.cells.expression import read_expression
from cellprism.cells.rank_tokens import GeneVocabulary, rank_tokens
from cellprism.cells.species import guess_species
from cellprism.errors import UserError

if TYPE_CHECKING:
    from cellprism.cells.expression import Expression


@pytest.mark.parametrize(("names", "species"), [
    (["ENSMUSG00000000001.4", "ENSMUSG00000000003", "mt-Nd1"], "mouse"),
    (["Cd79a", "Gm1992", "1700016K19Rik", "mt-Nd1", "H2-K1"], "mouse or rat"),
    (["ENSG00000156738", "ENSG00000105369"], "human"),
    (["CD79A", "MS4A1", "C1orf112", "MT-ND1", "F5"], None),
])
def test_names_tell_the_species(names: list[str], species: str | None) -> None:
    assert guess_species([(name, "x") for name in names]) == species


def test_human_symbols_are_not_taken_for_those_of_rodents() -> None:
    assert guess_species(read_expression("demo").genes) is None


def test_mouse_cells_in_a_human_model_are_named(small_cells: Expression) -> None:
    mouse = replace(small_cells, genes=[(f"Gm{i}a",) for i in range(60)])
    human = GeneVocabulary({"<pad>": 0, "ENSG1": 1}, {"ENSG1": 1.0}, {}, "token_dictionary_gc104M.pkl")
    with pytest.raises(UserError, match=r"0 of 60 genes, .*token_dictionary_gc104M.*names of mouse or rat"):
        rank_tokens(mouse, human, max_genes=10)
