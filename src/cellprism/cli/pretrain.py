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
    layers: Annotated[int, typer.Option(min=1, help="transformer blocks")] = 4,
    width: Annotated[int, typer.Option(min=8, help="width of the residual stream")] = 128,
    heads: Annotated[int, typer.Option(min=1, help="attention heads; they divide the width")] = 4,
    steps: Annotated[int, typer.Option(min=1, help="gradient steps")] = 800,
    seed: Annotated[int, typer.Option(min=0, help="seed of everything random")] = 0,
) -> None:
    """Train a small rank-token model on your own cells, in Geneformer's format. Killed, it goes on when called again.

    Example: `cellprism pretrain demo models/pbmc --seed 0` makes the demo's model.
    """
    from cellprism.cells.expression import read_expression
    from cellprism.cli.progress import Listener
    from cellprism.models.pretrain import PretrainConfig
    from cellprism.models.pretrain import pretrain as train

    config = PretrainConfig(
        n_layers=layers, d_model=width, n_heads=heads, d_feedforward=2 * width, steps=steps, seed=seed,
    )
    scores = train(read_expression(cells, layer=layer), out, config, Listener())
    loss, baseline = scores["held_out_loss"], scores["gene_frequency_loss"]
    hits, common = scores["held_out_accuracy"], scores["gene_frequency_accuracy"]
    typer.echo(
        f"wrote {out}: masked genes in held-out cells: cross-entropy {loss:.3f} (gene frequencies: {baseline:.3f}); "
        f"the first guess is right for {hits:.1%} (the most frequent gene: {common:.1%})."
    )
