from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cellprism.errors import UserError
from cellprism.knowledge.formats import read_names
from cellprism.knowledge.genes import read_hgnc, translate

if TYPE_CHECKING:
    from pathlib import Path

HEADER = (
    "hgnc_id\tsymbol\tname\tlocus_group\tlocus_type\tstatus\tlocation\talias_symbol\tprev_symbol\t"
    "ensembl_gene_id\n"
)
ROWS = [
    ("HGNC:1", "SEPTIN1", "Approved", '"LARP|DIFF6"', "SEPT1", "ENSG00000180096"),
    ("HGNC:2", "MARCHF1", "Approved", "RNF171", "MARCH1", "ENSG00000145416"),
    ("HGNC:3", "LARP1", "Approved", "LARP|KIAA0731", "", "ENSG00000155506"),
    ("HGNC:4", "C1orf112", "Approved", "SEPT1", "", "ENSG00000000460"),
    ("HGNC:5", "GONE1", "Entry Withdrawn", "", "", ""),
]


def hgnc(folder: Path, rows: list[tuple[str, ...]] = ROWS) -> Path:
    path = folder / "hgnc_complete_set.txt"
    lines = [f"{i}\t{s}\tname\tg\tt\t{status}\t1p\t{alias}\t{prev}\t{ens}\n" for i, s, status, alias, prev, ens in rows]
    path.write_text(HEADER + "".join(lines))
    return path


def test_names_are_looked_up_level_by_level(tmp_path: Path) -> None:
    names = read_hgnc(hgnc(tmp_path))
    found = names.resolve(
        ["septin1", "SEPT1", "ENSG00000155506.12", "ENSG00000145416", "C1ORF112", "LARP", "GONE1", "XYZ", "SEPT1"]
    )
    assert found.symbols == {
        "septin1": "SEPTIN1", "SEPT1": "SEPTIN1", "ENSG00000155506.12": "LARP1", "ENSG00000145416": "MARCHF1",
        "C1ORF112": "C1orf112",
    }
    assert found.ambiguous == {"LARP": ("SEPTIN1", "LARP1")}
    assert found.unmapped == ("GONE1", "XYZ")


def test_gene_sets_are_spelled_as_the_data(tmp_path: Path) -> None:
    names = read_names(hgnc(tmp_path))
    sets = {"l": {"t": ("SEPTIN1", "MARCH1", "LARP1", "NEW1"), "u": ("SEPT1", "SEPTIN1")}}
    spelled, resolution = translate(sets, ["SEPT1", "MARCHF1", "NEW1", "odd"], names)
    assert spelled == {"l": {"t": ("SEPT1", "MARCHF1", "LARP1", "NEW1"), "u": ("SEPT1",)}}
    assert resolution.unmapped == ("NEW1", "odd")


def test_malformed_names(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="line 3, repeats the symbol SEPTIN1"):
        read_hgnc(hgnc(tmp_path, [ROWS[0], ROWS[0]]))
    with pytest.raises(UserError, match="holds no approved gene"):
        read_hgnc(hgnc(tmp_path, [ROWS[-1]]))
    path = hgnc(tmp_path)
    path.write_text(path.read_text().replace("prev_symbol", "previous"))
    with pytest.raises(UserError, match="line 1, has no column 'prev_symbol'"):
        read_hgnc(path)
    path.write_text(HEADER + "HGNC:1\tA\n")
    with pytest.raises(UserError, match="line 2, has 2 fields"):
        read_hgnc(path)
    (tmp_path / "sets.gmt").write_text("a\tb\tC\n")
    with pytest.raises(UserError, match="holds no names of genes"):
        read_names(tmp_path / "sets.gmt")
