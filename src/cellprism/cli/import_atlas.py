"""import-atlas."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command()(import_atlas)


def import_atlas(
    source: Annotated[Path, typer.Argument(help="directory with the JSON files of a published atlas", metavar="DIR")],
    out: Annotated[Path, typer.Option(help="run directory to write")] = Path("runs/published"),
) -> None:
    """Turn an atlas published as JSON into a run, with what it lacks marked as absent.

    Example: `cellprism import-atlas published/data --out runs/published`
    """
    from cellprism.atlas.published import import_atlas as write

    run = write(source, out)
    typer.echo(f"wrote {run}: look at it with `cellprism serve {run}`.")
