from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cellprism.cells.expression import read_expression
from cellprism.cells.rank_tokens import GeneVocabulary, rank_tokens
from cellprism.cells.species import guess_species
from cellprism.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

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


def human(*symbols: str) -> GeneVocabulary:
    aliases = {symbol: f"ENSG{number}" for number, symbol in enumerate(symbols)}
    tokens = {"<pad>": 0, "ENSG_": 1, **{id_: number + 2 for number, id_ in enumerate(aliases.values())}}
    return GeneVocabulary(tokens, dict.fromkeys(aliases.values(), 1.0), aliases, "token_dictionary_gc104M.pkl")


@pytest.mark.parametrize("names", [[(f"Gm{i}a",) for i in range(60)], [(f"ENSMUSG{i}", f"Gm{i}a") for i in range(60)]])
def test_mouse_cells_in_a_human_model_are_named(small_cells: Expression, names: list[tuple[str, ...]]) -> None:
    mouse = replace(small_cells, genes=names)
    known = human(*(f"GM{i}A" for i in range(60)))
    with pytest.raises(UserError, match=r"are names of mouse.*token_dictionary_gc104M.*orthologues"):
        rank_tokens(mouse, known, max_genes=10)
    assert len(rank_tokens(replace(mouse, genes=[(f"GM{i}A",) for i in range(60)]), known, max_genes=10)) == 40


def test_mouse_cells_in_a_model_of_the_mouse_are_welcome(small_cells: Expression) -> None:
    mouse = replace(small_cells, genes=[(f"Gm{i}a",) for i in range(60)])
    known = GeneVocabulary({f"Gm{i}a": i for i in range(60)}, {f"Gm{i}a": 1.0 for i in range(60)}, {}, "mouse")
    assert len(rank_tokens(mouse, known, max_genes=10)) == 40


@pytest.mark.parametrize("name", ["zheng2017_pbmc_800", "scp1884_gut_1020", "ipsc_cardiomyocyte_315"])
def test_real_human_cells_are_not_taken_for_others(shared: Path, name: str) -> None:
    assert guess_species(read_expression(str(shared / "data" / "cells" / f"{name}.h5ad")).genes) in {None, "human"}
