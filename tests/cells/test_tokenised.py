from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cellprism.cells.rank_tokens import GeneVocabulary, adopt_tokens
from cellprism.cells.tokenised import holds_tokens, read_tokenised
from cellprism.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

CELLS = [[2, 9, 7, 5, 3], [2, 5, 3], [2, 8, 9, 6, 7, 3]]
TABLE = pa.table({"input_ids": CELLS, "length": [5, 3, 6], "cell_type": ["a", "b", "a"]})
GENES = {name: token for token, name in enumerate(["A", "B", "C", "D", "E", "F"], start=4)}
V2 = GeneVocabulary(
    {"<pad>": 0, "<mask>": 1, "<cls>": 2, "<eos>": 3, **GENES}, dict.fromkeys(GENES, 1.0), {}, "V2", {"B": "CD79B"},
)


def save(table: pa.Table, path: Path, kind: str) -> str:
    if kind == "parquet":
        pq.write_table(table, path / "cells.parquet")
        return str(path / "cells.parquet")
    for number, part in enumerate((table.slice(0, 2), table.slice(2))):
        opener = pa.ipc.new_stream if kind == "stream" else pa.ipc.new_file
        with opener(str(path / f"data-{number:05d}-of-00002.arrow"), table.schema) as writer:
            writer.write_table(part)
    return str(path)


@pytest.mark.parametrize("kind", ["parquet", "stream", "file"])
def test_every_kind_of_file_gives_the_same_cells(tmp_path: Path, kind: str) -> None:
    path = save(TABLE, tmp_path, kind)
    assert holds_tokens(path)
    cells = read_tokenised(path)
    assert [list(part) for part in np.split(cells.ids, cells.offsets[1:-1])] == CELLS
    assert cells.obs["cell_type"].tolist() == ["a", "b", "a"]
    assert list(cells.obs.columns) == ["length", "cell_type"]
    taken = cells.take(np.array([2, 0]))
    assert [list(part) for part in np.split(taken.ids, taken.offsets[1:-1])] == [CELLS[2], CELLS[0]]
    assert taken.names.tolist() == ["row2", "row0"]
    assert np.isnan(taken.totals).all()


def test_special_tokens_are_dropped_and_long_cells_cut(tmp_path: Path) -> None:
    tokens = adopt_tokens(read_tokenised(save(TABLE, tmp_path, "parquet")), V2, max_genes=3)
    assert [list(part) for part in np.split(tokens.token, tokens.offsets[1:-1])] == [[9, 7, 5], [5], [8, 9, 6]]
    assert tokens.cells["n_mapped"].tolist() == [3, 1, 4]
    assert tokens.genes.set_index("token")["symbol"].to_dict() == {5: "CD79B", 6: "C", 7: "D", 8: "E", 9: "F"}
    assert tokens.genes["id"].tolist() == ["B", "C", "D", "E", "F"]


def test_tokens_2_and_3_are_genes_where_the_dictionary_says_so(tmp_path: Path) -> None:
    genes = {f"G{token}": token for token in range(2, 12)}
    v1 = GeneVocabulary({"<pad>": 0, "<mask>": 1, **genes}, dict.fromkeys(genes, 1.0), {}, "V1")
    tokens = adopt_tokens(read_tokenised(save(TABLE, tmp_path, "parquet")), v1, max_genes=100)
    assert [list(part) for part in np.split(tokens.token, tokens.offsets[1:-1])] == CELLS


@pytest.mark.parametrize(("columns", "words"), [
    ({"input_ids": [[2, 5, 40]]}, "1 of 3 tokens are not in V2, the first, 40, in row0"),
    ({"input_ids": [[5, 6, 5]]}, "a gene twice"),
    ({"input_ids": [[5, 6]], "length": [3]}, "length of row 0"),
    ({"tokens": [[5, 6]]}, "input_ids"),
    ({"input_ids": [[5, 6], None]}, "a list of whole numbers for every cell, not empty entries"),
    ({"input_ids": [[5, None]]}, "not empty entries"),
    ({"input_ids": [[5.0, 6.5]]}, "not list<element: double>"),
    ({"input_ids": [["A"]]}, "not list<element: string>"),
    ({"input_ids": [5, 6]}, "not int64"),
])
def test_what_is_not_such_cells_is_refused(tmp_path: Path, columns: dict[str, object], words: str) -> None:
    path = save(pa.table(columns), tmp_path, "parquet")
    with pytest.raises(UserError, match=words):
        adopt_tokens(read_tokenised(path), V2, max_genes=10)


def test_what_datasets_caches_beside_its_files_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    path = save(TABLE, tmp_path / "train", "stream")
    copy = (tmp_path / "train" / "data-00000-of-00002.arrow").read_bytes()
    (tmp_path / "train" / "cache-0123456789abcdef.arrow").write_bytes(copy)
    assert len(read_tokenised(path)) == 3
    with pytest.raises(UserError, match=r"no tokenised cells at .*holds such folders: train\.$"):
        read_tokenised(str(tmp_path))


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no tokenised cells"):
        read_tokenised(str(tmp_path))
    (tmp_path / "x.parquet").write_text("no")
    with pytest.raises(UserError, match=r"x\.parquet cannot be read"):
        read_tokenised(str(tmp_path / "x.parquet"))


def test_the_500_cells_of_genecorpus(shared: Path) -> None:
    from cellprism.models.dictionaries import find_vocabulary

    folder = shared / "data" / "geneformer"
    cells = read_tokenised(str(folder / "genecorpus30M_500_tokenised_cells.parquet"))
    known = find_vocabulary(folder, 25426)
    tokens = adopt_tokens(cells, known, max_genes=2048)
    assert np.array_equal(tokens.token, cells.ids)
    assert len(tokens) == 500
    assert tokens.genes["id"].str.startswith("ENSG").all()
    assert (tokens.genes["symbol"] != tokens.genes["id"]).mean() > 0.9
    with pytest.raises(UserError, match="generation"):
        adopt_tokens(cells, find_vocabulary(folder, 20275), max_genes=4096)


def test_a_folder_called_demo_does_not_hide_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "demo").mkdir()
    monkeypatch.chdir(tmp_path)
    assert not holds_tokens("demo")
    assert holds_tokens(str(tmp_path / "demo"))
