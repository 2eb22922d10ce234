"""The top genes of every feature of a layer in one small file: the browser ranks features for a gene list by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cellprism.atlas.featuremap import numbers

if TYPE_CHECKING:
    import pandas as pd

    from cellprism.atlas.dictionaries import Dictionaries


def top_columns(features: pd.DataFrame, top_genes: pd.DataFrame, dictionary: Dictionaries) -> dict[str, np.ndarray]:
    """Columns of the file ``top/LNN.bin``.

    Parameters
    ----------
    features
        The table that `RunReader.features` gives, of all features in order of their index.
    top_genes
        The table that `RunReader.top_genes` gives.
    dictionary
        Numbers of terms and groups.

    Returns
    -------
    dict
        ``label`` and ``group`` as on the map, then ``gene00``, ``gene01``, ... of each rank; shape
        ``(len(features),)``, the type's largest value where there is none.
    """
    n_genes = len(dictionary.genes)
    kind = np.dtype("u2") if n_genes < np.iinfo("u2").max else np.dtype("u4")
    n_ranks = int(top_genes["rank"].max()) + 1 if len(top_genes) else 0
    genes = np.full((n_ranks, len(features)), np.iinfo(kind).max, kind)
    genes[top_genes["rank"].to_numpy(), top_genes["feature"].to_numpy()] = top_genes["gene"].to_numpy()
    return {
        "label": numbers(features, ("source", "label"), dictionary.terms, "u4"),
        "group": numbers(features, ("group_key", "group_value"), dictionary.groups, "u2"),
        **{f"gene{rank:02d}": column for rank, column in enumerate(genes)},
    }
