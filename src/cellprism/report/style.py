"""How figures look, and how they are written: SVG with text as text, the same bytes for the same numbers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cellprism.runs.files import atomic_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INK, FAINT, OURS, THEIRS = "#333333", "#bbbbbb", "#3b5bdb", "#e8590c"
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "cellprism", "font.size": 8, "font.family": "sans-serif",
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": INK, "legend.frameon": False,
}


@contextmanager
def svg(path: Path, rows: int, columns: int, *, size: tuple[float, float]) -> Iterator[Any]:
    """Yield ``rows x columns`` axes to draw in, and write them to ``path``; ``size`` is in inches."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        yield figure.subplots(rows, columns, squeeze=False)
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None}, transparent=False)
