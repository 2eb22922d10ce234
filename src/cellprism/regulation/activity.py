"""Cells of a screen through the model and the autoencoder of a layer: what is kept of their codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse

from cellprism.sae.files import load
from cellprism.sae.stages import cell_chunks, layer_residuals

if TYPE_CHECKING:
    from cellprism.causal.work import Work
    from cellprism.models.base import CellModel
    from cellprism.regulation.screen import Screen
    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress
    from cellprism.sae.topk import SparseAutoencoder

PARTS = ("total", "own", "by_gene")


@dataclass(frozen=True)
class Activity:
    """Sums of the codes of a screen.

    Attributes
    ----------
    total
        Activation summed over the positions of each cell, sparse ``(cells, F)``.
    own
        Activation at single positions: that of the perturbed gene in its own cells, those of all perturbed genes in
        control cells. Sparse ``(rows, F)``.
    own_cell, own_gene
        Cell and gene of each of these positions.
    by_gene
        Activation summed over the control's positions of each gene, sparse ``(genes, F)``.
    squares
        Squared activation summed over all positions of the control, ``(F,)``.
    lengths
        Positions of each cell.
    """

    total: sparse.csr_matrix
    own: sparse.csr_matrix
    own_cell: np.ndarray
    own_gene: np.ndarray
    by_gene: sparse.csr_matrix
    squares: np.ndarray
    lengths: np.ndarray

    def cell_means(self, cells: np.ndarray, *, without: int = -1) -> sparse.csr_matrix:
        """Mean activation over the positions of cells, ``(cells, F)``, those of the gene ``without`` left out."""
        total, lengths = self.total[cells], self.lengths[cells].astype(np.float64)
        rows = np.flatnonzero(self.own_gene == without) if without >= 0 else np.zeros(0, np.int64)
        place = np.full(len(self.lengths), -1)
        place[cells] = np.arange(len(cells))
        rows = rows[place[self.own_cell[rows]] >= 0]
        if len(rows):
            at = place[self.own_cell[rows]]
            spread = sparse.csr_matrix((np.ones(len(rows)), (at, np.arange(len(rows)))), (len(cells), len(rows)))
            total = total - spread @ self.own[rows]
            np.subtract.at(lengths, at, 1)
            total.data[np.abs(total.data) < 1e-6 * self.total.data.max()] = 0
            total.eliminate_zeros()
        return sparse.csr_matrix(sparse.diags(1 / np.maximum(lengths, 1)) @ total)


def screen_activity(
    run: Run, model: CellModel, screen: Screen, layer: int, *, work: Work, progress: Progress,
) -> Activity:
    """Encode a screen, block by block; a block that ``work`` keeps is not made again."""
    sae = load(run.file("sae.safetensors", layer)).to(model.device)
    blocks = []
    with progress.bar(f"encoding the screen at layer {layer}", len(screen.tokens), "cell") as advance:
        for number, cells in enumerate(cell_chunks(screen.tokens)):
            name = f"block_{number:04d}"
            block = work.get(name)
            if block is None:
                block = _encode(model, sae, screen, cells, layer, run.config.model.token_budget)
                work.put(name, **block)
            blocks.append(block)
            advance(len(cells))
    return _join(blocks, screen, sae.n_features)


def _encode(
    model: CellModel, sae: SparseAutoencoder, screen: Screen, cells: np.ndarray, layer: int, token_budget: int,
) -> dict[str, np.ndarray]:
    """The sums of the cells of one block."""
    tokens = screen.tokens
    first = int(tokens.offsets[cells[0]])
    n = int(tokens.offsets[cells[-1] + 1]) - first
    index, value = np.zeros((n, sae.width), np.int64), np.zeros((n, sae.width), np.float32)
    for positions, _, h in layer_residuals(model, tokens, cells, layers=(layer,), token_budget=token_budget):
        with torch.inference_mode():
            codes = sae.encode(h)
        index[positions - first], value[positions - first] = codes.index.cpu().numpy(), codes.value.cpu().numpy()
    codes_of = sparse.csr_matrix(
        (value.ravel(), index.ravel(), np.arange(0, value.size + 1, sae.width)), (n, sae.n_features),
    )
    codes_of.eliminate_zeros()
    cell, gene = np.repeat(cells, tokens.lengths[cells]), tokens.gene[first : first + n]
    control = screen.arm[cell] == 0
    genes = np.array([screen.own_gene(number) for number in range(len(screen.arms))])
    own = np.flatnonzero(np.where(control, np.isin(gene, genes[genes >= 0]), gene == genes[screen.arm[cell]]))
    kept = {
        "total": _sum_by(cell - cells[0], codes_of, len(cells)),
        "own": codes_of[own],
        "by_gene": _sum_by(gene[control], codes_of[control], len(tokens.genes)),
    }
    arrays = {"own_cell": cell[own], "own_gene": gene[own], "squares": _squares(codes_of[control])}
    for part, matrix in kept.items():
        arrays |= {f"{part}.data": matrix.data, f"{part}.indices": matrix.indices, f"{part}.indptr": matrix.indptr}
    return arrays


def _sum_by(row: np.ndarray, codes: sparse.csr_matrix, n: int) -> sparse.csr_matrix:
    inside = sparse.csr_matrix((np.ones(len(row), np.float32), (row, np.arange(len(row)))), (n, len(row)))
    return sparse.csr_matrix(inside @ codes)


def _squares(codes: sparse.csr_matrix) -> np.ndarray:
    return np.bincount(codes.indices, weights=codes.data.astype(np.float64) ** 2, minlength=codes.shape[1])


def _join(blocks: list[dict[str, np.ndarray]], screen: Screen, n_features: int) -> Activity:
    parts = {
        part: [
            sparse.csr_matrix(
                (block[f"{part}.data"], block[f"{part}.indices"], block[f"{part}.indptr"]),
                (len(block[f"{part}.indptr"]) - 1, n_features),
            ) for block in blocks
        ] for part in PARTS
    }
    return Activity(
        total=sparse.vstack(parts["total"], format="csr"), own=sparse.vstack(parts["own"], format="csr"),
        own_cell=np.concatenate([block["own_cell"] for block in blocks]),
        own_gene=np.concatenate([block["own_gene"] for block in blocks]),
        by_gene=sparse.csr_matrix(sum(parts["by_gene"][1:], parts["by_gene"][0])),
        squares=np.sum([block["squares"] for block in blocks], axis=0), lengths=screen.tokens.lengths,
    )
