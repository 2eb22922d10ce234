"""How the autoencoders were trained, in one figure: curves of every layer, and how often features fire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cellprism.report.style import INK, svg

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes

    from cellprism.reader import RunReader

CURVES = {
    "loss": ("Loss", "share of variance lost, training batch", 1),
    "explained": ("Explained variance", "% on held-out cells", 100),
    "dead": ("Dead features", "% silent in the last 256 batches", 100),
}


def draw_training(run: RunReader, path: Path) -> None:
    """Draw loss, explained variance and dead share of every layer by step, and features by firing frequency, as SVG.

    Curves are the tables ``training``, the histogram counts the table ``features``; the same run gives the same bytes.

    Parameters
    ----------
    run
        A run with trained autoencoders and their catalog.
    path
        The SVG file.
    """
    logs = {layer: run.training(layer) for layer in run.layers}
    with svg(path, 2, 2, size=(7.2, 5.2)) as axes:
        for place, (column, (title, label, factor)) in enumerate(CURVES.items()):
            values = {layer: log.assign(value=factor * log[column]) for layer, log in logs.items()}
            draw_curves(axes.flat[place], values)
            axes.flat[place].set(title=title, xlabel="step", ylabel=label)
            if column == "dead":
                axes.flat[place].set_ylim(top=max(1, axes.flat[place].get_ylim()[1]))
        axes[0, 1].legend(fontsize=7)
        draw_frequencies(axes[1, 1], {layer: run.features(layer)["frequency"].to_numpy() for layer in run.layers})


def draw_curves(axes: Axes, logs: dict[int, pd.DataFrame]) -> None:
    """One line for each layer: ``value`` by ``step``."""
    for (layer, log), colour in zip(logs.items(), _colours(len(logs)), strict=True):
        axes.plot(log["step"], log["value"], color=colour, lw=1, label=f"layer {layer}", gid=f"layer-{layer}")
    axes.set_ylim(bottom=min(0, *(float(log["value"].min()) for log in logs.values())))


def draw_frequencies(axes: Axes, frequencies: dict[int, np.ndarray]) -> None:
    """Share of a layer's features in every decade of firing frequency; dead ones stand apart on the left."""
    names, _ = frequency_shares(next(iter(frequencies.values())))
    for (layer, frequency), colour in zip(frequencies.items(), _colours(len(frequencies)), strict=True):
        axes.plot(
            names, 100 * frequency_shares(frequency)[1], color=colour, lw=1, marker="o", ms=2,
            gid=f"frequency-{layer}",
        )
    axes.axvline(0.5, color=INK, lw=0.5, ls=":")
    axes.tick_params("x", labelsize=6)
    axes.set(title="Firing frequency", xlabel="share of positions, up to", ylabel="% of features", ylim=(0, None))


def frequency_shares(frequency: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Names of the classes (dead, then decades by their upper edge) and the share of features in each."""
    decade = np.ceil(np.log10(np.maximum(frequency, 1e-6))).clip(-5, 0).astype(int)
    place = np.where(frequency > 0, decade + 6, 0)
    names = ["never", *(f"{100 * 10.0**power:g} %" for power in range(-5, 1))]
    return names, np.bincount(place, minlength=len(names)) / len(frequency)


def _colours(n: int) -> list[tuple[float, ...]]:
    import matplotlib as mpl

    return [tuple(colour) for colour in mpl.colormaps["viridis"](np.linspace(0, 0.9, n))]
