"""patch, interact, damage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cellprism.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from cellprism.runs.directory import Run

RunFolder = Annotated[Path, typer.Argument(help="run directory", metavar="RUN")]
Seed = Annotated[int, typer.Option(min=0, help="seed of everything that is drawn")]
METRICS = {"loss": "loss", "hit": "share guessed first"}


def register(app: typer.Typer) -> None:
    app.command()(patch)
    app.command()(interact)
    app.command()(damage)


def patch(
    path: RunFolder,
    layer: Annotated[int, typer.Option(help="layer of the features")],
    *,
    features: Annotated[str, typer.Option(help="all, top:N (best labels), random:N or a file of numbers")] = "top:30",
    cells: Annotated[int, typer.Option(min=10, help="cells for each feature, at most")] = 100,
    seed: Seed = 0,
) -> None:
    """Test whether features carry their terms: ablate them and ask for hidden genes of the term.

    Example: `cellprism patch runs/demo --layer 2 --features top:30`
    """
    from cellprism.causal.patch_run import PatchRequest, Q, patch_run
    from cellprism.cli.progress import Listener
    from cellprism.runs.directory import open_directory

    run = open_directory(path)
    table = patch_run(run, PatchRequest(layer, features, cells, seed), Listener())
    carried = table[(table["q"] < Q) & (table["effect"] < 0)]
    rate = _rates(run, f"patching_{layer:02d}").loc["carries_term"]
    typer.echo(
        f"{len(carried)} of {len(table)} tested features carry hidden genes of their terms (q < {Q}); with permuted "
        f"sets of genes {rate['null_mean']:.1%} of them would."
    )
    if len(carried):
        typer.echo("change of the score of hidden genes beyond that of their controls [95 % interval over cells]:")
    for row in carried.head(10).itertuples():
        typer.echo(
            f"  {row.feature:>6}  {row.term:<44} {row.effect:+.3f} [{row.low:+.3f}, {row.high:+.3f}]  q {row.q:.2g}, "
            f"{row.n_genes} genes, {row.n_cells} cells"
        )
    typer.echo(f"the tables are in {run.file('causal')}; see `cellprism.open_run({str(path)!r}).patching({layer})`.")


def interact(
    path: RunFolder,
    *,
    layers: Annotated[str | None, typer.Option(help="layer of each of two or three features, such as 0,2")] = None,
    features: Annotated[
        Path | None, typer.Option(help="in place of --layers a file of combinations, in lines such as `0:12 2:130`"),
    ] = None,
    target: Annotated[int | None, typer.Option(help="the layer to read; default: the last")] = None,
    each: Annotated[int, typer.Option(min=1, help="combinations of one term, of different terms, and at random")] = 8,
    cells: Annotated[int, typer.Option(min=10, help="cells for each combination, at most")] = 50,
    seed: Seed = 0,
) -> None:
    """Test whether features act together otherwise than alone: ablate pairs or triples of them.

    Example: `cellprism interact runs/demo --layers 0,2`
    """
    from cellprism.causal.interact_run import InteractRequest, interact_run
    from cellprism.cli.progress import Listener
    from cellprism.runs.directory import open_directory

    if (layers is None) == (features is None):
        msg = "say which features: `--layers 0,2` draws some, `--features FILE` names them; give one of the two."
        raise UserError(msg)
    run = open_directory(path)
    request = InteractRequest(
        _layers(layers) if layers else (), target, each, cells, _combinations(features) if features else (), seed,
    )
    name, table = interact_run(run, request, Listener())
    rates = _rates(run, f"interactions_{name}")
    for scheme, own in table.groupby("scheme", sort=False):
        rate = rates.loc[f"interacting:{scheme!s}"]
        typer.echo(
            f"{scheme!s}: {len(own)} combinations in {own['n_cells'].min()} to {own['n_cells'].max()} cells, together "
            f"{own['additivity'].median():.2f} of the sum (median); {rate['value']:.2%} of {rate['n']:,} live targets "
            f"interact (signs flipped {rate['null_mean']:.2%})"
        )
    call = f"cellprism.open_run({str(path)!r}).interactions({name!r})"
    typer.echo(f"the tables are in {run.file('causal')}; see `{call}`.")


def damage(
    path: RunFolder,
    layer: Annotated[int, typer.Option(help="layer of the features")],
    *,
    features: Annotated[
        str, typer.Option(help="hubs:N (of a trace), top:N (best labels), random:N or a file of numbers"),
    ] = "hubs:20",
    cells: Annotated[int, typer.Option(min=2, help="cells, the same for all features")] = 50,
    trace: Annotated[str | None, typer.Option(help="the trace that knows the hubs")] = None,
    seed: Seed = 0,
) -> None:
    """Ask how much worse hidden genes are guessed without some features, beside features as frequent and random ones.

    Example: `cellprism damage runs/demo --layer 1 --features hubs:20`
    """
    from cellprism.causal.damage_run import DamageRequest, damage_run
    from cellprism.cli.progress import Listener
    from cellprism.runs.directory import open_directory

    run = open_directory(path)
    table = damage_run(run, DamageRequest(layer, features, cells, trace, seed), Listener())
    first = table.iloc[0]
    typer.echo(
        f"damage of {first['n_features']} chosen features less that of as many others, at {first['n_hidden']:,} hidden "
        f"genes of {first['n_cells']} cells [95 % interval over cells]:"
    )
    for row in table.itertuples():
        typer.echo(
            f"  {METRICS[str(row.metric)]:<20} against {row.arm:<8} {row.difference:+.5f} "
            f"[{row.low:+.5f}, {row.high:+.5f}]  p over cells {row.p:.2g}, over features {row.p_features:.2g}"
        )
    typer.echo(f"the tables are in {run.file('causal')}; see `cellprism.open_run({str(path)!r}).damage({layer})`.")


def _rates(run: Run, name: str) -> pd.DataFrame:
    """The rates that an analysis has just written, by name."""
    from cellprism.causal.tables import read_causal

    return read_causal(run, "rates", name, command="cellprism").set_index("rate")


def _layers(text: str) -> tuple[int, ...]:
    words = text.replace(",", " ").split()
    if not words or not all(word.isdecimal() for word in words):
        msg = f"`--layers {text}` names no layers: give two or three numbers such as 0,2."
        raise UserError(msg)
    return tuple(map(int, words))


def _combinations(path: Path) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Lines such as ``0:12 2:130``: layer and feature of each part, ascending."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        msg = f"no combinations in {path}: give a text file with lines such as `0:12 2:130` (layer:feature)."
        raise UserError(msg) from None
    combinations = []
    for number, line in enumerate(lines, start=1):
        parts = [tuple(part.split(":")) for part in line.replace(",", " ").split()]
        if any(len(part) != 2 or not all(word.isdecimal() for word in part) for part in parts):
            msg = f"{path} line {number} is {line!r}: write layer:feature two or three times, such as `0:12 2:130`."
            raise UserError(msg)
        if parts:
            combinations.append(tuple(sorted({(int(layer), int(feature)) for layer, feature in parts})))
    if not combinations:
        msg = f"{path} holds no combination: write lines such as `0:12 2:130` (layer:feature)."
        raise UserError(msg)
    return tuple(combinations)
