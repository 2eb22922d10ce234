from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cellprism.cells.expression import read_expression
from cellprism.cells.tokenised import read_tokenised
from cellprism.errors import UserError
from cellprism.models import load_model
from cellprism.models.base import CellModel
from cellprism.models.checkpoints import Checkpoint, find_checkpoint
from cellprism.models.sources import choose_cells
from cellprism.models.stages import run_model, run_tokens, tokenize
from cellprism.runs.config import parse_config
from cellprism.runs.directory import create
from cellprism.runs.progress import Silent

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.cells.expression import Expression


def test_cells_are_chosen_by_their_columns(small_cells: Expression) -> None:
    chosen = choose_cells(small_cells, {"kind": "b"})
    assert chosen.names.tolist() == [f"cell{i}" for i in range(20, 40)]
    assert "20 of 40 cells have kind b" in chosen.notes[-1]
    assert len(choose_cells(small_cells, {"kind": ("a", "b")})) == 40
    assert choose_cells(small_cells, {}) is small_cells
    with pytest.raises(UserError, match=r"no column 'line' in obs.*kind"):
        choose_cells(small_cells, {"line": "k562"})
    with pytest.raises(UserError, match=r"no cell has kind c \(there are a, b\)"):
        choose_cells(small_cells, {"kind": "c"})


def test_tokens_from_a_file_become_the_same_cells_as_their_counts(tmp_path: Path) -> None:
    counts = {"path": "demo", "where": {"bulk_labels": ["CD14+ Monocyte", "Dendritic"]}, "labels": ["bulk_labels"]}
    first = create(parse_config({"out": str(tmp_path / "counts"), "cells": counts}))
    facts = tokenize(first, None, Silent())
    tokens = run_tokens(first)
    labels = first.read("cell_labels")
    assert set(labels["value"]) == {"CD14+ Monocyte", "Dendritic"}
    table = pa.table({
        "input_ids": [[2, *part, 3] for part in np.split(tokens.token, tokens.offsets[1:-1])],
        "bulk_labels": labels["value"].to_numpy(object),
    })
    pq.write_table(table, tmp_path / "cells.parquet")
    cells = {"path": str(tmp_path / "cells.parquet"), "labels": ["bulk_labels"]}
    second = create(parse_config({"out": str(tmp_path / "tokens"), "cells": cells}))
    again = tokenize(second, None, Silent())
    assert (again["cells"], again["positions"]) == (facts["cells"], facts["positions"])
    assert again["tokens_per_cell_quartiles"] == facts["tokens_per_cell_quartiles"]
    assert np.array_equal(run_tokens(second).token, tokens.token)
    assert second.read("cell_labels").equals(labels)
    assert second.read("cells")["total"].isna().all()
    batch = load_model("demo", device="cpu").pad(run_tokens(second), np.array([0]))
    assert batch.tokens[0, [0, -1]].tolist() == [2, 3]


def test_a_model_that_wants_counts_says_so(tmp_path: Path) -> None:
    pq.write_table(pa.table({"input_ids": [[5, 6]]}), tmp_path / "cells.parquet")
    with pytest.raises(UserError, match="want counts"):
        CellModel.adopt(load_model("demo", device="cpu"), read_tokenised(str(tmp_path / "cells.parquet")))


def test_mixed_cell_lines_stop_a_run_and_the_dictionary_is_in_the_manifest(tmp_path: Path) -> None:
    genes = [names[0] for names in read_expression("demo").genes[:200]]
    counts = np.random.default_rng(0).poisson(2.0, (12, 200)).astype(np.float32)
    obs = pd.DataFrame({"cell_line": ["k562", "rpe1"] * 6}, index=[f"c{i}" for i in range(12)])
    anndata.AnnData(counts, obs, pd.DataFrame(index=genes)).write_h5ad(tmp_path / "cells.h5ad")

    def read(name: str, **cells: object) -> dict[str, Any]:
        config = {"out": str(tmp_path / name), "cells": {"path": str(tmp_path / "cells.h5ad"), **cells}}
        return tokenize(create(parse_config(config)), None, Silent())

    with pytest.raises(UserError, match=r"cells\.h5ad mixes 2 cell lines \(k562, rpe1\)"):
        read("mixed")
    facts = read("one", where={"cell_line": "k562"})
    lengths = np.sort((counts > 0).sum(axis=1))
    kept = read("long", labels=["cell_line"], min_tokens=int(lengths[-1]))
    n_left = int((lengths < lengths[-1]).sum())
    assert (kept["cells"], kept["cells_left_out"]) == (12 - n_left, n_left)
    notes = json.loads((tmp_path / "long" / "model.json").read_text())["notes"]
    assert f"{n_left} of 12 cells have fewer than {lengths[-1]} expressed genes that the model knows" in notes[0]
    assert (facts["cells"], facts["dictionary"]) == (6, "token_dictionary.pkl")
    assert read("both", labels=["cell_line"])["cells"] == 12


def test_a_run_stays_with_the_commit_it_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []
    newest = ["a" * 40]

    def fetch(path: str, *, subfolder: str | None, revision: str | None) -> Checkpoint:
        asked.append(revision)
        found = find_checkpoint("demo")
        return Checkpoint(found.folder, found.root, path, revision or newest[0])

    monkeypatch.setattr("cellprism.models.geneformer.find_checkpoint", fetch)
    config = {"out": str(tmp_path / "run"), "model": {"path": "lab/Toy"}, "cells": {"max_cells": 20}}
    run = create(parse_config(config))
    tokenize(run, None, Silent())
    newest[0] = "b" * 40
    assert run_model(run).describe()["commit"] == run.model["commit"] == "a" * 40
    assert asked == [None, "a" * 40]
