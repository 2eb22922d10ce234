"""Stages that ask what a feature owes to its gene and what to the cell: highways and variance."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.runs.stage import Stage

if TYPE_CHECKING:
    import pandas as pd

    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress

_HIGHWAYS, _VARIANCE = 12, 13


def highways(run: Run, _layer: int | None, progress: Progress) -> dict[str, Any]:
    """Write the highways between adjacent layers and the share of features that have one."""
    from cellprism.codes.firings import StoredFirings
    from cellprism.codes.store import CodeStore
    from cellprism.features import highways as room
    from cellprism.runs.schemas import TABLES, empty

    layers, n = run.layers, {}
    permutations = min(run.config.annotation.permutations, room.MAX_PERMUTATIONS)
    later = StoredFirings(CodeStore(run, layers[0]))
    for at, following in pairwise(layers):
        rng = np.random.default_rng([run.config.seed, at, _HIGHWAYS])
        first, later = later, StoredFirings(CodeStore(run, following))
        work = (1 + permutations) * later.store.n_positions
        with progress.bar(f"highways of layer {at} and null", work, "position") as done:
            table, tested = room.highways(first, later, done)
            null = np.array([
                room.share_with_highway(*room.highways(*room.permuted(first, later, rng), done))
                for _ in range(permutations)
            ])
        notes = {"unit": "block of cells", "family": tested.n_tests, "least_pmi": room.LEAST_PMI}
        rates = room.highway_rates(room.share_with_highway(table, tested), null, len(tested.alive))
        run.write("highways", table.assign(partner_layer=following), at, notes=notes)
        run.write("rates", rates, at, suffix="_highways", notes=notes)
        n[str(at)] = len(table)
    run.write("highways", empty(TABLES["highways"]), layers[-1])
    run.write("rates", empty(TABLES["rates"]), layers[-1], suffix="_highways")
    return {"highways": n}


def variance(run: Run, layer: int | None, progress: Progress) -> dict[str, Any]:
    """Write what gene and cell explain of each feature's activation, and rates."""
    from cellprism.codes.store import CodeStore
    from cellprism.features import variance as room

    assert layer is not None
    store = CodeStore(run, layer)
    rng = np.random.default_rng([run.config.seed, layer, _VARIANCE])
    permutations = min(run.config.annotation.permutations, room.MAX_PERMUTATIONS)
    work = (1 + permutations) * store.n_positions
    with progress.bar(f"variance of layer {layer} and null", work, "position") as done:
        table: pd.DataFrame = room.variance_table(store, done)
        null = [room.variance_table(store, done, rng) for _ in range(permutations)]
    notes = {"unit": "position", "n": store.n_positions, "static": room.STATIC}
    run.write("variance", table, layer, notes=notes)
    run.write("rates", room.variance_rates(table, null), layer, suffix="_variance", notes=notes)
    return {"static": int(table["static"].sum())}


HIGHWAYS = Stage(
    "highways", highways,
    inputs=("{layer}/codes", "positions"),
    outputs=("{layer}/highways.parquet", "{layer}/rates_highways.parquet"),
    config=("annotation.permutations", "seed"),
    version=2,
)
VARIANCE = Stage(
    "variance", variance, per_layer=True,
    inputs=("{layer}/codes", "positions"),
    outputs=("{layer}/variance.parquet", "{layer}/rates_variance.parquet"),
    config=("annotation.permutations", "seed"),
    version=2,
)
