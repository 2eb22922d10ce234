"""Numbers of all features of a layer that the browser fetches only when they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cellprism.atlas.featuremap import rounded
from cellprism.atlas.optional import optional

if TYPE_CHECKING:
    import pandas as pd

    from cellprism.atlas.circuits import Degrees
    from cellprism.reader import RunReader


def more_columns(reader: RunReader, layer: int, edges: Degrees) -> dict[str, np.ndarray]:
    """Name to the values of a layer's features in order of their index; columns without any value are left out.

    ``mean_value`` and ``n_genes`` are of the catalog; ``by_gene``, ``by_cell`` and ``by_context`` the shares of the
    activation's variance; ``axis_cosine`` the absolute cosine with the nearest principal axis; ``atom_cosine`` that
    with the nearest other atom; ``stability`` that between seeds; ``n_layers`` the layers of the feature's chain;
    ``highway_pmi`` its highest PMI with a feature of a later layer; ``out_degree`` and ``in_degree`` its ``edges`` in
    the traces. A feature that lacks a number has NaN.
    """
    import pandas as pd

    features = reader.run.read("features", layer).sort_values("feature").set_index("feature")
    members = optional(reader, "chain_members")
    lengths = members.assign(n=members.groupby("chain")["chain"].transform("size"))
    atoms = reader.neighbours(layer).query("kind == 'atom' and rank == 0")
    columns = {
        "mean_value": features["mean_value"],
        "n_genes": features["n_genes"],
        **_variance(optional(reader, "variance", layer).set_index("feature")),
        "axis_cosine": optional(reader, "alignment", layer).set_index("feature")["cosine"],
        "atom_cosine": atoms.set_index("feature")["similarity"],
        "stability": optional(reader, "stability", layer).set_index("feature")["stability"],
        "n_layers": lengths[lengths["layer"] == layer].set_index("feature")["n"],
        "highway_pmi": optional(reader, "highways", layer).groupby("feature")["pmi"].max(),
        **{f"{side}_degree": pd.Series(of[layer]) for side, of in edges.items() if layer in of},
    }
    found = {name: rounded(column.reindex(features.index)) for name, column in columns.items()}
    return {name: values for name, values in found.items() if np.isfinite(values).any()}


def _variance(table: pd.DataFrame) -> dict[str, pd.Series]:
    return {f"by_{name}": table[column] for name, column in (("gene", "gene"), ("cell", "cell"), ("context", "rest"))}
