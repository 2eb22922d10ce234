"""perturb."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (typer reads the annotations)
from typing import Annotated

import typer

from cellprism.errors import UserError


def register(app: typer.Typer) -> None:
    app.command()(perturb)


def perturb(  # noqa: PLR0913
    path: Annotated[Path, typer.Argument(help="run directory", metavar="RUN")],
    screen: Annotated[Path, typer.Argument(help=".h5ad with raw counts of perturbed cells", metavar="SCREEN")],
    layer: Annotated[int, typer.Option(help="layer of the features")],
    target: Annotated[str, typer.Option(help="column of obs that names the perturbed gene")],
    control: Annotated[str, typer.Option(help="its value in control cells")],
    *,
    guide: Annotated[str | None, typer.Option(help="column of the guide: guides are the replicates")] = None,
    batch: Annotated[str | None, typer.Option(help="column of the batch, held equal")] = None,
    where: Annotated[list[str] | None, typer.Option(help="only cells with column=value; may be repeated")] = None,
    counts: Annotated[str | None, typer.Option(help="AnnData layer with the counts, or raw; default: X")] = None,
    cells: Annotated[
        int, typer.Option(min=1, help="cells of each perturbation, at most; four times as many of the control"),
    ] = 200,
    network: Annotated[list[str] | None, typer.Option(help="factors and targets beside those of the run")] = None,
    seed: Annotated[int, typer.Option(help="seed of everything that is drawn")] = 0,
) -> None:
    """Ask what features do when genes are perturbed, and whether known targets of factors answer first.

    Example: `cellprism perturb runs/demo screen.h5ad --layer 2 --target gene --control non-targeting --guide guide`
    """
    from cellprism.cli.progress import Listener
    from cellprism.regulation.perturb_run import perturb_run
    from cellprism.regulation.screen import PerturbRequest
    from cellprism.regulation.summary import summary
    from cellprism.runs.directory import open_directory
    from cellprism.runs.schemas import LABELS, empty

    run = open_directory(path)
    request = PerturbRequest(
        str(screen), layer, target, control, guide, batch, tuple(map(_pair, where or [])), counts, cells,
        tuple(network or []), seed,
    )
    found = perturb_run(run, request, Listener())
    labelled = run.file("labels.parquet", layer).exists()
    for line in summary(found, run.read("labels", layer) if labelled else empty(LABELS)):
        typer.echo(line)
    call = f"cellprism.open_run({str(path)!r}).responses({layer})"
    typer.echo(f"the tables are in {run.file('regulation')}; see `{call}`.")


def _pair(text: str) -> tuple[str, str]:
    column, sign, value = (part.strip() for part in text.partition("="))
    if not (sign and column and value):
        msg = f"`--where {text}` is no choice of cells: write column=value."
        raise UserError(msg)
    return column, value
