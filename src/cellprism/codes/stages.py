"""Encode every position of every layer in one pass of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cellprism.codes.store import shard_path
from cellprism.models.speed import Speed
from cellprism.models.stages import run_model, run_tokens
from cellprism.runs.files import write_array
from cellprism.runs.stage import Stage
from cellprism.sae.files import load
from cellprism.sae.stages import cell_chunks, layer_residuals
from cellprism.sae.topk import code_bytes, index_type

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.cells.tokens import TokenizedCells
    from cellprism.models.base import CellModel
    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress
    from cellprism.sae.topk import SparseAutoencoder


def encode(run: Run, _layer: int | None, progress: Progress) -> dict[str, Any]:
    """Write ``positions/`` and every layer's ``codes/``, shard by shard. A shard that is there is not made again."""
    model, tokens = run_model(run), run_tokens(run)
    saes = {layer: load(run.file("sae.safetensors", layer)).to(model.device) for layer in run.layers}
    for layer, sae in saes.items():
        write_array(run.file("codes", layer) / "n_features.npy", np.array(sae.n_features))
    speed = Speed()
    with progress.bar("encoding every position", len(tokens), "cell") as advance:
        for number, cells in enumerate(cell_chunks(tokens)):
            paths = _shard_files(run, number)
            if not all(path.exists() for path in paths):
                arrays = _encode_cells(model, tokens, cells, saes, run.config.model.token_budget, speed)
                for path, array in zip(paths, arrays, strict=True):
                    write_array(path, array)
            advance(len(cells))
    return {
        "positions": len(tokens.gene),
        "bytes_per_position": {n: code_bytes(sae.k, sae.n_features, sae.activation) for n, sae in saes.items()},
        **speed.facts(model),
    }


def _shard_files(run: Run, number: int) -> list[Path]:
    positions = [shard_path(run.file("positions"), name, number) for name in ("cell", "gene")]
    codes = [shard_path(run.file("codes", layer), name, number) for layer in run.layers for name in ("index", "value")]
    return positions + codes


def _encode_cells(
    model: CellModel, tokens: TokenizedCells, cells: np.ndarray, saes: dict[int, SparseAutoencoder], token_budget: int,
    speed: Speed,
) -> list[np.ndarray]:
    """The arrays of one shard, in the order of `_shard_files`."""
    first, last = tokens.offsets[cells[0]], tokens.offsets[cells[-1] + 1]
    arrays = {
        layer: (
            np.zeros((last - first, sae.width), index_type(sae.n_features)),
            np.zeros((last - first, sae.width), np.float16),
        )
        for layer, sae in saes.items()
    }
    residuals = layer_residuals(model, tokens, cells, layers=tuple(saes), token_budget=token_budget)
    for positions, layer, h in speed.watch(residuals):
        with torch.inference_mode():
            codes = saes[layer].encode(h)
        index, value = arrays[layer]
        index[positions - first] = codes.index.cpu().numpy()
        value[positions - first] = codes.value.cpu().numpy()
    gene = tokens.gene[first:last]
    cell = np.repeat(cells, tokens.lengths[cells]).astype(np.int32)
    return [cell, gene, *(array for pair in arrays.values() for array in pair)]


ENCODE = Stage(
    name="encode",
    function=encode,
    inputs=("model.json", "tokens", "genes.parquet", "{layer}/sae.safetensors"),
    outputs=("positions", "{layer}/codes"),
    config=("model.token_budget", "model.device", "model.dtype"),
)
