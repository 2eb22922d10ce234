"""trace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cellprism.errors import UserError

RunFolder = Annotated[Path, typer.Argument(help="run directory", metavar="RUN")]


def register(app: typer.Typer) -> None:
    app.command()(trace)


def trace(  # noqa: PLR0913
    path: RunFolder,
    source: Annotated[int, typer.Option(help="layer whose features are edited")],
    *,
    targets: Annotated[str | None, typer.Option(help="later layers, such as 6,11,17; default: all")] = None,
    features: Annotated[str, typer.Option(help="sources: all, top:N, random:N or a file of numbers")] = "all",
    cells: Annotated[int, typer.Option(help="cells at most, a seeded sample")] = 200,
    method: Annotated[str, typer.Option(help="ablation (exact), or the estimates attribution and ig")] = "ablation",
    target_features: Annotated[
        str, typer.Option(help="targets of attribution and ig: all, top:N, random:N or a file"),
    ] = "all",
    alpha: Annotated[float, typer.Option(help="factor on the source's activation; 0 ablates")] = 0.0,
    controls: Annotated[int, typer.Option(help="repeat along so many random and other atoms' directions")] = 0,
    seed: Annotated[int, typer.Option(help="seed of everything that is drawn")] = 0,
    name: Annotated[str | None, typer.Option(help="directory in RUN/causal; default: from layer and method")] = None,
    keep_effects: Annotated[bool, typer.Option(help="keep the effects in every cell, as float16")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="say what it will take, and end")] = False,
) -> None:
    """Find out what features cause: edit them, one at a time, and test what changes in later layers.

    Example: `cellprism trace runs/demo --source 1 --features top:30 --cells 100`
    """
    import shutil

    from cellprism.causal.controls import trace_controls
    from cellprism.causal.cost import trace_cost
    from cellprism.causal.requests import TraceRequest, resolve
    from cellprism.causal.tracing import trace as trace_circuits
    from cellprism.cli.progress import Listener
    from cellprism.runs.directory import open_directory

    run = open_directory(path)
    request = TraceRequest(
        source=source, targets=_layers(targets), features=features, cells=cells, method=method,  # type: ignore[arg-type]
        target_features=target_features, alpha=alpha, seed=seed,
    )
    resolved = resolve(run, request)
    typer.echo(trace_cost(run, resolved).describe(shutil.disk_usage(path).free))
    typer.echo(f"precision   {resolved.dtype:>14}   {_reason(resolved.dtype)}")
    if plan:
        return
    folder = trace_circuits(run, request, name=name, keep_effects=keep_effects, progress=Listener())
    if controls:
        trace_controls(run, request, folder, replicates=controls, progress=Listener())
    typer.echo(f"{folder} is done.")


def _reason(number_format: str) -> str:
    from cellprism.causal.requests import CHANGES

    if number_format == CHANGES:
        return "float32, but what an edit changes is multiplied in bfloat16, which rounds the change alone"
    return "whatever the run used: effects are small differences of two passes"


def _layers(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    words = text.replace(",", " ").split()
    if not words or not all(word.isdecimal() for word in words):
        msg = f"`--targets {text}` names no layers: give numbers such as 6,11,17."
        raise UserError(msg)
    return tuple(map(int, words))
