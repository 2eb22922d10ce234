"""All figures that a run can be shown in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellprism.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.reader import RunReader


def draw_figures(run: RunReader) -> list[Path]:
    """Draw training, traces by ablation and steered layers into the run's folder ``report``. Returns the files.

    Raises
    ------
    UserError
        The run has not come so far.
    """
    from cellprism.causal.tables import causal_names
    from cellprism.report.circuits import draw_trace
    from cellprism.report.steering import draw_steering
    from cellprism.report.training import draw_training

    if run.run.absences:
        msg = f"{run.path} was imported: there is no training to draw."
        raise UserError(msg)
    files = [run.path / "report" / "training.svg"]
    draw_training(run, files[0])
    traces = run.traces()
    exact = traces["done"] & (traces["method"] == "ablation") & (traces["control"] == "none")
    for name in traces.loc[exact, "trace"]:
        files.append(run.path / "report" / f"trace-{name}.svg")
        draw_trace(run.trace(name), files[-1])
    for layer in map(int, causal_names(run.run, "switches")):
        files.append(run.path / "report" / f"steering-{layer:02d}.svg")
        draw_steering(run, layer, files[-1])
    return files
