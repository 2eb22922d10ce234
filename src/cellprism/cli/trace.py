"""trace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cellprism.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cellprism.causal.reading import TraceReader

SAID = {
    "supports": "of the edges support, the others oppose",
    "found_again": "of the effects that pass the thresholds in one half of the cells come again in the other",
}
LABELS_Q = 0.05
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
    controls: Annotated[int, typer.Option(min=0, help="repeat along so many random and other atoms' directions")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="seed of everything that is drawn")] = 0,
    name: Annotated[str | None, typer.Option(help="directory in RUN/causal; default: from layer and method")] = None,
    keep_effects: Annotated[bool, typer.Option(help="keep the effects in every cell, as float16")] = False,
    memory: Annotated[float | None, typer.Option(min=0, help="GB that it may take; default: what is free")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="say what it will take, and end")] = False,
) -> None:
    """Find out what features cause: edit them, one at a time, and test what changes in later layers.

    Example: `cellprism trace runs/demo --source 0 --features top:30 --cells 100`
    """
    import shutil
    from dataclasses import replace

    from cellprism.causal.controls import KINDS, trace_controls
    from cellprism.causal.cost import trace_cost
    from cellprism.causal.requests import TraceRequest, resolve
    from cellprism.causal.tracing import planned
    from cellprism.causal.tracing import trace as trace_circuits
    from cellprism.cli.progress import Listener
    from cellprism.reader import open_run
    from cellprism.runs.directory import open_directory

    run = open_directory(path)
    request = TraceRequest(
        source=source, targets=_layers(targets), features=features, cells=cells, method=method,  # type: ignore[arg-type]
        target_features=target_features, alpha=alpha, seed=seed,
    )
    resolved, _ = planned(run, request, name=name)
    room = None if memory is None else 1e9 * memory
    if controls:
        resolve(run, replace(request, control="random"))
    cost = trace_cost(run, resolved, keep_effects=keep_effects, memory=room).times(1 + len(KINDS) * controls)
    typer.echo(cost.describe(shutil.disk_usage(path).free, room))
    typer.echo(f"precision   {cost.dtype:>14}   {_reason(cost.dtype)}")
    if plan:
        return
    folder = trace_circuits(run, request, name=name, keep_effects=keep_effects, memory=room, progress=Listener())
    if controls:
        trace_controls(run, request, folder, replicates=controls, memory=room, progress=Listener())
    for line in found(open_run(path).trace(folder.name)):
        typer.echo(line)
    call = f"cellprism.open_run({str(path)!r}).trace({folder.name!r})"
    typer.echo(f"{folder} is done; its tables: `{call}`.")


def found(trace: TraceReader) -> Iterator[str]:
    """What a finished trace found, line by line, each number beside what chance gives."""
    from cellprism.causal.edge_rule import NONZERO

    sources = trace.sources()
    edges, live = int(sources["edges"].sum()), int(sources["live"].sum())
    n_cells = sources.groupby("source")["n_cells"].first()
    share = f" ({edges / live:.1%})" if live else ""
    yield (
        f"{edges:,} edges in {live:,} live tests{share}, of {len(n_cells):,} sources that fire in two or more of "
        f"{len(trace.request['cells'])} cells"
    )
    for row in trace.fdr().query("rule == 'calibrated'").itertuples():
        rate = f"; false discovery rate {row.fdr:.2%}" if edges else ""
        yield (
            f"  with the signs of cells flipped {row.null_mean:,.1f}, 5 to 95 %: {row.null_low:,.0f} to "
            f"{row.null_high:,.0f}{rate}"
        )
    rates = trace.rates().query("rate in @SAID and protocol == 'calibrated' and n * n_permutations > 0")
    for row in rates.itertuples():
        yield f"  {row.value:.0%} {SAID[str(row.rate)]} (n = {row.n:,}; flipped {row.null_mean:.0%})"
    yield from _labels(trace)
    if trace.request.get("off_by") is not None:
        yield _off(trace.request["off_by"], trace.request["dtype"])
    few = int((n_cells < NONZERO).sum())
    if few:
        yield f"warning: {few:,} of the sources fire in fewer than {NONZERO} of these cells and cannot have an edge."
    if trace.request["method"] != "ablation":
        yield from _agreement(trace)
    elif (trace.path / "direction_controls.parquet").exists():
        for row in trace.direction_controls().query("control != 'none'").itertuples():
            along = "a random direction" if row.control == "random" else "the atom of another feature"
            yield f"  edges to layer {row.target_layer} of the same edits along {along}: {row.edges:,}"


def _labels(trace: TraceReader) -> Iterator[str]:
    """The pairs of labels with more edges than shuffled labels give."""
    pairs = trace.domain_edges()
    found = pairs[pairs["q"] < LABELS_Q]
    first = "".join(
        f"; first {row.source_term} to {row.target_term}, {row.n_edges} ({row.expected:.0f} with labels shuffled)"
        for row in found.head(1).itertuples()
    )
    if len(pairs):
        yield f"  {len(found)} of {len(pairs):,} pairs of labels have more edges than chance (q < {LABELS_Q}){first}"


def _agreement(trace: TraceReader) -> Iterator[str]:
    for row in trace.agreement().itertuples():
        yield (
            f"  layer {row.target_layer}, {row.sources} sources ablated as well: rank correlation {row.spearman:.2f} "
            f"of {row.pairs:,} mean effects; {row.recall:.0%} of {row.edges} exact edges found, {row.precision:.0%} of "
            f"{row.estimated_edges} found ones exact"
        )
    yield "warning: these are estimates: confirm by ablation what you want to build on."


def _reason(number_format: str) -> str:
    from cellprism.causal.requests import CHANGES

    if number_format in CHANGES:
        return f"changes where the source does not fire are of low rank, and multiplied in {CHANGES[number_format]}"
    return "whatever the run used: effects are small differences of two passes"


def _off(share: float, number_format: str) -> str:
    """How well changes of low rank did, and what was done about it."""
    from cellprism.causal.engine import TOLERATED
    from cellprism.causal.requests import PRECISION

    held = number_format == PRECISION
    way = "float32 passes were taken instead" if held else f"more than {TOLERATED:.1%} would be too much"
    return f"  changes of low rank put some effects, computed both ways, off by {share:.2%} of their size; {way}"


def _layers(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    words = text.replace(",", " ").split()
    if not words or not all(word.isdecimal() for word in words):
        msg = f"`--targets {text}` names no layers: give numbers such as 6,11,17."
        raise UserError(msg)
    return tuple(map(int, words))
