"""How much of the residual stream itself is only the gene's or only the cell's, before any dictionary: a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from cellprism.features.variance import adjusted
from cellprism.runs.stage import Stage

if TYPE_CHECKING:
    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress

SAMPLE = 50_000
"""Positions of the residual sample that are used."""
COLUMNS = 128
PERMUTATIONS = 3
_SHARES = 16


def shares(x: np.ndarray, gene: np.ndarray, cell: np.ndarray) -> tuple[float, float, float]:
    """Shares of the total variance of ``x``, ``(positions, d)``, by gene alone, by cell alone, and what is left.

    The same adjusted shares as in `features.variance`, of sums of squares over all dimensions.
    """
    total = centre = 0.0
    between = np.zeros(2)
    groups = [np.unique(of, return_inverse=True) for of in (gene, cell)]
    n = len(x)
    indicators = [
        sparse.csr_matrix((np.ones(n), (place, np.arange(n))), shape=(len(names), n)) for names, place in groups
    ]
    for start in range(0, x.shape[1], COLUMNS):
        part = x[:, start : start + COLUMNS].astype(np.float64)
        total += float((part**2).sum())
        centre += float((part.sum(axis=0) ** 2).sum()) / n
        for i, indicator in enumerate(indicators):
            size = np.asarray(indicator.sum(axis=1))
            between[i] += float(((indicator @ part) ** 2 / size).sum())
    found = [
        float(adjusted(np.array([(between[i] - centre) / max(total - centre, np.finfo(float).tiny)]), n, len(names))[0])
        for i, (names, _) in enumerate(groups)
    ]
    return found[0], found[1], max(1 - sum(found), 0.0)


def residual_shares(run: Run, layer: int | None, progress: Progress) -> dict[str, Any]:
    """Write what gene and cell explain of a layer's residuals, as rates."""
    from cellprism.models.stages import run_tokens
    from cellprism.sae.sample import sample_positions, together

    assert layer is not None
    bits = np.load(run.file("residuals", layer) / "train.npy", mmap_mode="r")
    rows = np.arange(0, len(bits), -(-len(bits) // SAMPLE))
    x = (bits[rows].view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    tokens = run_tokens(run)
    positions = together(sample_positions(run, tokens)["train"])[rows]
    gene, cell = tokens.gene[positions], tokens.cell[positions]
    rng = np.random.default_rng([run.config.seed, layer, _SHARES])
    with progress.bar(f"residuals of layer {layer} by gene and cell", PERMUTATIONS, "permutation") as done:
        observed = shares(x, gene, cell)
        null = []
        for _ in range(PERMUTATIONS):
            null.append(shares(x, rng.permutation(gene), rng.permutation(cell)))
            done(1)
    under = np.array(null)
    run.write("rates", pd.DataFrame([
        {
            "rate": rate, "value": observed[i], "n": len(rows), "unit": "position", "null_mean": under[:, i].mean(),
            "null_q95": np.quantile(under[:, i], 0.95), "n_permutations": PERMUTATIONS, "protocol": "calibrated",
            "null": "genes and cells shuffled among the sampled positions; keeps residuals and the sizes of the groups",
        }
        for i, rate in enumerate(("residual_by_gene", "residual_by_cell", "residual_rest"))
    ]), layer, suffix="_residuals")
    return {"by_gene": observed[0], "by_cell": observed[1]}


RESIDUAL_SHARES = Stage(
    "residual_shares", residual_shares, per_layer=True,
    inputs=("{layer}/residuals", "tokens", "genes.parquet"),
    outputs=("{layer}/rates_residuals.parquet",),
    config=("sae.positions", "sae.held_out", "seed"),
)
