"""Do effects fade with the distance between source and target layer?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

from cellprism.causal.rates import rate_row

if TYPE_CHECKING:
    import pandas as pd

PERMUTATIONS = 500
NULL = "target layers permuted within each source; keeps each source's rates, breaks their order by depth"


def depth_rates(sources: pd.DataFrame, rng: np.random.Generator) -> list[dict[str, object]]:
    """Mean over sources of the rank correlation between target layer and edges per live test; below 0 effects fade.

    Layers have different numbers of features that can respond at all, so that the rate is per live test.

    Parameters
    ----------
    sources
        The table ``sources``.
    rng
        Source of the permutations.

    Returns
    -------
    One row of ``trace_rates``; none without two target layers or without differences between them.
    """
    table = sources.assign(rate=sources["edges"] / sources["live"].clip(lower=1))
    wide = table.pivot_table(index="source", columns="target_layer", values="rate").to_numpy()
    if wide.shape[1] < 2:
        return []
    ranks = rankdata(wide, axis=1)
    ranks = ranks[np.ptp(ranks, axis=1) > 0]
    if not len(ranks):
        return []
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    centred /= np.sqrt((centred**2).sum(axis=1, keepdims=True))
    depth = np.arange(ranks.shape[1]) - (ranks.shape[1] - 1) / 2
    depth /= np.sqrt(depth @ depth)
    value = float((centred @ depth).mean())
    null = np.array([(rng.permuted(centred, axis=1) @ depth).mean() for _ in range(PERMUTATIONS)])
    return [rate_row("rate_by_depth", value, len(ranks), "source", null, NULL)]
