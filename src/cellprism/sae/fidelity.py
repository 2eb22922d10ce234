"""Does the model still work on what the autoencoder keeps? Masked-gene losses with reconstructions spliced in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from cellprism.models.stages import run_model, run_tokens
from cellprism.runs.schemas import METRICS, empty
from cellprism.runs.stage import Stage
from cellprism.sae.files import load
from cellprism.sae.metrics import loss_recovered
from cellprism.sae.sample import run_held_out
from cellprism.sae.stages import batch_positions

if TYPE_CHECKING:
    from collections.abc import Callable

    from cellprism.cells.tokens import TokenizedCells
    from cellprism.models.base import Batch, CellModel
    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress
    from cellprism.sae.topk import SparseAutoencoder

MASKED_SHARE = 0.15
MOST_CELLS = 100


@dataclass(frozen=True)
class Losses:
    """Mean cross-entropies (nats) at ``n`` masked genes: of the model itself, and by layer with the residual replaced.

    ``spliced`` has the autoencoder's reconstruction at every gene position of the layer, ``ablated`` the mean residual.
    """

    n: int
    clean: float
    spliced: dict[int, float]
    ablated: dict[int, float]


def masked_losses(
    model: CellModel, tokens: TokenizedCells, cells: np.ndarray, saes: dict[int, SparseAutoencoder], *,
    token_budget: int, rng: np.random.Generator, advance: Callable[[int], None],
) -> Losses:
    """Mask 15 % of the genes of ``cells`` and predict them, clean and with each layer's residual replaced."""
    hidden = torch.from_numpy(rng.random(len(tokens.gene)) < MASKED_SHARE)
    totals: dict[tuple[str, int], float] = {}
    n = 0
    for batch in model.batches(tokens, cells, token_budget=token_budget):
        places = torch.zeros_like(batch.gene)
        places[batch.gene] = hidden[batch_positions(batch, tokens)].to(places.device)
        n += int(places.sum())
        for name, loss in _batch_losses(model, batch, places, saes):
            totals[name] = totals.get(name, 0.0) + loss
        advance(len(batch.cells))
    return Losses(
        n, totals["clean", -1] / n, {layer: totals["spliced", layer] / n for layer in saes},
        {layer: totals["ablated", layer] / n for layer in saes},
    )


def measure_fidelity(run: Run, _layer: int | None, progress: Progress) -> dict[str, Any]:
    """Write ``metrics_fidelity`` of every layer, from held-out cells; empty for a model that has no mask token."""
    model, tokens, config = run_model(run), run_tokens(run), run.config
    if "<mask>" not in model.vocabulary:
        progress.note("the model has no mask token, so that the loss recovered is not measured.")
        for layer in run.layers:
            run.write("metrics", empty(METRICS), layer, suffix="_fidelity")
        return {}
    cells = run_held_out(run)
    rng = np.random.default_rng([config.seed, 4])
    if len(cells) > MOST_CELLS:
        cells = np.sort(rng.choice(cells, MOST_CELLS, replace=False))
    saes = {layer: load(run.file("sae.safetensors", layer)).to(model.device) for layer in run.layers}
    with progress.bar("splicing reconstructions into the model", len(cells), "cell") as advance:
        losses = masked_losses(
            model, tokens, cells, saes, token_budget=config.model.token_budget, rng=rng, advance=advance,
        )
    for layer in run.layers:
        spliced, ablated = losses.spliced[layer], losses.ablated[layer]
        rows = {
            "loss_recovered": loss_recovered(losses.clean, spliced, ablated), "masked_gene_loss": losses.clean,
            "masked_gene_loss_spliced": spliced, "masked_gene_loss_mean_ablated": ablated,
        }
        frame = pd.DataFrame({"metric": list(rows), "value": list(rows.values()), "n": losses.n, "unit": "masked gene"})
        run.write("metrics", frame, layer, suffix="_fidelity", notes={"cells": len(cells), "masked": MASKED_SHARE})
    return {"masked_genes": losses.n}


def _batch_losses(
    model: CellModel, batch: Batch, places: torch.Tensor, saes: dict[int, SparseAutoencoder],
) -> list[tuple[tuple[str, int], float]]:
    """Summed cross-entropies at ``places``, which are masked here; named by what is replaced and in which layer."""
    masked = replace(batch, tokens=batch.tokens.masked_fill(places, model.vocabulary["<mask>"]))
    truth = batch.tokens[places]

    def loss(h: torch.Tensor, start: int) -> float:
        for layer in range(start, model.n_layers):
            h = model.block(layer, h, masked)
        logits = model.readout(h[places], masked).float()
        return float(torch.nn.functional.cross_entropy(logits, truth, reduction="sum"))

    found = []
    with torch.inference_mode():
        for layer, h in model.residuals(masked):
            if layer in saes:
                x = h[batch.gene]
                sae = saes[layer]
                for name, put in (("spliced", sae.decode(sae.encode(x))), ("ablated", sae.centre.expand_as(x))):
                    changed = h.clone()
                    changed[batch.gene] = put.to(h.dtype)
                    found.append(((name, layer), loss(changed, layer + 1)))
        found.append((("clean", -1), loss(h, model.n_layers)))
    return found


FIDELITY = Stage(
    name="fidelity",
    function=measure_fidelity,
    inputs=("model.json", "tokens", "genes.parquet", "{layer}/sae.safetensors"),
    outputs=("{layer}/metrics_fidelity.parquet",),
    config=("sae.held_out", "model.token_budget", "model.device", "model.dtype", "seed"),
)
