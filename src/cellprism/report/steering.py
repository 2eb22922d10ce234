"""Steering in one figure: how far each feature moves early cells, beside its controls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cellprism.report.style import FAINT, INK, OURS, THEIRS, svg

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes

    from cellprism.reader import RunReader

ARMS = {"on": THEIRS, "off": OURS}


def draw_steering(run: RunReader, layer: int, path: Path) -> None:
    """Draw what steering a layer at the largest alpha did to each readout, as SVG, a panel for each.

    Parameters
    ----------
    run
        A run whose layer was steered.
    path
        The SVG file.
    """
    effects, readouts = run.steering(layer), run.steering_readouts(layer)
    with svg(path, 1, len(readouts), size=(7.2, 2.7)) as axes:
        for place, row in enumerate(readouts.itertuples()):
            draw_readout(axes[0, place], effects, str(row.readout), float(str(row.span)))
        axes[0, 0].set_ylabel("change, % of the way from early to late")


def draw_readout(axes: Axes, effects: pd.DataFrame, readout: str, span: float) -> None:
    """Effect of every on and off feature, of the features matched to them, and along random directions."""
    rows = effects[(effects["readout"] == readout) & (effects["alpha"] == effects["alpha"].max())]
    names: list[str] = []
    for number, (arm, colour) in enumerate(ARMS.items()):
        own = rows[rows["arm"] == arm]
        matched = rows[(rows["arm"] == "matched") & rows["partner"].isin(own["feature"])]
        groups = (
            (arm, own[own["direction"] == "atom"], colour), ("matched", matched, FAINT),
            ("random", own[own["direction"] == "random"], FAINT),
        )
        for name, group, shade in groups:
            percent = 100 * np.sort(group["effect"].to_numpy()) / span
            x = len(names) + np.linspace(-0.25, 0.25, len(percent))
            axes.plot(x, percent, "o", ms=3, mec=INK, mew=0.3, color=shade)
            if len(percent):
                axes.hlines(percent.mean(), len(names) - 0.35, len(names) + 0.35, color=INK, lw=1.2)
            names.append(name)
        if number == 0:
            axes.axvline(2.5, color=FAINT, lw=0.6)
    axes.axhline(0, color=FAINT, lw=0.8, zorder=0)
    axes.set_yscale("symlog", linthresh=1)
    axes.margins(y=0.08)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xticks(range(len(names)), names, rotation=60, fontsize=7)
    alpha = rows["alpha"].max()
    axes.set_title(f"{readout}, times {alpha:g}" if len(rows) else readout)
