"""From the results of all sources to the tables of a trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.causal import published
from cellprism.causal.calibration import DEFAULT
from cellprism.causal.edge_rule import AGREEMENT, AGREEMENT_GRID, G_GRID, G, Q
from cellprism.causal.notes import write_trace_table
from cellprism.causal.rates import rate_row, share
from cellprism.runs.causal_schemas import EDGES, FDR, PUBLISHED_EDGES, SOURCES, TRACE_RATES
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


def finish(results: Iterable[SourceResult], *, amplified: bool = False) -> dict[str, pd.DataFrame]:
    """Adjust the p-values over all live tests of the trace and make the tables.

    Parameters
    ----------
    results
        What `calibration.calibrate` gave for each source, all with the same flips, seed and target layers; at least
        one. They are read once, one at a time.
    amplified
        The edit made the source stronger, so that an edge supports where the target rose.

    Returns
    -------
    The tables ``edges``, ``published_edges``, ``sources``, ``fdr`` and ``trace_rates`` (see `runs.schemas`), sorted.
    """
    import pandas as pd

    seen = _Seen(results)
    cut = _Cut(seen.p_levels, seen.p_counts, int(seen.total["live"].sum()))
    by = ["source", "target_layer", "target"]
    edges = pd.concat(seen.edges, ignore_index=True)
    edges["q"] = cut.q(edges["p"].to_numpy())
    edges["sign"] = np.where((edges["effect"] < 0) != amplified, 1, -1)
    edges = edges.loc[edges["q"] < Q, list(EDGES.columns)].sort_values(by, ignore_index=True)
    kept = pd.concat(seen.published, ignore_index=True)[list(PUBLISHED_EDGES.columns)]
    rates = _rates(seen, edges, cut.level, side=int(amplified))
    return {
        "edges": edges,
        "published_edges": kept.sort_values(by, ignore_index=True),
        "sources": _sources(seen, edges),
        "fdr": pd.DataFrame(_fdr(seen, len(edges), cut.level), columns=list(FDR.columns)),
        "trace_rates": pd.DataFrame(rates, columns=list(TRACE_RATES.columns)),
    }


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write what `finish` made beside the ``trace.json`` that it is of, each table atomically."""
    tests: dict[str, Any] = {"family": int(tables["sources"]["live"].sum())}
    for name, table in tables.items():
        write_trace_table(folder, name, table, **({} if name == "published_edges" else tests))


class _Seen:
    """What has to be kept of the results: rows, p-values, and sums of the counts over sources."""

    SUMMED = (
        "live", "grid", "null_grid", "null_ranks", "null_signs", "published_counts", "null_published", "half_live",
        "half_passing", "half_null", "half_null_ranks", "split", "null_split",
    )

    def __init__(self, results: Iterable[SourceResult]) -> None:
        import pandas as pd

        self.edges: list[pd.DataFrame] = []
        self.published: list[pd.DataFrame] = []
        self.sources: list[pd.DataFrame] = []
        self.p_levels, self.p_counts, self.half_p_levels, self.half_p_counts, self.half_edge_p = (
            [np.empty(0)], [np.empty(0, np.int64)], [np.empty(0)], [np.empty(0, np.int64)], [np.empty(0)],
        )
        self.total: dict[str, np.ndarray] = {}
        self.flips = 0
        for one in results:
            self.flips, self.layers = one.flips, one.layers
            facts = {"source": one.source, "n_cells": one.n_cells}
            self.edges.append(pd.DataFrame(one.edges).assign(**facts))
            self.published.append(pd.DataFrame(one.published).assign(**facts))
            self.sources.append(_source_rows(one))
            for name in ("p_levels", "p_counts", "half_p_levels", "half_p_counts", "half_edge_p"):
                getattr(self, name).append(getattr(one, name))
            for name in self.SUMMED:
                self.total[name] = self.total.get(name, 0) + np.asarray(getattr(one, name), np.float64)


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


def _source_rows(one: SourceResult) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({
        "source": one.source, "target_layer": one.layers, "n_cells": one.n_cells, "live": one.live,
        "passing": one.grid[:, *DEFAULT], "null_passing": one.null_mean,
        "published": one.published_counts.sum(axis=1), "published_negative": one.published_counts[:, 0],
    })


def _sources(seen: _Seen, edges: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    by = ["source", "target_layer"]
    table = pd.concat(seen.sources, ignore_index=True)
    counts = edges.assign(supports=edges["sign"] > 0).groupby(by)["supports"].agg(edges="size", supports="sum")
    table = table.join(counts, on=by)
    table[["edges", "supports"]] = table[["edges", "supports"]].fillna(0).astype("int64")
    return table[list(SOURCES.columns)].sort_values(by, ignore_index=True)


def _fdr(seen: _Seen, n_edges: int, level: float) -> list[dict[str, object]]:
    total, flips = seen.total, seen.flips
    observed, null = total["grid"].sum(axis=0), total["null_grid"]
    sweep = [
        _fdr_row("thresholds", g, agreement, observed[i, j], null[:, i, j])
        for i, g in enumerate(G_GRID) for j, agreement in enumerate(AGREEMENT_GRID)
    ]
    half = _Cut(seen.half_p_levels, seen.half_p_counts, int(total["half_live"])).level
    at_half = sum(int((p <= half).sum()) for p in seen.half_edge_p)
    rules: list[tuple[str, float, np.ndarray]] = [
        ("calibrated", n_edges, _below(total["null_ranks"].sum(axis=0), level * flips)),
        ("thresholds:half", float(total["half_passing"]), total["half_null"]),
        ("calibrated:half", at_half, _below(total["half_null_ranks"], half * flips)),
    ]
    theirs, null_theirs = total["published_counts"].sum(), total["null_published"].sum(axis=1)
    return [
        *sweep, *(_fdr_row(rule, G, AGREEMENT, edges, counts) for rule, edges, counts in rules),
        _fdr_row("published", published.D, published.CONSISTENCY, theirs, null_theirs),
    ]


def _below(ranks: np.ndarray, cut: float) -> np.ndarray:
    """Null edges of each flip with a rank up to ``cut``; ranks are spread evenly between whole numbers."""
    upto = np.concatenate([np.zeros((len(ranks), 1)), ranks.cumsum(axis=1)], axis=1)
    return np.array([np.interp(cut, np.arange(upto.shape[1]), row) for row in upto])


def _fdr_row(rule: str, g: float, agreement: float, edges: float, null: np.ndarray) -> dict[str, object]:
    low, high = np.quantile(null, [0.05, 0.95])
    fdr = [share(value, edges) for value in (null.mean(), low, high)]
    return {
        "rule": rule, "g": g, "agreement": agreement, "edges": int(edges), "null_mean": float(null.mean()),
        "null_low": float(low), "null_high": float(high), "fdr": fdr[0], "fdr_low": fdr[1], "fdr_high": fdr[2],
        "n_permutations": len(null),
    }


def _rates(seen: _Seen, edges: pd.DataFrame, level: float, *, side: int) -> list[dict[str, object]]:
    total, n = seen.total, len(seen.sources)
    signs, split, null_split = total["published_counts"].sum(axis=0), total["split"], total["null_split"]
    supports, theirs = share((edges["sign"] > 0).sum(), len(edges)), share(signs[side], signs.sum())
    again, kept = share(split[1], split[0]), share(split[3], split[2])
    null_edges = [_below(ranks, level * seen.flips) for ranks in total["null_ranks"]]
    by_layer = edges["target_layer"].value_counts()
    return [
        rate_row("edges_per_source", len(edges) / n, n, "source", np.sum(null_edges, axis=0) / n, NULL),
        *(
            rate_row(
                "edge_rate", share(by_layer.get(layer, 0), live), int(live), "live test", null / max(live, 1), NULL,
                target_layer=int(layer),
            )
            for layer, live, null in zip(seen.layers, total["live"], null_edges, strict=True)
        ),
        rate_row("supports", supports, len(edges), "edge", _of_side(total["null_signs"], side), NULL),
        rate_row(
            "supports", theirs, int(signs.sum()), "edge", _of_side(total["null_published"], side), NULL,
            protocol="published",
        ),
        rate_row("found_again", again, int(split[0]), HALF, _ratio(null_split[:, 1], null_split[:, 0]), NULL),
        rate_row("size_kept", kept, int(split[0]), HALF, _ratio(null_split[:, 3], null_split[:, 2]), NULL),
    ]


def _of_side(counts: np.ndarray, side: int) -> np.ndarray:
    return _ratio(counts[:, side], counts.sum(axis=1))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Shares of the flips that have any; all of them count equally."""
    return np.asarray((part / np.maximum(whole, 1e-300))[whole > 0])
