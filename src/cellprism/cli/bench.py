"""bench."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command()(bench)


def bench(
    names: Annotated[list[str] | None, typer.Argument(help="benchmarks; default: all", metavar="NAME...")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print a JSON list of rows")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="smaller sizes, rougher numbers")] = False,
) -> None:
    """Measure speed against baselines that are timed in the same run.

    Example: `cellprism bench extract --json`
    """
    from cellprism.benchmarks import benchmark_names, machine, run_benchmark

    rows = [row for name in names or benchmark_names() for row in run_benchmark(name, quick=quick)]
    if as_json:
        typer.echo(json.dumps([row.as_dict() for row in rows], indent=1))
        return
    typer.echo(machine())
    for row in rows:
        typer.echo("\n".join(row.lines()))
