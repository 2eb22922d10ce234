"""From the cells file to tokens: the first stage of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cellprism.cells.tokens import TokenizedCells, join
from cellprism.errors import UserError
from cellprism.models import configured_model
from cellprism.models.checkpoints import find_checkpoint
from cellprism.models.controls import as_control, check_offers
from cellprism.models.sources import Source, read_sources
from cellprism.runs.files import write_array, write_json
from cellprism.runs.schemas import CELL_LABELS, empty
from cellprism.runs.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cellprism.models.base import CellModel
    from cellprism.runs.config import Config
    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress


def run_model(run: Run, *, dtype: str | None = None) -> CellModel:
    """The model of a run, or its control; once the run has begun with a commit of a hub's repository, no other.

    ``dtype`` asks for another number format than the run's.
    """
    commit = run.model.get("commit") if run.file("model.json").exists() else None
    update = {key: value for key, value in (("revision", commit), ("dtype", dtype)) if value is not None}
    model = configured_model(run.config.model.model_copy(update=update))
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


def run_sources(run: Run) -> list[np.ndarray]:
    """The cells of each source in the order of the configuration: ascending numbers; one array if there is no pool."""
    pool = run.config.cells.pool
    source = np.load(run.file("tokens") / "source.npy") if pool else np.zeros(len(run.read("cells")))
    return [np.flatnonzero(source == number) for number in range(max(1, len(pool)))]


def tokenize(run: Run, _layer: int | None, progress: Progress) -> dict[str, Any]:
    """Read, check and tokenise the cells; write the tables of cells and genes, ``model.json`` and ``tokens/``."""
    model = run_model(run)
    layers = chosen_layers(run.config, model.n_layers)
    for control in run.config.controls:
        check_offers(model, control)
    sources = read_sources(run.config.cells, model, run.config.seed, progress)
    tokens = join([source.tokens for source in sources])
    _write(run, sources, tokens)
    facts = model.describe()
    write_json(run.file("model.json"), {
        **facts, "layers": layers, "source": " + ".join(source.file for source in sources),
        "notes": [note for source in sources for note in source.notes],
        **({"control": run.config.model.control} if run.config.model.control else {}),
    })
    lengths = tokens.lengths
    return {
        "model": facts.get("name"),
        "dictionary": facts.get("dictionary"),
        "cells": len(tokens),
        "cells_left_out": sum(source.left_out for source in sources),
        "positions": int(lengths.sum()),
        "tokens_per_cell_quartiles": np.quantile(lengths, [0.25, 0.5, 0.75]).tolist(),
        "share_of_expressed_entries_mapped": float(tokens.cells["n_mapped"].sum() / tokens.cells["n_expressed"].sum()),
        "share_of_cells_truncated": float((tokens.cells["n_mapped"] > lengths).mean()),
        "cells_by_source": {source.name: len(source.tokens) for source in sources if source.name},
    }


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


def _write(run: Run, sources: Sequence[Source], tokens: TokenizedCells) -> None:
    labels = pd.concat([source.labels for source in sources], ignore_index=True)
    run.write("cells", tokens.cells.drop(columns="row").assign(
        cell=np.arange(len(tokens)),
        name=np.concatenate([source.names for source in sources]),
        total=np.concatenate([source.totals for source in sources]),
        n_tokens=tokens.lengths,
        donor=np.concatenate([source.donors for source in sources]),
    ))
    run.write("cell_labels", pd.concat([
        pd.DataFrame({"cell": np.arange(len(tokens)), "key": key, "value": labels[key].to_numpy(object)}).dropna()
        for key in labels
    ]) if len(labels.columns) else empty(CELL_LABELS))
    run.write("genes", tokens.genes.assign(
        gene=np.arange(len(tokens.genes)), n_seen=np.bincount(tokens.gene, minlength=len(tokens.genes)),
    ))
    write_array(run.file("tokens") / "gene.npy", tokens.gene)
    write_array(run.file("tokens") / "offsets.npy", tokens.offsets)
    if len(sources) > 1:
        lengths = [len(source.tokens) for source in sources]
        write_array(run.file("tokens") / "source.npy", np.repeat(np.arange(len(sources)), lengths))
    if tokens.value is not None:
        write_array(run.file("tokens") / "value.npy", tokens.value)


def _external(config: Config) -> Sequence[Path]:
    """Cells, dictionaries and checkpoint where they are files here; what came from the hub is known by its commit."""
    model = config.model
    checkpoint = find_checkpoint("demo").folder if model.path == "demo" else Path(model.path, model.subfolder or "")
    paths = [source.path for source in config.cells.sources.values()]
    files = [Path(path) for path in (*paths, model.dictionaries) if path and path != "demo"]
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
