"""From the cells file to tokens: the first stage of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from cellprism.cells.expression import Expression, read_expression
from cellprism.cells.tokenised import TokenLists, holds_tokens, read_tokenised
from cellprism.cells.tokens import TokenizedCells
from cellprism.errors import UserError
from cellprism.models import configured_model
from cellprism.models.checkpoints import find_checkpoint
from cellprism.models.controls import as_control, check_offers
from cellprism.runs.files import write_array, write_json
from cellprism.runs.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cellprism.models.base import CellModel
    from cellprism.runs.config import CellsConfig, Config
    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress

Cells: TypeAlias = Expression | TokenLists


def run_model(run: Run) -> CellModel:
    """The model of a run, or its control; once the run has begun with a commit of a hub's repository, no other."""
    commit = run.model.get("commit") if run.file("model.json").exists() else None
    model = configured_model(run.config.model.model_copy(update={"revision": commit} if commit else {}))
    return as_control(model, run.config.model.control, seed=run.config.seed)


def run_tokens(run: Run) -> TokenizedCells:
    """The tokenised cells of a run whose first stage is done."""
    values = run.file("tokens") / "value.npy"
    return TokenizedCells(
        gene=np.load(run.file("tokens") / "gene.npy"),
        offsets=np.load(run.file("tokens") / "offsets.npy"),
        genes=run.read("genes"),
        cells=run.read("cells"),
        value=np.load(values) if values.exists() else None,
    )


def tokenize(run: Run, _layer: int | None, progress: Progress) -> dict[str, Any]:
    """Read, check and tokenise the cells; write the tables of cells and genes, ``model.json`` and ``tokens/``."""
    config = run.config.cells
    model = run_model(run)
    layers = chosen_layers(run.config, model.n_layers)
    for control in run.config.controls:
        check_offers(model, control)
    expression = _sample(choose_cells(read_cells(config), config.where), config, run.config.seed)
    labels = _labels(expression, config)
    for note in expression.notes:
        progress.note(note)
    if isinstance(expression, TokenLists):
        tokens = model.adopt(expression)
    else:
        tokens = model.tokenize(expression, min_share_mapped=config.min_share_mapped)
    enough = tokens.lengths >= config.min_tokens
    if not enough.any():
        msg = (
            f"{expression.source}: no cell has {config.min_tokens} expressed genes that the model knows (the best has "
            f"{tokens.lengths.max()}): check the gene names, or lower `cells.min_tokens`."
        )
        raise UserError(msg)
    tokens = tokens.keep(enough)
    rows = tokens.cells["row"].to_numpy()
    _write(run, expression.take(rows), tokens, labels.iloc[rows])
    write_json(run.file("model.json"), {
        **model.describe(), "layers": layers, "source": expression.source, "notes": list(expression.notes),
        **({"control": run.config.model.control} if run.config.model.control else {}),
    })
    lengths = tokens.lengths
    return {
        "cells": len(tokens),
        "cells_left_out": int((~enough).sum()),
        "positions": int(lengths.sum()),
        "tokens_per_cell_quartiles": np.quantile(lengths, [0.25, 0.5, 0.75]).tolist(),
        "share_of_expressed_entries_mapped": float(tokens.cells["n_mapped"].sum() / tokens.cells["n_expressed"].sum()),
        "share_of_cells_truncated": float((tokens.cells["n_mapped"] > lengths).mean()),
    }


def read_cells(config: CellsConfig) -> Cells:
    """The cells that `cells.path` names: counts, or tokens if they are there already."""
    if holds_tokens(config.path):
        return read_tokenised(config.path)
    return read_expression(config.path, layer=config.layer)


def choose_cells(cells: Cells, where: dict[str, str | tuple[str, ...]]) -> Cells:
    """The cells whose columns of obs have the given values.

    Raises
    ------
    UserError
        A column is not there, or no cell has such a value.
    """
    for column, wanted in where.items():
        values = {wanted} if isinstance(wanted, str) else set(wanted)
        if column not in cells.obs:
            msg = (
                f"{cells.source} has no column {column!r} in obs: choose the columns of `cells.where` among "
                f"{', '.join(cells.obs.columns)}."
            )
            raise UserError(msg)
        found = cells.obs[column].astype("string")
        rows = np.flatnonzero(found.isin(values).to_numpy(bool))
        if not len(rows):
            there = ", ".join(sorted(found.dropna().unique())[:10])
            msg = (
                f"{cells.source}: no cell has {column} {' or '.join(sorted(values))} (there are {there}): correct "
                "`cells.where`."
            )
            raise UserError(msg)
        note = f"{len(rows)} of {len(cells)} cells have {column} {' or '.join(sorted(values))}; others are left out."
        cells = replace(cells.take(rows), notes=(*cells.notes, note))
    return cells


def chosen_layers(config: Config, n_layers: int) -> list[int]:
    """The layers to take apart, checked against the model."""
    wanted = config.sae.layers
    if wanted == "all":
        return list(range(n_layers))
    outside = [layer for layer in wanted if not 0 <= layer < n_layers]
    if outside or not wanted:
        msg = f"`sae.layers` has layer {outside or '()'}, the model has layers 0 to {n_layers - 1}: choose among these."
        raise UserError(msg)
    return sorted(set(wanted))


def _sample(cells: Cells, config: CellsConfig, seed: int) -> Cells:
    n = len(cells)
    if config.max_cells is None or config.max_cells >= n:
        return cells
    rows = np.random.default_rng(seed).choice(n, config.max_cells, replace=False)
    sampled = cells.take(np.sort(rows))
    return replace(sampled, notes=(*cells.notes, f"a random sample of {config.max_cells} of {n} cells is used."))


def _labels(expression: Cells, config: CellsConfig) -> pd.DataFrame:
    wanted = [*config.labels, *([config.donor] if config.donor else [])]
    missing = [name for name in wanted if name not in expression.obs]
    if missing:
        msg = (
            f"{expression.source} has no column {missing[0]!r} in obs: choose `cells.labels` and `cells.donor` among "
            f"{', '.join(expression.obs.columns)}."
        )
        raise UserError(msg)
    return expression.obs[wanted].astype("string")


def _write(run: Run, expression: Cells, tokens: TokenizedCells, labels: pd.DataFrame) -> None:
    config = run.config.cells
    cells = np.arange(len(tokens))
    run.write("cells", tokens.cells.drop(columns="row").assign(
        cell=cells,
        name=expression.names,
        total=expression.totals,
        n_tokens=tokens.lengths,
        donor=labels[config.donor].to_numpy(object) if config.donor else None,
    ))
    run.write("cell_labels", pd.concat([
        pd.DataFrame({"cell": cells, "key": key, "value": labels[key].to_numpy(object)}).dropna()
        for key in config.labels
    ]) if config.labels else pd.DataFrame(columns=["cell", "key", "value"]))
    run.write("genes", tokens.genes.assign(
        gene=np.arange(len(tokens.genes)), n_seen=np.bincount(tokens.gene, minlength=len(tokens.genes)),
    ))
    write_array(run.file("tokens") / "gene.npy", tokens.gene)
    write_array(run.file("tokens") / "offsets.npy", tokens.offsets)
    if tokens.value is not None:
        write_array(run.file("tokens") / "value.npy", tokens.value)


def _external(config: Config) -> Sequence[Path]:
    """Cells, dictionaries and checkpoint where they are files here; what came from the hub is known by its commit."""
    model = config.model
    checkpoint = find_checkpoint("demo").folder if model.path == "demo" else Path(model.path, model.subfolder or "")
    files = [Path(path) for path in (config.cells.path, model.dictionaries) if path and path != "demo"]
    return [path for path in (*files, checkpoint) if path.exists()]


TOKENIZE = Stage(
    name="tokenize",
    function=tokenize,
    outputs=("model.json", "cells.parquet", "cell_labels.parquet", "genes.parquet", "tokens"),
    config=(
        "model.kind", "model.path", "model.subfolder", "model.revision", "model.dictionaries", "model.protocol",
        "model.control",
        "cells", "sae.layers", "seed",
    ),
    external=_external,
)
