"""The stage that matches the features of a layer with those of other seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.runs.stage import Stage

if TYPE_CHECKING:
    from scipy import sparse

    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress
    from cellprism.sae.topk import SparseAutoencoder

SAMPLE = 100_000
"""Positions of the residual sample at which firings are compared."""
CHUNK = 8192
_STABILITY = 15


def stability(run: Run, layer: int | None, progress: Progress) -> dict[str, Any]:
    """Write how stable each feature is between seeds, and rates; empty tables for a single seed."""
    from cellprism.features import stability as room
    from cellprism.features.stages import _alive
    from cellprism.models.stages import run_tokens
    from cellprism.runs.schemas import TABLES, empty
    from cellprism.sae.files import load
    from cellprism.sae.sample import sample_positions, together
    from cellprism.sae.seeds import seed_files
    from cellprism.stats.cross_cofiring import permute_within

    assert layer is not None
    others = seed_files(run, layer)
    if not others:
        run.write("stability", empty(TABLES["stability"]), layer)
        run.write("rates", empty(TABLES["rates"]), layer, suffix="_stability")
        return {}
    bits = np.load(run.file("residuals", layer) / "train.npy", mmap_mode="r")
    rows = np.arange(0, len(bits), -(-len(bits) // SAMPLE))
    tokens = run_tokens(run)
    gene = tokens.gene[together(sample_positions(run, tokens)["train"])[rows]]
    rng = np.random.default_rng([run.config.seed, layer, _STABILITY])
    permutations = [permute_within(gene, rng) for _ in range(room.PERMUTATIONS)]
    alive, sae = _alive(run, layer), load(run.file("sae.safetensors", layer))
    matches = []
    with progress.bar(f"stability of layer {layer}", len(others), "seed") as done:
        fires = _fires(sae, bits, rows)[:, alive]
        for path in others:
            other = load(path)
            theirs = _fires(other, bits, rows)
            live = np.flatnonzero(np.asarray(theirs.sum(axis=0)).ravel() > 0)
            atoms = _atoms(sae)[alive], _atoms(other)[live]
            matches.append(room.match_seed(atoms, (fires, theirs[:, live]), permutations))
            done(1)
    table = room.stability_table(alive, matches)
    notes = {"unit": "position", "n": len(rows), "same_atom": room.COSINE, "same_firings": room.JACCARD}
    run.write("stability", table, layer, notes=notes)
    run.write("rates", room.stability_rates(matches, sae.W_dec.shape[1]), layer, suffix="_stability", notes=notes)
    return {"mean_stability": float(table["stability"].mean())}


def _fires(sae: SparseAutoencoder, bits: np.ndarray, rows: np.ndarray) -> sparse.csr_matrix:
    """Which features fire at some rows of the residual sample (bfloat16 bits): 0/1, ``(rows, features)``."""
    import torch
    from scipy import sparse as matrices

    parts = []
    for start in range(0, len(rows), CHUNK):
        x = torch.from_numpy(bits[rows[start : start + CHUNK]]).view(torch.bfloat16)
        with torch.inference_mode():
            codes = sae.encode(x)
        n, width = codes.index.shape
        indptr = np.arange(0, n * width + 1, width)
        fired = (codes.value > 0).numpy().ravel().astype(np.int32)
        part = matrices.csr_matrix((fired, codes.index.numpy().ravel(), indptr), shape=(n, sae.n_features))
        part.eliminate_zeros()
        parts.append(part)
    return matrices.vstack(parts).tocsr()


def _atoms(sae: SparseAutoencoder) -> np.ndarray:
    return np.asarray(sae.W_dec.detach().numpy())


STABILITY = Stage(
    "stability", stability, per_layer=True,
    inputs=("{layer}/residuals", "{layer}/sae.safetensors", "{layer}/seeds", "{layer}/features.parquet", "tokens"),
    outputs=("{layer}/stability.parquet", "{layer}/rates_stability.parquet"),
    config=("sae.seeds", "sae.positions", "sae.held_out", "seed"),
)
