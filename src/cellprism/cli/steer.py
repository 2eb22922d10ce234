"""steer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cellprism.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

RunFolder = Annotated[Path, typer.Argument(help="run directory", metavar="RUN")]


def register(app: typer.Typer) -> None:
    app.command()(steer)


def steer(  # noqa: PLR0913
    path: RunFolder,
    layer: Annotated[int, typer.Option(help="layer of the features")],
    *,
    along: Annotated[str | None, typer.Option(help="label that orders the cells: of numbers, or with --order")] = None,
    order: Annotated[str | None, typer.Option(help="its values from early to late, such as D0,D6,D30")] = None,
    root: Annotated[
        str | None, typer.Option(help="in place of --along LABEL=VALUE: pseudotime from the medoid of these cells"),
    ] = None,
    features: Annotated[int, typer.Option(help="features that switch on, and off, at most")] = 10,
    cells: Annotated[int, typer.Option(help="early cells for each feature, at most")] = 40,
    alphas: Annotated[str, typer.Option(help="what activations are multiplied by; 0 ablates")] = "0,2,5",
    seed: Annotated[int, typer.Option(min=0, help="seed of everything that is drawn")] = 0,
) -> None:
    """Scale features that switch along an order of cells, in early cells, and ask whether the cells move on.

    Example: `cellprism steer runs/heart --layer 2 --along day --order D0,D6,D10,D30,D60`
    """
    from cellprism.causal.steer_run import SteerRequest, steer_run
    from cellprism.cli.progress import Listener
    from cellprism.reader import open_run
    from cellprism.runs.directory import open_directory

    run = open_directory(path)
    request = SteerRequest(
        layer, along, tuple(_words(order)), _root(root), features, cells, tuple(_numbers(alphas)), seed,
    )
    arms = steer_run(run, request, Listener())
    reader = open_run(path)
    for line in described(arms, reader.steering_readouts(layer)):
        typer.echo(line)
    typer.echo(f"the tables are in {run.file('causal')}; see `cellprism.open_run({str(path)!r}).steering({layer})`.")


def described(arms: pd.DataFrame, readouts: pd.DataFrame) -> Iterator[str]:
    """What was found, line by line: what the readouts are worth, then each arm against its controls."""
    yield "readouts, on cells that they were not fitted on:"
    for row in readouts.itertuples():
        worth = f"{row.measure} {row.quality:.2f} (order permuted: {row.null_mean:.2f}, 95 % below {row.null_q95:.2f})"
        yield f"  {row.readout:<9} {worth}"
    for row in readouts[readouts["quality"] <= readouts["null_q95"]].itertuples():
        yield f"warning: {row.readout} tells cells apart no better than 1 in 20 readouts fitted to a permuted order."
    strongest = arms[arms["alpha"] == arms["alpha"].max()]
    span = readouts.set_index("readout")["span"]
    for (arm, against), rows in strongest.groupby(["arm", "against"], sort=False):
        n, alpha = rows["n_features"].iloc[0], rows["alpha"].iloc[0]
        yield f"{n} features that switch {arm}, times {alpha:g}, less {against} (in % of the way from early to late):"
        for row in rows.itertuples():
            whole = span[row.readout]
            share = [100 * x / whole for x in (row.difference, row.low, row.high)]
            low, high = sorted(share[1:])
            yield f"  {row.readout:<9} {share[0]:+.2f} [{low:+.2f}, {high:+.2f}]  q {row.q:.2g}"
    if arms["algebraic"].any():
        yield "no block follows the last layer: these effects are atom times readout, not a response of the model."


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in text.split(",")] if text else []


def _root(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    label, found, value = text.partition("=")
    if not found or not label or not value:
        msg = f"`--root {text}` names no cells: write LABEL=VALUE, such as day=D0."
        raise UserError(msg)
    return label, value


def _numbers(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        msg = f"`--alphas {text}` holds no numbers: give some such as 0,2,5."
        raise UserError(msg) from None
