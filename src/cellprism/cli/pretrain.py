"""pretrain."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (typer reads the annotations)
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command()(pretrain)


def pretrain(
    cells: Annotated[str, typer.Argument(help=".h5ad file with raw counts, or `demo`")],
    out: Annotated[Path, typer.Argument(help="folder for checkpoint and dictionaries")],
    layer: Annotated[str | None, typer.Option(help="AnnData layer of the counts, or `raw`")] = None,
    steps: Annotated[int, typer.Option(min=1, help="gradient steps")] = 800,
    seed: Annotated[int, typer.Option(min=0, help="seed of everything random")] = 0,
) -> None:
    """Train a small rank-token model on your own cells, in Geneformer's format.

    Example: `cellprism pretrain demo models/pbmc --seed 0` makes the demo's model.
    """
    from cellprism.cells.expression import read_expression
    from cellprism.cli.progress import Listener
    from cellprism.models.pretrain import PretrainConfig
    from cellprism.models.pretrain import pretrain as train

    losses = train(read_expression(cells, layer=layer), out, PretrainConfig(steps=steps, seed=seed), Listener())
    typer.echo(
        f"wrote {out}: cross-entropy of masked genes in held-out cells {losses['held_out_loss']:.3f}, "
        f"by gene frequency {losses['gene_frequency_loss']:.3f}."
    )
