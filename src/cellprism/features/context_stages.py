"""Stages that ask what a feature owes to its gene and what to the cell: highways and variance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.runs.stage import Stage

if TYPE_CHECKING:
    import pandas as pd

    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress

_HIGHWAYS, _VARIANCE = 12, 13


def highways(run: Run, _layer: int | None, progress: Progress) -> dict[str, Any]:
    """Write the highways between pairs of layers and the share of features that have one."""
    import pandas as pd

    from cellprism.features import highways as room
    from cellprism.runs.schemas import TABLES, empty

    nothing = empty(TABLES["highways"]), empty(TABLES["rates"])
    found = {at: [nothing] for at in run.layers}
    for at, other in run_layer_pairs(run):
        found[at].append(_pair(run, at, other, progress))
    notes = {"unit": "block of cells", "least_pmi": room.LEAST_PMI, "protocol": run.config.protocol}
    for at, parts in found.items():
        tables, rates = (pd.concat([part[i] for part in parts[1:] or parts], ignore_index=True) for i in range(2))
        run.write("highways", tables.sort_values(["feature", "partner_layer"], kind="stable"), at, notes=notes)
        run.write("rates", rates, at, suffix="_highways", notes=notes)
    return {"highways": {str(at): sum(len(table) for table, _ in parts) for at, parts in found.items()}}


def run_layer_pairs(run: Run) -> list[tuple[int, int]]:
    """The pairs of layers between which a run looks for highways; a `UserError` if it asks for impossible ones."""
    from cellprism.features.highways import layer_pairs

    return layer_pairs(run.config.highways.pairs, run.layers, run.model.get("n_layers", 0))


def _pair(run: Run, at: int, other: int, progress: Progress) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Highways from one layer to another, and their rate."""
    from cellprism.codes.firings import StoredFirings
    from cellprism.codes.store import CodeStore
    from cellprism.features import highways as room

    protocol, adjacent = run.config.protocol, run.layers[run.layers.index(at) + 1] == other
    rng = np.random.default_rng([run.config.seed, at, _HIGHWAYS, *([] if adjacent else [other])])
    permutations = min(run.config.annotation.permutations, room.MAX_PERMUTATIONS)
    first, second = StoredFirings(CodeStore(run, at)), StoredFirings(CodeStore(run, other))
    work = (1 + permutations) * first.store.n_positions
    with progress.bar(f"highways from layer {at} to {other} and null", work, "position") as done:
        table, tested = room.highways(first, second, done, protocol)
        null = np.array([
            room.share_with_highway(*room.highways(*room.permuted(first, second, rng), done, protocol))
            for _ in range(permutations)
        ])
    rates = room.highway_rates(
        room.share_with_highway(table, tested), null, len(tested.alive),
        rate="highway" if adjacent else f"highway_to:{other}", protocol=protocol,
    )
    return table.assign(partner_layer=other), rates


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
    config=("annotation.permutations", "highways", "protocol", "seed"),
    version=3,
)
VARIANCE = Stage(
    "variance", variance, per_layer=True,
    inputs=("{layer}/codes", "positions"),
    outputs=("{layer}/variance.parquet", "{layer}/rates_variance.parquet"),
    config=("annotation.permutations", "seed"),
    version=2,
)
