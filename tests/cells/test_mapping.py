from __future__ import annotations

from collections import defaultdict

import numpy as np
import pandas as pd
from scipy import sparse

from cellprism.cells.binned_tokens import SymbolVocabulary
from cellprism.cells.expression import Expression
from cellprism.cells.mapping import map_genes


def test_counts_equal_adding_name_by_name() -> None:
    rng = np.random.default_rng(0)
    dense = rng.poisson(0.7, (12, 30)).astype(np.float32)
    names = [(f"ENSG{i}", f"S{rng.integers(20)}") for i in range(30)]
    expression = Expression(
        counts=sparse.csr_matrix(dense), totals=dense.sum(axis=1), genes=names, names=np.arange(12).astype(str),
        obs=pd.DataFrame(index=range(12)), source="s",
    )
    tokens = {"<pad>": 0, **{f"S{i}": 1 + i for i in range(0, 20, 2)}, "ENSG3": 11}
    counts, genes = map_genes(expression, SymbolVocabulary(tokens, "v"))
    slow: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(12))
    for column, gene in zip(dense.T, names, strict=True):
        known = [name for name in gene if name in tokens]
        if known:
            slow[known[0]] += column
    assert genes["id"].tolist() == sorted(slow)
    assert genes["token"].tolist() == [tokens[name] for name in sorted(slow)]
    assert (counts.toarray() == np.array([slow[name] for name in sorted(slow)]).T).all()
    assert (counts.data > 0).all()
    assert counts.has_sorted_indices
    shown = dict(zip(genes["id"], genes["symbol"], strict=True))
    assert shown["ENSG3"] == names[3][1]
    assert all(shown[name] == name for name in slow if name.startswith("S"))
