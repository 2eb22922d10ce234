"""What the edges of a finished trace say of the graph: degrees, tails, depth, shared gene sets, domains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cellprism.causal.depth import depth_rates
from cellprism.causal.domains import domain_graph
from cellprism.causal.edge_rule import NONZERO
from cellprism.causal.finish import write_tables
from cellprism.causal.hubs import annotated_rate, degree_rates, degree_residuals
from cellprism.causal.sharing import sharing_rates
from cellprism.causal.tails import LEAST_TAIL, compare, fit_tail, goodness, x_min_grid
from cellprism.runs.causal_schemas import DEGREES, TAILS, TRACE_RATES
from cellprism.runs.schemas import TABLES, read_table, write_table

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from cellprism.runs.directory import Run

_STREAM = 0x6EA9
"""Tells the generator of this module from others of the same seed."""


def describe(run: Run, folder: Path, *, source_layer: int) -> None:
    """Write the tables of the graph beside the tables of a finished trace.

    Parameters
    ----------
    run
        The run; its tables of features, annotations and labels are used.
    folder
        The trace: holds ``edges`` and ``sources``; gets ``degrees``, ``tails``, ``domain_edges``, ``domains`` and
        ``trace_rates_graph``.
    source_layer
        Layer of the sources.
    """
    import pandas as pd

    rng = np.random.default_rng([run.config.seed, _STREAM, source_layer])
    edges, sources = (read_table(folder / f"{name}.parquet", TABLES[name]) for name in ("edges", "sources"))
    layers = [int(layer) for layer in sorted(sources["target_layer"].unique())]
    degrees = [_out_degrees(run, sources, source_layer), *(_in_degrees(run, edges, layer) for layer in layers)]
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
    write_tables(folder, {
        "degrees": pd.concat(degrees, ignore_index=True)[list(DEGREES.columns)],
        "tails": pd.DataFrame(tails, columns=list(TAILS.columns)),
        "domain_edges": domain_edges, "domains": domains,
    })
    graph = pd.DataFrame(rates, columns=list(TRACE_RATES.columns))
    write_table(folder / "trace_rates_graph.parquet", TRACE_RATES, graph)


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


def _in_degrees(run: Run, edges: pd.DataFrame, layer: int) -> pd.DataFrame:
    features = run.read("features", layer)
    table = features.loc[features["n_cells"] > 0, ["feature", "frequency", "n_cells"]]
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
    found["term"] = found.groupby(["source", "term"]).ngroup()
    by_layer = {layer: found.loc[found["layer"] == layer, ["feature", "term"]] for layer in [source_layer, *layers]}
    return sharing_rates(edges, by_layer[source_layer], {layer: by_layer[layer] for layer in layers}, rng)
