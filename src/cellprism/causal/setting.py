"""What every analysis of this room needs of a run: the model in float32, a layer with codes, and who fires where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from cellprism.causal.requests import PRECISION
from cellprism.codes.store import CodeStore
from cellprism.errors import UserError
from cellprism.models.base import pick_device, pick_dtype
from cellprism.models.stages import run_model, run_tokens
from cellprism.sae.files import load

if TYPE_CHECKING:
    from cellprism.cells.tokens import TokenizedCells
    from cellprism.models.base import CellModel
    from cellprism.runs.directory import Run
    from cellprism.sae.topk import SparseAutoencoder


@dataclass(frozen=True)
class Site:
    """Where features are edited.

    Attributes
    ----------
    model, tokens
        The model and its cells.
    layer, sae
        A layer and its autoencoder, on the model's device.
    token_budget
        Padded tokens that go through the model together.
    """

    model: CellModel
    tokens: TokenizedCells
    layer: int
    sae: SparseAutoencoder
    token_budget: int


def run_site(run: Run, layer: int) -> Site:
    """The site of a layer of a run."""
    model = float32_model(run)
    sae = load(run.file("sae.safetensors", layer)).to(model.device)
    return Site(model, run_tokens(run), layer, sae, run.config.model.token_budget)


def float32_model(run: Run) -> CellModel:
    """The model of a run, or its control, in float32: effects are small differences of two passes.

    A model that does not say its number format comes as it is.
    """
    config = run.config.model
    other = pick_dtype(config.dtype, pick_device(config.device)) != getattr(torch, PRECISION)
    return run_model(run, dtype=PRECISION if other and "dtype" in run.model else None)


def needs_layer(run: Run, layer: int) -> None:
    """Raise a `UserError` unless the run takes ``layer`` apart."""
    if not run.file("model.json").exists():
        msg = f"{run.path} has no layers yet: see `cellprism status {run.path}`."
        raise UserError(msg)
    if layer not in run.layers:
        msg = f"{run.path} has no layer {layer}: choose among {', '.join(map(str, run.layers))}."
        raise UserError(msg)


def firing_cells(run: Run, layer: int, features: np.ndarray, n_cells: int) -> np.ndarray:
    """Whether each of the distinct ``features`` fires in each cell, shape ``(cells, features)``."""
    fires = np.zeros((n_cells, len(features)), bool)
    store = CodeStore(run, layer)
    column = np.full(store.n_features, -1)
    column[features] = np.arange(len(features))
    for shard in store.shards():
        place = column[shard.codes.index]
        position, at = np.nonzero((place >= 0) & (np.asarray(shard.codes.value) > 0))
        fires[shard.cell[position], place[position, at]] = True
    return fires


def count_firing(run: Run, layer: int, cells: np.ndarray) -> np.ndarray:
    """In how many of the distinct ``cells`` each feature of a layer fires, shape ``(features,)``.

    Of the codes only those of these cells are read.
    """
    store = CodeStore(run, layer)
    count = np.zeros(store.n_features, np.int64)
    for shard in store.shards():
        rows = np.flatnonzero(np.isin(shard.cell, cells))
        codes = shard.codes[rows].csr().tocoo()
        place = np.unique(np.asarray(shard.cell)[rows], return_inverse=True)[1]
        pairs = np.unique(place[codes.row] * store.n_features + codes.col)
        count += np.bincount(pairs % store.n_features, minlength=store.n_features)
    return count
