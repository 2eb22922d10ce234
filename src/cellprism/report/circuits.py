"""A trace in one figure: edges by layer, false discoveries, signs, degree against firing, and the graph of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cellprism.report.style import FAINT, INK, OURS, THEIRS, svg

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes

    from cellprism.causal.reading import TraceReader

MOST = 180
"""Points drawn of a scatter beside the hubs, so that the figure stays small."""


def draw_trace(trace: TraceReader, path: Path) -> None:
    """Draw the six panels of a finished trace as SVG; the same trace gives the same bytes.

    Parameters
    ----------
    trace
        ``open_run(...).trace(name)``.
    path
        The SVG file.
    """
    rates, fdr = trace.rates(), trace.fdr()
    with svg(path, 3, 2, size=(7.2, 7.8)) as axes:
        draw_edge_rates(axes[0, 0], rates)
        draw_fdr(axes[0, 1], fdr)
        draw_signs(axes[1, 0], rates)
        draw_degrees(axes[1, 1], trace.degrees())
        draw_label_pairs(axes[2, 0], trace.domain_edges())
        draw_pagerank(axes[2, 1], trace.domains())


def draw_edge_rates(axes: Axes, rates: pd.DataFrame) -> None:
    """Edges per live test in each target layer beside the same under sign flips."""
    rows = rates[rates["rate"] == "edge_rate"].sort_values("target_layer")
    place = np.arange(len(rows))
    axes.bar(place, 100 * rows["value"], 0.6, color=OURS, label="edges")
    null = 100 * rows[["null_mean", "null_q05", "null_q95"]].to_numpy()
    spread = np.abs(null[:, 1:] - null[:, :1]).T
    axes.errorbar(place, null[:, 0], spread, fmt="_", color=INK, capsize=3, label="signs flipped, 5 to 95 %")
    axes.set_xticks(place, rows["target_layer"].astype(str).tolist())
    axes.set(xlabel="target layer", ylabel="% of live tests", title="Edges")
    axes.set_ylim(top=1.3 * axes.get_ylim()[1])
    axes.legend(fontsize=7)


def draw_fdr(axes: Axes, fdr: pd.DataFrame) -> None:
    """False discovery rate by threshold of ``|g|``, and of the two rules."""
    sweep = fdr[(fdr["rule"] == "thresholds") & (fdr["agreement"] == 0.7) & (fdr["edges"] > 0)].sort_values("g")
    axes.fill_between(sweep["g"], 100 * sweep["fdr_low"], 100 * sweep["fdr_high"], color=FAINT, alpha=0.5, lw=0)
    axes.plot(sweep["g"], 100 * sweep["fdr"], color=INK, lw=1, label="size and agreement alone")
    for rule, colour in (("calibrated", OURS), ("published", THEIRS)):
        row = fdr[fdr["rule"] == rule].iloc[0]
        ends = [[100 * (row["fdr"] - row["fdr_low"])], [100 * (row["fdr_high"] - row["fdr"])]]
        axes.errorbar([row["g"]], [100 * row["fdr"]], ends, fmt="o", ms=4, color=colour, capsize=3, label=rule)
    axes.axhline(5, color=FAINT, lw=0.8, ls=":")
    axes.set(xlabel="|g| above", ylabel="false discovery rate, %", title="False discoveries")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=7)


def draw_signs(axes: Axes, rates: pd.DataFrame) -> None:
    """Share of the edges that support, under both protocols, beside the share among flips that pass."""
    rows = rates[rates["rate"] == "supports"].set_index("protocol").loc[["calibrated", "published"]]
    place = np.arange(2)
    axes.bar(place, 100 * rows["value"], 0.5, color=[OURS, THEIRS])
    null = 100 * rows[["null_mean", "null_q05", "null_q95"]].to_numpy()
    spread = np.abs(null[:, 1:] - null[:, :1]).T
    axes.errorbar(place, null[:, 0], spread, fmt="_", color=INK, capsize=3, label="signs flipped, 5 to 95 %")
    axes.axhline(50, color=FAINT, lw=0.8, ls=":")
    axes.set_xticks(place, list(rows.index))
    axes.set(ylabel="% of edges that support", ylim=(0, 118), title="Signs")
    axes.legend(fontsize=7, loc="upper left")


def draw_degrees(axes: Axes, degrees: pd.DataFrame) -> None:
    """Degree of the sources against how often they fire, with what firing explains and the hubs."""
    rows = degrees[degrees["side"] == "out"].sort_values("frequency")
    spread = np.linspace(0, len(rows) - 1, min(MOST, len(rows))).astype(int)
    shown = rows.iloc[np.union1d(spread, np.flatnonzero(rows["q"] < 0.05))]
    hub = shown["q"] < 0.05
    for part, colour, name in ((shown[~hub], FAINT, "source"), (shown[hub], THEIRS, "more than explained, q < 0.05")):
        axes.plot(100 * part["frequency"], 1 + part["degree"], ".", ms=3, color=colour, label=name)
    axes.plot(100 * shown["frequency"], 1 + shown["expected"], ".", ms=1.5, color=INK, label="explained by firing")
    names = {"xlabel": "% of positions at which the source fires", "ylabel": "1 + edges", "title": "Degree"}
    axes.set(xscale="log", yscale="log", **names)
    axes.set_ylim(top=20 * (1 + float(shown["degree"].max())))
    axes.legend(fontsize=7, loc="upper left")


def draw_label_pairs(axes: Axes, pairs: pd.DataFrame) -> None:
    """Edges between features of two labels against those of shuffled labels, and which pairs have more."""
    rows = pairs.sort_values("expected")
    spread = np.linspace(0, len(rows) - 1, min(MOST, len(rows))).astype(int)
    shown = rows.iloc[np.union1d(spread, np.flatnonzero(rows["q"] < 0.05))]
    same, more = shown["source_term"] == shown["target_term"], shown["q"] < 0.05
    for part, colour, mark, name in (
        (shown[~more], FAINT, ".", "pair of labels"), (shown[more & ~same], THEIRS, "o", "q < 0.05"),
        (shown[more & same], OURS, "o", "q < 0.05, a label with itself"),
    ):
        axes.plot(part["expected"], part["n_edges"], mark, ms=3, color=colour, label=name)
    _diagonal(axes, [*shown["expected"], *shown["n_edges"]])
    axes.set(xlabel="edges with labels shuffled, mean", ylabel="edges", title="Pairs of labels")


def draw_pagerank(axes: Axes, labels: pd.DataFrame) -> None:
    """PageRank of the labels against that of shuffled labels."""
    high = labels["p"] < 0.05
    for part, colour, name in ((labels[~high], FAINT, "label"), (labels[high], THEIRS, "p < 0.05, not corrected")):
        axes.plot(part["expected"], part["pagerank"], ".", ms=4, color=colour, label=name)
    _diagonal(axes, [*labels["expected"], *labels["pagerank"]])
    axes.set(xlabel="PageRank with labels shuffled, mean", ylabel="PageRank", title="Labels by PageRank")


def _diagonal(axes: Axes, values: list[float]) -> None:
    """Logarithmic axes of the same ends, with the line on which both are equal."""
    ends = [min(values, default=1.0), max(values, default=1.0)]
    axes.plot(ends, ends, color=INK, lw=0.8, ls=":")
    axes.set(xscale="log", yscale="log")
    axes.set_ylim(top=8 * ends[1])
    axes.legend(fontsize=7, loc="upper left")
