"""The same autoencoder from other seeds: a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cellprism.runs.files import sha256
from cellprism.runs.stage import Stage
from cellprism.sae.files import save
from cellprism.sae.train import train

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress


def seed_files(run: Run, layer: int) -> list[Path]:
    """Autoencoders of the layer from the seeds after the first."""
    return [run.file("seeds", layer) / f"{number:02d}.safetensors" for number in range(1, run.config.sae.seeds)]


def train_seeds(run: Run, layer: int | None, progress: Progress) -> dict[str, Any]:
    """Train the autoencoder of a layer again on the same residuals, from each further seed; write ``seeds/``."""
    assert layer is not None
    config, residuals = run.config, run.file("residuals", layer)
    run.file("seeds", layer).mkdir(exist_ok=True)
    explained = []
    for number, path in enumerate(seed_files(run, layer), start=1):
        if path.exists():
            continue
        train_set, held_out = (_read(residuals / f"{part}.npy") for part in ("train", "held_out"))
        training_set = sha256(residuals / "train.npy")
        checkpoint = path.with_suffix(".checkpoint")
        seed = int(np.random.default_rng([config.seed, layer, number]).integers(2**31))
        with progress.bar(f"seed {number} of layer {layer}", config.sae.steps, "step") as advance:
            trained = train(
                train_set, held_out, config.sae, seed=seed, advance=advance, checkpoint=checkpoint,
                training_set=training_set,
            )
        save(trained.sae, path, {"layer": layer, "seed": seed, "training_set": training_set})
        checkpoint.unlink(missing_ok=True)
        explained.append(float(trained.log["explained"].iloc[-1]))
    return {"explained_variance": explained}


def _read(path: Path) -> torch.Tensor:
    return torch.from_numpy(np.load(path)).view(torch.bfloat16)


SEEDS = Stage(
    name="seeds",
    function=train_seeds,
    inputs=("{layer}/residuals",),
    outputs=("{layer}/seeds",),
    config=(
        "sae.activation", "sae.expansion", "sae.k", "sae.steps", "sae.batch_size", "sae.learning_rate", "sae.seeds",
        "seed",
    ),
    per_layer=True,
)
