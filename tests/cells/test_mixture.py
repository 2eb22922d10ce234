from __future__ import annotations

import pandas as pd
import pytest

from cellprism.cells.mixture import refuse_mixture
from cellprism.errors import UserError


@pytest.mark.parametrize("column", ["cell_line", "CellLine", "Cell line name"])
def test_cells_of_several_lines_are_refused_with_their_names(column: str) -> None:
    obs = pd.DataFrame({column: ["rpe1", "k562", None, "k562"], "guide": ["a", "b", "c", "d"]})
    with pytest.raises(UserError, match=rf"mine\.h5ad mixes 2 cell lines \(k562, rpe1\).*\{{{column}: k562\}}"):
        refuse_mixture(obs, "mine.h5ad", named=["guide"])
    refuse_mixture(obs, "mine.h5ad", named=[column])
    refuse_mixture(obs[obs[column] == "k562"], "mine.h5ad", named=[])


def test_other_columns_may_mix() -> None:
    obs = pd.DataFrame({"cell_type": ["a", "b"], "cell_linear_score": [1, 2]})
    refuse_mixture(obs, "mine.h5ad", named=[])
    with pytest.raises(UserError, match="mixes 2 cell lines"):
        refuse_mixture(obs.rename(columns={"cell_type": "cell_line"}), "mine.h5ad", named=[])
