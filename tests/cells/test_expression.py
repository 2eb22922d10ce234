from __future__ import annotations

from typing import TYPE_CHECKING

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cellprism.cells.expression import from_anndata, read_expression
from cellprism.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


def make(matrix: np.ndarray, **parts: object) -> anndata.AnnData:
    names = {"obs": pd.DataFrame(index=[f"c{i}" for i in range(len(matrix))]),
             "var": pd.DataFrame(index=[f"G{i}" for i in range(matrix.shape[1])])}
    return anndata.AnnData(matrix.astype(np.float32), **{**names, **parts})


COUNTS = np.array([[0, 3, 1], [2, 0, 900]])


def test_counts_come_through_whichever_way_they_are_stored() -> None:
    log = make(np.log1p(COUNTS))
    log.layers["counts"] = COUNTS.astype(np.float32)
    log.raw = make(COUNTS)
    for adata, layer in ((make(COUNTS), None), (log, "counts"), (log, "raw")):
        expression = from_anndata(adata, layer=layer)
        assert expression.counts.toarray().tolist() == COUNTS.tolist()
        assert expression.totals.tolist() == [4, 902]
        assert expression.genes == [("G0",), ("G1",), ("G2",)]
        assert expression.names.tolist() == ["c0", "c1"]


def test_other_gene_names_are_kept_in_order() -> None:
    var = pd.DataFrame({"gene_ids": ["ENSG1", "ENSG2", "ENSG3"]}, index=["A", "B", "C"])
    assert from_anndata(make(COUNTS, var=var)).genes[1] == ("B", "ENSG2")


@pytest.mark.parametrize(("matrix", "words"), [
    (np.where(COUNTS == 3, np.nan, COUNTS), ["1 NaN", "'c0'", "raw counts"]),
    (COUNTS - 1.0, ["negative", "cells.layer"]),
    (np.log1p(np.minimum(COUNTS, 5)), ["log-normalised", "cells.layer"]),
    (COUNTS * 0, ["no counts", "2 cells x 3 genes"]),
    (COUNTS / COUNTS.sum(axis=1, keepdims=True) * 1e4, ["normalised", "every cell adds up to 10,000", "raw counts"]),
])
def test_what_is_not_counts_is_refused_in_one_sentence(matrix: np.ndarray, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        from_anndata(make(matrix), source="mine.h5ad")
    assert all(word in str(caught.value) for word in ["mine.h5ad", *words])


def test_the_layer_that_holds_counts_is_named() -> None:
    log = np.log1p(np.minimum(COUNTS, 5))
    adata = make(log)
    adata.layers["scaled"] = log - 1
    adata.layers["binary"] = (COUNTS > 0).astype(np.float32)
    adata.layers["umi"] = COUNTS.astype(np.float32)
    adata.raw = make(log)
    for layer in (None, "scaled", "raw"):
        with pytest.raises(UserError, match=r"set `cells.layer` to umi, which holds whole numbers"):
            from_anndata(adata, layer=layer)
    del adata.layers["umi"]
    adata.raw = make(COUNTS)
    with pytest.raises(UserError, match=r"set `cells.layer` to raw"):
        from_anndata(adata)
    other = make(COUNTS)
    other.layers["log"] = log
    with pytest.raises(UserError, match=r"leave out `cells.layer`, because X"):
        from_anndata(other, layer="log")


def test_a_layer_called_raw_goes_before_the_attribute() -> None:
    adata = make(np.log1p(np.minimum(COUNTS, 5)))
    adata.layers["raw"] = COUNTS.astype(np.float32)
    with pytest.raises(UserError, match=r"set `cells.layer` to raw, which holds whole numbers"):
        from_anndata(adata)
    assert from_anndata(adata, layer="raw").counts.toarray().tolist() == COUNTS.tolist()
    adata.raw = make(np.log1p(COUNTS))
    assert from_anndata(adata, layer="raw").counts.toarray().tolist() == COUNTS.tolist()
    del adata.layers["raw"]
    adata.raw = None
    with pytest.raises(UserError, match=r"has no \.raw: leave out `cells.layer`, which means X"):
        from_anndata(adata, layer="raw")


def test_full_length_estimates_with_fractions_are_counts() -> None:
    estimates = from_anndata(make(COUNTS + np.where(COUNTS == 900, 0.4, 0)))
    assert estimates.counts.max() == pytest.approx(900.4)
    assert estimates.notes == ("25% of the values are not whole numbers; they are taken for estimated counts.",)
    assert from_anndata(make(COUNTS)).notes == ()


def test_files_that_are_missing_or_foreign_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no file .*absent\.h5ad"):
        read_expression(str(tmp_path / "absent.h5ad"))
    (tmp_path / "text.h5ad").write_text("hello")
    with pytest.raises(UserError, match=r"text\.h5ad cannot be read"):
        read_expression(str(tmp_path / "text.h5ad"))
    other = make(COUNTS, layers={"umi": COUNTS})
    with pytest.raises(UserError, match=r"no layer 'counts': set `cells.layer` to umi, or leave out `cells.layer`"):
        from_anndata(other, layer="counts")
    other.X = None
    with pytest.raises(UserError, match=r"has no X: set `cells.layer` to umi\.$"):
        from_anndata(other)


def test_stored_zeros_hide_nothing_and_stay_the_callers() -> None:
    stored = sparse.csr_matrix((np.zeros(6, np.float32), np.tile(range(3), 2), [0, 3, 6]), shape=(2, 3))
    padded = anndata.AnnData(stored)
    with pytest.raises(UserError, match="holds no counts"):
        from_anndata(padded)
    padded.X.data[:] = [0, 3, 1, 2, 0, 900]
    assert from_anndata(padded).lengths.tolist() == [2, 2]
    assert padded.X.nnz == 6


@pytest.mark.filterwarnings("error")
def test_names_that_repeat_are_no_news(tmp_path: Path) -> None:
    twice = make(COUNTS)
    with pytest.warns(UserWarning, match="not unique"):
        twice.var_names = ["A", "A", "B"]
        twice.write_h5ad(tmp_path / "twice.h5ad")
    assert read_expression(str(tmp_path / "twice.h5ad")).genes == [("A",), ("A",), ("B",)]


def test_the_demo_is_back_at_counts() -> None:
    expression = read_expression("demo")
    assert expression.counts.shape == (700, 765)
    assert np.array_equal(expression.counts.data, np.round(expression.counts.data))
    assert expression.counts.data.min() == 1
    assert (expression.totals >= np.asarray(expression.counts.sum(axis=1)).ravel()).all()
    deviation = float(expression.notes[0].split("further than ")[1].split(" ")[0])
    assert deviation < 0.2
