"""From the results of all sources to the tables of a trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cellprism.causal import published
from cellprism.causal.calibration import DEFAULT
from cellprism.causal.edge_rule import AGREEMENT, AGREEMENT_GRID, G_GRID, G, Q
from cellprism.causal.rates import rate_row
from cellprism.runs.schemas import EDGES, FDR, PUBLISHED_EDGES, SOURCES, TABLES, TRACE_RATES, write_table
from cellprism.stats.fdr import bh

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from cellprism.causal.results import SourceResult

NULL = (
    "the signs of all effects of a cell flipped at random; keeps the sizes of the effects and how they go together "
    "within a cell, breaks their direction"
)
HALF = "effect found by the thresholds in one half of the cells"


def finish(results: Iterable[SourceResult]) -> dict[str, pd.DataFrame]:
    """Adjust the p-values over all live tests of the trace and make the tables.

    Parameters
    ----------
    results
        What `calibration.calibrate` gave for each source, all with the same flips and seed; at least one.

    Returns
    -------
    The tables ``edges``, ``published_edges``, ``sources``, ``fdr`` and ``trace_rates`` (see `runs.schemas`), sorted.
    """
    import pandas as pd

    every = sorted(results, key=lambda result: result.source)
    cut = _Cut([r.p_levels for r in every], [r.p_counts for r in every], sum(int(r.live.sum()) for r in every))
    edges = _rows(every, [result.edges for result in every], list(EDGES.columns))
    edges["q"] = cut.q(edges["p"].to_numpy())
    edges["sign"] = np.where(edges["effect"] < 0, 1, -1)
    edges = edges[edges["q"] < Q].sort_values(["source", "target_layer", "target"], ignore_index=True)
    kept = _rows(every, [result.published for result in every], list(PUBLISHED_EDGES.columns))
    return {
        "edges": edges,
        "published_edges": kept.sort_values(["source", "target_layer", "target"], ignore_index=True),
        "sources": _sources(every, edges),
        "fdr": pd.DataFrame(_fdr(every, len(edges), cut.level), columns=list(FDR.columns)),
        "trace_rates": pd.DataFrame(_rates(every, edges, cut.level), columns=list(TRACE_RATES.columns)),
    }


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write the tables of a trace into its folder, each atomically."""
    for name, table in tables.items():
        write_table(folder / f"{name}.parquet", TABLES[name], table)


class _Cut:
    """Adjusted p-values of a family of which the p-values up to ``Q`` are known as levels and counts."""

    def __init__(self, levels: Sequence[np.ndarray], counts: Sequence[np.ndarray], n_tests: int) -> None:
        every, place = np.unique(np.concatenate([*levels, np.empty(0)]), return_inverse=True)
        count = np.bincount(place, np.concatenate([*counts, np.empty(0, np.int64)]), len(every)).astype(np.int64)
        self._levels, self._q = every, bh(every, n_tests, count=count)
        self.level = float(every[self._q < Q].max(initial=0.0))
        """The largest p with q below ``Q``."""

    def q(self, p: np.ndarray) -> np.ndarray:
        return np.asarray(self._q[np.searchsorted(self._levels, p)])


def _rows(results: Sequence[SourceResult], parts: Sequence[np.ndarray], columns: list[str]) -> pd.DataFrame:
    import pandas as pd

    sizes = [len(part) for part in parts]
    frame = pd.DataFrame(np.concatenate(parts) if parts else None)
    frame["source"] = np.repeat([result.source for result in results], sizes)
    frame["n_cells"] = np.repeat([result.n_cells for result in results], sizes)
    return frame.reindex(columns=columns)


def _sources(results: Sequence[SourceResult], edges: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    table = pd.concat([
        pd.DataFrame({
            "source": result.source, "target_layer": result.layers, "n_cells": result.n_cells, "live": result.live,
            "passing": result.grid[:, *DEFAULT], "null_passing": result.null_mean,
            "published": result.published_counts.sum(axis=1), "published_negative": result.published_counts[:, 0],
        })
        for result in results
    ], ignore_index=True)
    by_source = edges.groupby(["source", "target_layer"])["sign"].agg(edges="size", supports=lambda s: (s > 0).sum())
    table = table.join(by_source, on=["source", "target_layer"])
    table[["edges", "supports"]] = table[["edges", "supports"]].fillna(0).astype("int64")
    return table[list(SOURCES.columns)]


def _fdr(results: Sequence[SourceResult], n_edges: int, level: float) -> list[dict[str, object]]:
    observed = _total(result.grid.sum(axis=0) for result in results)
    null = _total(result.null_grid for result in results)
    flips = results[0].flips
    sweep = [
        _fdr_row("thresholds", g, agreement, observed[i, j], null[:, i, j])
        for i, g in enumerate(G_GRID) for j, agreement in enumerate(AGREEMENT_GRID)
    ]
    half = _Cut(
        [r.half_p_levels for r in results], [r.half_p_counts for r in results], sum(r.half_live for r in results),
    ).level
    at_half = sum(int((result.half_edge_p <= half).sum()) for result in results)
    rules = [
        ("calibrated", n_edges, _below(_total(r.null_ranks for r in results), level * flips)),
        ("thresholds:half", sum(r.half_passing for r in results), _total(r.half_null for r in results)),
        ("calibrated:half", at_half, _below(_total(r.half_null_ranks for r in results), half * flips)),
    ]
    theirs = sum(int(r.published_counts.sum()) for r in results)
    null_theirs = _total(r.null_published.sum(axis=1) for r in results)
    return [
        *sweep, *(_fdr_row(rule, G, AGREEMENT, edges, counts) for rule, edges, counts in rules),
        _fdr_row("published", published.D, published.CONSISTENCY, theirs, null_theirs),
    ]


def _below(ranks: np.ndarray, cut: float) -> np.ndarray:
    """Null edges of each flip with a rank up to ``cut``; ranks are spread evenly between whole numbers."""
    upto = np.concatenate([np.zeros((len(ranks), 1)), ranks.cumsum(axis=1)], axis=1)
    return np.array([np.interp(cut, np.arange(upto.shape[1]), row) for row in upto])


def _fdr_row(rule: str, g: float, agreement: float, edges: int, null: np.ndarray) -> dict[str, object]:
    low, high = np.quantile(null, [0.05, 0.95])
    share = [float(value / edges) if edges else np.nan for value in (null.mean(), low, high)]
    return {
        "rule": rule, "g": g, "agreement": agreement, "edges": int(edges), "null_mean": float(null.mean()),
        "null_low": float(low), "null_high": float(high), "fdr": share[0], "fdr_low": share[1], "fdr_high": share[2],
        "n_permutations": len(null),
    }


def _rates(results: Sequence[SourceResult], edges: pd.DataFrame, level: float) -> list[dict[str, object]]:
    n = len(results)
    null_edges = _below(_total(r.null_ranks for r in results), level * results[0].flips)
    null_signs = _total(r.null_signs for r in results)
    signs = _total(r.published_counts.sum(axis=0) for r in results)
    null_published = _total(r.null_published for r in results)
    split, null_split = _total(r.split for r in results), _total(r.null_split for r in results)
    n_published, n_supports = int(signs.sum()), int((edges["sign"] > 0).sum())
    share, null_share = _share(n_supports, len(edges)), _shares(null_signs)
    theirs, null_theirs = _share(signs[0], n_published), _shares(null_published)
    again, null_again = _share(split[1], split[0]), _ratio(null_split[:, 1], null_split[:, 0])
    kept, null_kept = _share(split[3], split[2]), _ratio(null_split[:, 3], null_split[:, 2])
    return [
        rate_row("edges_per_source", len(edges) / n, n, "source", null_edges / n, NULL),
        rate_row("supports", share, len(edges), "edge", null_share, NULL),
        rate_row("supports", theirs, n_published, "edge", null_theirs, NULL, protocol="published"),
        rate_row("found_again", again, int(split[0]), HALF, null_again, NULL),
        rate_row("size_kept", kept, int(split[0]), HALF, null_kept, NULL),
    ]


def _total(arrays: Iterable[np.ndarray]) -> np.ndarray:
    return np.asarray(np.sum(list(arrays), axis=0))


def _shares(counts: np.ndarray) -> np.ndarray:
    return _ratio(counts[:, 0], counts.sum(axis=1))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Shares of the flips that have any; all of them count equally."""
    return np.asarray((part / np.maximum(whole, 1e-300))[whole > 0])


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else np.nan
