"""perturb."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cellprism.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from cellprism.regulation.perturb_run import Perturbed

SHOWN = 8
POWER = 0.5
"""Below this power a test that finds nothing says nothing."""


def register(app: typer.Typer) -> None:
    app.command()(perturb)


def perturb(
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
    cells: Annotated[int, typer.Option(min=1, help="cells of each perturbation, at most; 4 times as many control")] = 200,
    network: Annotated[list[str] | None, typer.Option(help="factors and targets beside those of the run")] = None,
    seed: Annotated[int, typer.Option(help="seed of everything that is drawn")] = 0,
) -> None:
    """Ask what features do when genes are perturbed, and whether known targets of factors answer first.

    Example: `cellprism perturb runs/demo screen.h5ad --layer 2 --target gene --control non-targeting --guide guide`
    """
    from cellprism.cli.progress import Listener
    from cellprism.regulation.perturb_run import perturb_run
    from cellprism.regulation.screen import PerturbRequest
    from cellprism.runs.directory import open_directory

    run = open_directory(path)
    request = PerturbRequest(
        str(screen), layer, target, control, guide, batch, tuple(map(_pair, where or [])), counts, cells,
        tuple(network or []), seed,
    )
    found = perturb_run(run, request, Listener())
    labels = run.read("labels", layer) if run.file("labels.parquet", layer).exists() else None
    for line in [*_screen(found), *_responses(found, labels), *_factors(found)]:
        typer.echo(line)
    typer.echo(f"the tables are in {run.file('regulation')}; see `cellprism.open_run({str(path)!r}).responses({layer})`.")


def _pair(text: str) -> tuple[str, str]:
    column, sign, value = text.partition("=")
    if not sign or not column or not value:
        msg = f"`--where {text}` is no choice of cells: write column=value."
        raise UserError(msg)
    return column.strip(), value.strip()


def _screen(found: Perturbed) -> list[str]:
    notes = found.notes
    replicates = "guides are the replicates" if notes["unit"] == "guide" else (
        "cells are the replicates, so that p-values say nothing about other guides or another experiment"
    )
    lines = [
        f"{len(found.perturbations)} perturbations, {notes['cells_read']:,} cells read, {notes['control_cells']:,} of "
        f"them control; {notes['genes_mapped']:,} of {notes['genes_measured']:,} genes are the model's; {replicates}."
    ]
    here, there = notes["positions_of_a_cell"], notes["positions_of_a_cell_of_the_run"]
    if here < there / 2:
        lines.append(
            f"a cell has {here:.0f} positions (median), one of the run {there:.0f}: what the model was trained on is far "
            "from this screen, and its features may mean something else here."
        )
    if notes["left_out"]:
        shown = ", ".join(f"{name} ({n})" for name, n in list(notes["left_out"].items())[:SHOWN])
        more = ", ..." if len(notes["left_out"]) > SHOWN else ""
        lines.append(f"too few cells or guides: {shown}{more}.")
    return lines


def _responses(found: Perturbed, labels: pd.DataFrame | None) -> list[str]:
    rates = found.rates.set_index(["rate", "protocol"])
    pairs, some, below = (
        rates.loc[(name, "calibrated")] for name in ("responding", "perturbations_responding", "p_below_0.05")
    )
    lines = [
        f"{found.perturbations['responding'].sum():,} of {pairs['n']:,} pairs respond (q < 0.05; {pairs['value']:.2%}, "
        f"by chance {_known(pairs['null_mean'], '.2%')}), at {some['value']:.0%} of the perturbations (by chance "
        f"{_known(some['null_mean'], '.0%')}); p < 0.05 in {below['value']:.1%} of pairs, by chance "
        f"{_known(below['null_mean'], '.1%')}."
    ]
    published = rates.loc[("perturbations_responding", "published")]
    lines.append(
        f"by the published rule {published['value']:.0%} of the perturbations respond, and {published['null_mean']:.0%} "
        "of random groups of control cells."
    )
    names = {} if labels is None else dict(zip(labels["feature"], labels["term"], strict=True))
    first = found.responses.groupby("target", sort=False).head(1).set_index("target")
    lines.append("  perturbed      features  by chance  own gene, log2       strongest feature")
    for row in found.perturbations.head(SHOWN).itertuples():
        best = first.loc[row.target]
        own = "not measured" if row.knockdown != row.knockdown else f"{row.knockdown:+.2f} (p {row.knockdown_p:.1g})"
        label = names.get(best["feature"], "no label")
        lines.append(
            f"  {row.target:<14} {row.responding:>8}  {_known(row.null_mean, '9.1f')}  {own:<19}  "
            f"{int(best['feature'])} {best['effect']:+.3f}, t {best['t']:+.1f} ({label})"
        )
    return lines


def _factors(found: Perturbed) -> list[str]:
    table = found.tf_targets
    if not len(table):
        why = "no perturbed gene has five known targets among the genes read" if found.notes["networks"] else (
            "the run knows no factors and their targets; name some by `--network`"
        )
        return [f"targets of factors: not tested, {why}."]
    lines = ["  factor (network)       targets  AUROC (p)       by expression    power at AUROC"]
    lines += [
        f"  {f'{row.target} ({row.source})':<22.22} {row.n_targets:>7}  {row.auroc:.2f} ({row.p:.2g})"
        f"    {row.auroc_expression:.2f} ({row.p_expression:.2g})    {row.power:.2f} at {row.planted:.2f}"
        for row in table.head(SHOWN).itertuples()
    ]
    first, plain = table["q"] < 0.05, table["q_expression"] < 0.05
    lines.append(
        f"targets come first for {first.sum()} of {len(table)} factors by features, for {plain.sum()} by expression "
        f"(q < 0.05): {_verdict(int(first.sum()), int((first & ~plain).sum()), int(plain.sum()), table['power'].median())}."
    )
    return lines


def _verdict(first: int, only_features: int, plain: int, power: float) -> str:
    if power < POWER:
        strength = f"the median power is {power:.2f}, too low to say anything from what is not found"
    else:
        strength = f"the median power is {power:.2f}"
    if only_features:
        return f"{only_features} of them are not seen in the expression itself; {strength}"
    if first:
        return f"the expression already answers, the model adds nothing; {strength}"
    if plain:
        return f"the signal is in the input and the features do not show it; {strength}"
    return f"the signal is not in the input either; {strength}"


def _known(value: float, form: str) -> str:
    return "unknown" if value != value else format(value, form)
