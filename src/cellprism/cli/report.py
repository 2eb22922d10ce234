"""report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunFolder = Annotated[Path, typer.Argument(help="run directory", metavar="RUN")]


def register(app: typer.Typer) -> None:
    app.command()(report)


def report(path: RunFolder) -> None:
    """Draw a run's training, firing frequencies, traces and steered layers, and list its rates beside their nulls.

    Figures are SVG, the list is Markdown, all in RUN/report.

    Example: `cellprism report runs/demo`
    """
    from cellprism.reader import open_run
    from cellprism.report.figures import draw_figures
    from cellprism.report.scorecard import write_scorecard

    run = open_run(path)
    for file in draw_figures(run):
        typer.echo(f"drew {file}")
    typer.echo(f"wrote {write_scorecard(run)}")
