from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from cellprism.errors import UserError
from cellprism.knowledge.gene_sets import gene_set_paths, load_gene_sets, read_gmt

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, text: str, name: str = "sets.gmt") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_reads_names_and_genes_in_order(tmp_path: Path) -> None:
    path = write(tmp_path, "B cell\tsource\tCD19\tMS4A1\nT cell\t\tCD3E\n")
    assert read_gmt(path) == {"B cell": ("CD19", "MS4A1"), "T cell": ("CD3E",)}


def test_cleans_symbols(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufeffa\td\tCd19,1.0\t MS4A1 \t\tcd19\tHLA-DRA,0.5\t\r\n\r\n")
    assert read_gmt(path) == {"a": ("CD19", "MS4A1", "HLA-DRA")}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("B cell CD19 MS4A1", "no tabs"),
        ("\td\tCD19", "no name"),
        ("B cell\td\t\t ", "no genes for 'B cell'"),
        ("B cell\td", "no genes for 'B cell'"),
        ("first\td\tCD3E", "repeats the name 'first'"),
    ],
)
def test_malformed_line_is_named(tmp_path: Path, line: str, fault: str) -> None:
    path = write(tmp_path, f"first\td\tCD19\n{line}\n")
    with pytest.raises(UserError, match=f"{re.escape(str(path))}, line 2, .*{re.escape(fault)}"):
        read_gmt(path)


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_file_without_sets(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, content.decode())
    with pytest.raises(UserError, match="holds no gene sets"):
        read_gmt(path)


def test_binary_file(tmp_path: Path) -> None:
    path = tmp_path / "sets.gmt"
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(UserError, match="cannot be read as a GMT file"):
        read_gmt(path)


def test_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read as a GMT file"):
        read_gmt(tmp_path / "none.gmt")


def test_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(UserError, match=r"no gene sets 'imune': give a shipped library \(.*immune.*\) or the path"):
        load_gene_sets(["imune"])


def test_libraries_by_name_and_path(tmp_path: Path) -> None:
    path = write(tmp_path, "a\td\tCD19\n", "mine.gmt")
    libraries = load_gene_sets(["immune", str(path)])
    assert list(libraries) == ["immune", "mine"]
    assert libraries["mine"] == {"a": ("CD19",)}
    assert [p.stem for p in gene_set_paths(["immune", str(path)])] == ["immune", "mine"]
    assert read_gmt(gene_set_paths(["immune"])[0]) == libraries["immune"]


def test_same_library_name_twice(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    paths = [write(folder, "a\td\tCD19\n") for folder in (tmp_path, tmp_path / "other")]
    with pytest.raises(UserError, match="two gene-set files are named sets"):
        load_gene_sets([str(path) for path in paths])
