"""demo."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Hashable

    import pandas as pd

    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress

CONTROLS = {
    "random_weights": "a model whose weights were shuffled",
    "static_embedding": "the static embeddings of the genes, without any layer",
}


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    out: Annotated[Path, typer.Option(help="run directory; the atlas goes to OUT-atlas")] = Path("runs/demo"),
    *,
    serve: Annotated[bool | None, typer.Option(help="serve the atlas at the end; default: in a terminal")] = None,
) -> None:
    """Take 700 real blood cells through a small model to an atlas.

    Example: `cellprism demo`
    """
    from cellprism.atlas.export import export
    from cellprism.cli.progress import Listener
    from cellprism.pipeline import run
    from cellprism.reader import open_run
    from cellprism.runs.config import load_config

    config = load_config(Path(__file__).with_name("demo.yaml")).model_copy(update={"out": str(out)})
    done = run(config, Listener())
    traced = _trace(done, Listener())
    atlas = export([done.path], out.with_name(f"{out.name}-atlas"))
    reader = open_run(done.path)
    _print_findings(reader.findings())
    typer.echo(annotated_line(reader.rates(), reader.controls()))
    typer.echo(traced_line(reader.trace(traced.name).sources(), reader.trace(traced.name).fdr()))
    typer.echo(f"The run is {done.path}, the atlas is {atlas} (open it with `cellprism serve {atlas}`).")
    if serve if serve is not None else sys.stdout.isatty():
        from cellprism.cli.atlas import serve_until_interrupted

        serve_until_interrupted([atlas], port=None)


def traced_line(sources: pd.DataFrame, fdr: pd.DataFrame) -> str:
    """What taking features away changed, beside what flipped signs give, in words."""
    row = fdr[fdr["rule"] == "calibrated"].to_dict("records")[0]
    n = sources["source"].nunique()
    return (
        f"Taking away {n} features, one at a time, changes later ones: {row['edges']:,} edges; with the signs "
        f"of the effects flipped at random, {row['null_mean']:,.1f}."
    )


def _trace(run: Run, progress: Progress) -> Path:
    """Trace a few labelled features, again if the run has changed since."""
    from cellprism.causal.requests import TraceRequest
    from cellprism.causal.tracing import is_stale, trace

    request = TraceRequest(source=1, features="top:30", cells=50)
    folder = run.file("causal") / request.name()
    if is_stale(run, folder):
        shutil.rmtree(folder)
    return trace(run, request, progress=progress)


def annotated_line(rates: pd.DataFrame, controls: pd.DataFrame) -> str:
    """The share of annotated features of every layer beside its null and beside the controls, in words."""
    rows = rates[rates["rate"] == "annotated"].to_dict("records")
    line = (
        f"Annotated features by layer, and in brackets the mean over {rows[0]['n_permutations']} shuffles of genes "
        f"between features: {_shares(rows, 'value', 'null_mean')}."
    )
    for control, table in controls[controls["rate"] == "annotated"].groupby("control"):
        own = table.drop_duplicates("control_layer").to_dict("records")
        line += f"\nThe same on {CONTROLS[str(control)]}: {_shares(own, 'control_value', 'control_null_mean')}."
    return line + ("\nOnly what exceeds the controls is what the layers of the model add." if len(controls) else "")


def _shares(rows: list[dict[Hashable, Any]], value: str, null: str) -> str:
    return ", ".join(f"{row[value]:.1%} ({row[null]:.1%})" for row in rows)


def _print_findings(findings: pd.DataFrame) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Found without labels; names and cell types were looked up afterwards", title_justify="left")
    for name in ("layer", "feature"):
        table.add_column(name, justify="right")
    table.add_column("label")
    table.add_column("q", justify="right")
    table.add_column("fires most in")
    table.add_column("AUROC", justify="right")
    table.add_column("top genes")
    for row in findings.to_dict("records"):
        table.add_row(
            str(row["layer"]), str(row["feature"]), row["label"], f"{row['q']:.0e}", row["group_value"],
            f"{row['auroc']:.3f}", " ".join(row["genes"][:6]),
        )
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(table)
