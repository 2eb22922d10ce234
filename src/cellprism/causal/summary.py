"""What the edges of a finished trace say of the graph: degrees, tails, depth, shared gene sets, domains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cellprism.causal.depth import depth_rates
from cellprism.causal.domains import RANKED, domain_graph, possible_pairs
from cellprism.causal.edge_rule import NONZERO
from cellprism.causal.hubs import annotated_rate, degree_rates, degree_residuals
from cellprism.causal.notes import write_trace_table
from cellprism.causal.requests import read_described
from cellprism.causal.setting import count_firing
from cellprism.causal.sharing import sharing_rates
from cellprism.causal.tails import BOOTSTRAPS, LEAST_TAIL, compare, fit_tail, goodness, x_min_grid
from cellprism.knowledge.regulons import is_target_set
from cellprism.runs.causal_schemas import DEGREES, TAILS, TRACE_RATES
from cellprism.runs.schemas import TABLES, read_table

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from cellprism.runs.directory import Run

_STREAM = 0x6EA9
"""Tells the generator of this module from others of the same seed."""
SHARED = {"edges_sharing_a_term": False, "edges_sharing_a_factor": True}
"""Rate -> whether it is of the targets of transcription factors; these count apart from all other gene sets."""


def describe(run: Run, folder: Path, *, source_layer: int) -> None:
    """Write the tables of the graph beside the tables of a finished trace.

    Parameters
    ----------
    run
        The run; its tables of features, annotations and labels are used.
    folder
        The trace: holds ``trace.json``, ``edges`` and ``sources``; gets ``degrees``, ``tails``, ``domain_edges``,
        ``domains`` and ``trace_rates_graph``.
    source_layer
        Layer of the sources.
    """
    import pandas as pd

    rng = np.random.default_rng([run.config.seed, _STREAM, source_layer])
    edges, sources = (read_table(folder / f"{name}.parquet", TABLES[name]) for name in ("edges", "sources"))
    layers = [int(layer) for layer in sorted(sources["target_layer"].unique())]
    cells = np.array(read_described(folder)["cells"])
    in_degrees = (_in_degrees(run, edges, layer, count_firing(run, layer, cells)) for layer in layers)
    degrees = [_out_degrees(run, sources, source_layer), *in_degrees]
    labels = {layer: _labels(run, layer) for layer in [source_layer, *layers]}
    later = {layer: labels[layer] for layer in layers}
    domain_edges, domains = domain_graph(edges, labels[source_layer], later, rng)
    rates = [
        *depth_rates(sources, rng),
        *(row for table in degrees for row in _degree_rows(table, rng)),
        *_sharing(run, edges, source_layer, layers, rng),
    ]
    tails = [row for table in degrees for row in tail_rows(table, rng)]
    rates += [row for table in degrees for row in _annotated_rows(table, labels, rng)]
    every = pd.concat(degrees, ignore_index=True)[list(DEGREES.columns)]
    counted, seed = int(every.loc[every["side"] == "in", "degree"].sum()), run.config.seed
    write_trace_table(
        folder, "degrees", every, seed=seed, left_out="features that fire in fewer than ten of the traced cells",
        edges_to_left_out=len(edges) - counted, family=", ".join(_size(table) for table in degrees if len(table)),
    )
    write_trace_table(
        folder, "tails", pd.DataFrame(tails, columns=list(TAILS.columns)), seed=seed, bootstraps=BOOTSTRAPS,
        grid="all distinct degrees that leave 50 in the tail",
    )
    write_trace_table(
        folder, "domain_edges", domain_edges, seed=seed, family=possible_pairs(labels[source_layer], later),
    )
    write_trace_table(folder, "domains", domains, seed=seed, permutations=RANKED)
    graph = pd.DataFrame(rates, columns=list(TRACE_RATES.columns))
    write_trace_table(folder, "trace_rates", graph, stem="trace_rates_graph", protocol="calibrated", seed=seed)


def _size(table: pd.DataFrame) -> str:
    return f"{len(table)} ({table['side'].iloc[0]}, layer {table['layer'].iloc[0]})"


def tail_rows(degrees: pd.DataFrame, rng: np.random.Generator) -> list[dict[str, object]]:
    """Rows of ``tails`` for one side and layer; none if too few features have an edge.

    Parameters
    ----------
    degrees
        Columns side, layer, degree; one row per feature.
    rng
        Source of the bootstraps.
    """
    degree = degrees["degree"].to_numpy()
    degree = degree[degree > 0]
    grid = x_min_grid(degree) if len(degree) > LEAST_TAIL else degree[:0]
    grid = grid[grid < np.unique(degree)[-2:][0]] if len(degree) else grid
    if not len(grid):
        return []
    fit = fit_tail(degree, grid)
    first = degrees.iloc[0]
    facts = {
        "side": first["side"], "layer": int(first["layer"]), "n": fit.n, "x_min": fit.x_min, "n_tail": fit.n_tail,
        "alpha": fit.alpha, "ks": fit.ks,
    }
    own = {"distribution": "power_law", "ratio": np.nan, "nested": False, "p": goodness(degree, fit, grid, rng)}
    return [{**facts, **row} for row in (own, *compare(degree, fit))]


def _out_degrees(run: Run, sources: pd.DataFrame, layer: int) -> pd.DataFrame:
    able = sources[sources["n_cells"] >= NONZERO]
    table = able.groupby("source", as_index=False).agg(
        degree=("edges", "sum"), supports=("supports", "sum"), n_cells=("n_cells", "first"),
    ).rename(columns={"source": "feature"})
    table = table.merge(run.read("features", layer)[["feature", "frequency"]], on="feature")
    return _with_expectation(table, "out", layer)


def _in_degrees(run: Run, edges: pd.DataFrame, layer: int, n_cells: np.ndarray) -> pd.DataFrame:
    """The targets that fire in ten of the traced cells; ``n_cells`` has the number of these for every feature."""
    features = run.read("features", layer)
    table = features.loc[~features["dead"], ["feature", "frequency"]]
    table = table.assign(n_cells=n_cells[table["feature"]])
    table = table[table["n_cells"] >= NONZERO]
    found = edges[edges["target_layer"] == layer].groupby("target")["sign"].agg(
        degree="size", supports=lambda sign: (sign > 0).sum(),
    )
    table = table.join(found, on="feature")
    whole = {name: table[name].fillna(0).astype("int64") for name in ("degree", "supports")}
    return _with_expectation(table.assign(**whole), "in", layer)


def _with_expectation(table: pd.DataFrame, side: str, layer: int) -> pd.DataFrame:
    arrays = (table[name].to_numpy() for name in ("degree", "frequency", "n_cells"))
    return table.assign(side=side, layer=layer, **degree_residuals(*arrays))


def _degree_rows(table: pd.DataFrame, rng: np.random.Generator) -> list[dict[str, object]]:
    if table.empty:
        return []
    side, layer = table["side"].iloc[0], int(table["layer"].iloc[0])
    return degree_rates(table, side, rng, target_layer=layer if side == "in" else -1)


def _annotated_rows(
    table: pd.DataFrame, labels: dict[int, pd.Series], rng: np.random.Generator,
) -> list[dict[str, object]]:
    if table.empty:
        return []
    side, layer = table["side"].iloc[0], int(table["layer"].iloc[0])
    labelled = table["feature"].isin(labels[layer].index).to_numpy()
    return annotated_rate(table, labelled, side, rng, target_layer=layer if side == "in" else -1)


def _labels(run: Run, layer: int) -> pd.Series:
    return run.read("labels", layer).set_index("feature")["term"]


def _sharing(
    run: Run, edges: pd.DataFrame, source_layer: int, layers: list[int], rng: np.random.Generator,
) -> list[dict[str, object]]:
    import pandas as pd

    found = pd.concat([
        run.read("annotations", layer).query(f"q < {run.config.annotation.q}")[["feature", "source", "term"]]
        .assign(layer=layer) for layer in [source_layer, *layers]
    ])
    targets = found["term"].map(is_target_set).to_numpy(bool)
    found["term"] = found.groupby(["source", "term"]).ngroup()
    rows = []
    for rate, wanted in SHARED.items():
        own = found[targets == wanted]
        by_layer = {layer: own.loc[own["layer"] == layer, ["feature", "term"]] for layer in [source_layer, *layers]}
        later = {layer: by_layer[layer] for layer in layers}
        rows += sharing_rates(edges, by_layer[source_layer], later, rng, rate=rate)
    return rows
