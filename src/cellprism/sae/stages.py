"""Residuals out of the model, autoencoders out of residuals: two stages."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from cellprism.models.base import pick_device
from cellprism.models.speed import Speed
from cellprism.models.stages import run_model, run_tokens
from cellprism.runs.files import atomic_path, sha256
from cellprism.runs.stage import Stage
from cellprism.sae.files import save
from cellprism.sae.metrics import (
    FREQUENCY_EDGES,
    explained_variance,
    firing_frequency,
    frequency_histogram,
    largest_cosine,
    mean_active,
    mean_squared_error,
    rare_share,
    silent_share,
)
from cellprism.sae.sample import run_held_out, sample_positions, together
from cellprism.sae.together import train_together
from cellprism.sae.topk import TopKCodes
from cellprism.sae.train import Job, is_finished, train

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cellprism.cells.tokens import TokenizedCells
    from cellprism.models.base import Batch, CellModel
    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress
    from cellprism.sae.topk import SparseAutoencoder

CHUNK = 65_536
"""Positions of consecutive cells that are batched together; also the size of a shard of codes."""
ENCODED = 8192
"""Held-out positions whose activations of all features are in memory at a time."""


def cell_chunks(tokens: TokenizedCells) -> list[np.ndarray]:
    """Consecutive cells in groups of about `CHUNK` positions."""
    group = tokens.offsets[:-1] // CHUNK
    return np.split(np.arange(len(tokens)), np.flatnonzero(np.diff(group)) + 1)


def batch_positions(batch: Batch, tokens: TokenizedCells) -> np.ndarray:
    """Position numbers of a batch's gene entries, in the order of ``h[batch.gene]``."""
    return np.concatenate([np.arange(tokens.offsets[c], tokens.offsets[c + 1]) for c in batch.cells])


def layer_residuals(
    model: CellModel, tokens: TokenizedCells, cells: np.ndarray, *, layers: tuple[int, ...], token_budget: int,
) -> Iterator[tuple[np.ndarray, int, torch.Tensor]]:
    """Yield position numbers, layer and residuals ``(positions, d_model)`` of the given cells, batch by batch."""
    for batch in model.batches(tokens, cells, token_budget=token_budget):
        positions = batch_positions(batch, tokens)
        for layer, h in model.residuals(batch):
            if layer in layers:
                yield positions, layer, h[batch.gene]
            if layer == max(layers):
                break


def sample_residuals(run: Run, _layer: int | None, progress: Progress) -> dict[str, Any]:
    """One pass of the model; a uniform sample of every layer's residuals goes to ``residuals/``, as bfloat16 bits.

    A pool of sources is sampled in the shares that the configuration gives.
    """
    model, tokens = run_model(run), run_tokens(run)
    by_source = sample_positions(run, tokens)
    chosen = {part: together(rows) for part, rows in by_source.items()}
    if run.config.cells.pool:
        _note_shares(run, tokens, by_source["train"], progress)
    speed = Speed()
    with ExitStack() as stack, progress.bar("reading the residual stream", len(tokens), "cell") as advance:
        files = {
            (layer, part): _create(stack, run.file("residuals", layer) / f"{part}.npy", (len(rows), model.d_model))
            for layer in run.layers for part, rows in chosen.items()
        }
        for cells in cell_chunks(tokens):
            # mapped anew for every chunk: pages written through a map stay in this process's memory while it is open
            arrays = {key: np.lib.format.open_memmap(path, mode="r+") for key, path in files.items()}
            residuals = layer_residuals(
                model, tokens, cells, layers=run.layers, token_budget=run.config.model.token_budget,
            )
            for positions, layer, h in speed.watch(residuals):
                bits = h.to(torch.bfloat16).view(torch.int16).cpu().numpy()
                for part, rows in chosen.items():
                    place = np.minimum(np.searchsorted(rows, positions), len(rows) - 1)
                    wanted = rows[place] == positions
                    arrays[layer, part][place[wanted]] = bits[wanted]
            arrays.clear()
            advance(len(cells))
    return {
        **{part: len(rows) for part, rows in chosen.items()},
        "by_source": {
            name: {part: len(rows[number]) for part, rows in by_source.items()}
            for number, name in enumerate(run.config.cells.pool)
        },
        **speed.facts(model),
    }


def train_layer(run: Run, layer: int | None, progress: Progress) -> dict[str, Any]:
    """Train the autoencoder of a layer; write ``sae.safetensors``, ``training`` and ``metrics``.

    On CUDA the first layer's turn trains all layers at once and leaves their checkpoints, where the other turns find
    their work done.
    """
    assert layer is not None
    device = pick_device(run.config.model.device)
    if device.type == "cuda":
        train_all(run, layer, device, progress)
    job, config = _job(run, layer), run.config.sae
    with progress.bar(f"training the autoencoder of layer {layer}", config.steps, "step") as bar:
        trained = train(
            job.residuals, job.held_out, config, seed=job.seed, advance=bar, say=bar.say, checkpoint=job.checkpoint,
            training_set=job.training_set,
        )
    facts = {"layer": layer, "seed": job.seed, "training_set": job.training_set}
    held_out = job.held_out
    del job  # the sample would stay in memory beside what the metrics take
    metrics, notes = evaluate(trained.sae, held_out)
    run.write("metrics", metrics, layer, notes=notes)
    run.write("training", trained.log, layer)
    save(trained.sae, run.file("sae.safetensors", layer), facts)
    run.file("training.checkpoint", layer).unlink(missing_ok=True)
    spread = float(trained.sae.scale) * trained.sae.d_model**0.5
    return {
        "explained_variance": float(metrics["value"][0]), "mean_over_spread": float(trained.sae.centre.norm()) / spread,
    }


def train_all(run: Run, first: int, device: torch.device, progress: Progress) -> None:
    """Train the autoencoders of the layers from ``first`` on together, those that are finished left out."""
    layers = [layer for layer in run.layers if layer >= first]
    jobs = [job for job in (_job(run, layer, mapped=True) for layer in layers) if not is_finished(job, run.config.sae)]
    if jobs:
        total = len(jobs) * run.config.sae.steps
        with progress.bar(f"training the autoencoders of {len(jobs)} layers", total, "step") as bar:
            train_together(jobs, run.config.sae, device, bar)


def _job(run: Run, layer: int, *, mapped: bool = False) -> Job:
    """What a layer is trained on; ``mapped`` leaves the residuals on disk."""
    folder = run.file("residuals", layer)
    residuals = np.load(folder / "train.npy", mmap_mode="c" if mapped else None)
    return Job(
        torch.from_numpy(residuals).view(torch.bfloat16), _read(folder / "held_out.npy"),
        run.config.seed * 1000 + layer, run.file("training.checkpoint", layer), sha256(folder / "train.npy"),
    )


def evaluate(sae: SparseAutoencoder, held_out: torch.Tensor) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The table ``metrics`` of an autoencoder on held-out residuals, and its notes."""
    with torch.inference_mode():
        parts = [sae.encode(part) for part in held_out.split(ENCODED)]
        codes = TopKCodes.joined(parts)
        x, x_hat = held_out.float(), sae.decode(codes)
    frequency = firing_frequency(codes, sae.n_features)
    n, features = (len(held_out), "position"), (sae.n_features, "feature")
    rows = [
        ("explained_variance", explained_variance(x, x_hat), *n),
        ("mean_squared_error", mean_squared_error(x, x_hat), *n),
        ("mean_active", mean_active(codes.value), *n),
        ("silent_on_held_out", silent_share(frequency), *features),
        ("rare_on_held_out", rare_share(frequency), *features),
        ("largest_cosine", largest_cosine(sae.W_dec.detach()), *features),
    ]
    notes = {"frequency_edges": FREQUENCY_EDGES, "features_by_frequency": frequency_histogram(frequency)}
    return pd.DataFrame(rows, columns=["metric", "value", "n", "unit"]), notes


def _note_shares(run: Run, tokens: TokenizedCells, rows: list[np.ndarray], progress: Progress) -> None:
    sampled = sum(map(len, rows))
    available = int(tokens.lengths.sum() - tokens.lengths[run_held_out(run)].sum())
    if sampled + len(rows) < min(run.config.sae.positions, available):
        progress.note(f"{sampled:,} positions are sampled: with more, the sources could not have their shares.")


def _create(stack: ExitStack, path: Path, shape: tuple[int, int]) -> Path:
    """An array on disk whose space is reserved: writing through a map to a full disk would kill the process.

    Returns the temporary file, which becomes ``path`` when ``stack`` is closed.
    """
    temporary = stack.enter_context(atomic_path(path))
    np.lib.format.open_memmap(temporary, mode="w+", dtype=np.int16, shape=shape)
    if hasattr(os, "posix_fallocate"):  # not on macOS
        with temporary.open("r+b") as handle:
            os.posix_fallocate(handle.fileno(), 0, temporary.stat().st_size)
    return temporary


def _read(path: Path) -> torch.Tensor:
    return torch.from_numpy(np.load(path)).view(torch.bfloat16)


RESIDUALS = Stage(
    name="residuals",
    function=sample_residuals,
    inputs=("model.json", "tokens", "genes.parquet"),
    outputs=("{layer}/residuals",),
    config=("cells.pool", "sae.positions", "sae.held_out", "model.token_budget", "model.device", "model.dtype", "seed"),
    transient=True,
    kept=lambda config: config.sae.keep_residuals,
)
TRAIN = Stage(
    name="train",
    function=train_layer,
    inputs=("{layer}/residuals",),
    outputs=(
        "{layer}/sae.safetensors", "{layer}/training.parquet", "{layer}/training.jsonl", "{layer}/metrics.parquet",
    ),
    config=(
        "sae.activation", "sae.expansion", "sae.k", "sae.steps", "sae.batch_size", "sae.learning_rate", "seed",
    ),
    per_layer=True,
    version=3,
)
