from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from tests.atlas.fabricated import DEAD, LAYERS, N_FEATURES

from cellprism.atlas.columns import unpack_columns
from cellprism.atlas.dictionaries import Dictionaries, dictionaries
from cellprism.atlas.topgenes import top_columns

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.reader import RunReader


@pytest.mark.parametrize("layer", LAYERS)
def test_the_file_has_the_top_genes_of_every_feature(reader: RunReader, atlas: Path, layer: int) -> None:
    columns = unpack_columns((atlas / f"runs/my-run/top/L{layer:02d}.bin").read_bytes())
    names = sorted(name for name in columns if name.startswith("gene"))
    top = reader.top_genes(layer).sort_values("rank")
    for feature in range(N_FEATURES):
        found = [int(columns[name][feature]) for name in names]
        wanted = top.loc[top["feature"] == feature, "gene"].tolist()
        assert found == wanted + [65535] * (len(names) - len(wanted))
    assert columns["gene00"][DEAD] == 65535


def test_labels_and_groups_are_those_of_the_features(reader: RunReader, atlas: Path) -> None:
    columns = unpack_columns((atlas / "runs/my-run/top/L00.bin").read_bytes())
    dictionary, features = dictionaries(reader), reader.features(0)
    for row in features.itertuples():
        label = 2**32 - 1 if pd.isna(row.label) else dictionary.terms[row.source, row.label]
        group = 65535 if pd.isna(row.group_key) else dictionary.groups[row.group_key, row.group_value]
        assert (columns["label"][row.feature], columns["group"][row.feature]) == (label, group)


def test_many_genes_take_wider_columns(reader: RunReader) -> None:
    genes = pd.DataFrame({"gene": np.arange(70_000)})
    wide = Dictionaries(genes=genes, terms={}, groups={}, group_sizes=[])
    features = reader.features(0).assign(source=None, label=None, group_key=None, group_value=None)
    top = reader.top_genes(0)
    columns = top_columns(features, top.assign(gene=top["gene"] + 69_000), wide)
    assert columns["gene00"].dtype == np.dtype("u4")
    assert columns["gene00"][DEAD] == 2**32 - 1
    first = top[(top["feature"] == 0) & (top["rank"] == 0)]["gene"].item()
    assert columns["gene00"][0] == first + 69_000
    assert list(top_columns(features, top.iloc[:0], wide)) == ["label", "group"]
