"""Ablate features of several layers together: every later layer is encoded as the earlier ablations have left it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import torch

from cellprism.causal.intervention import clean_cell, repeat
from cellprism.causal.rows import ablated, packed
from cellprism.sae.topk import TopKCodes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cellprism.causal.intervention import CleanCell
    from cellprism.cells.tokens import TokenizedCells
    from cellprism.models.base import CellModel
    from cellprism.sae.topk import SparseAutoencoder

Part = tuple[int, int]
"""A feature by layer and number."""


@dataclass(frozen=True)
class JointEffects:
    """What the ablations of one combination do in one cell.

    Attributes
    ----------
    effect
        Mean change of every target feature over the positions where any part of the combination fires in the clean
        cell, shape ``(conditions, target features)``: the same positions for all conditions, so that effects add.
    published
        The same over the positions where any part of the condition's own fires, as the papers have it.
    """

    effect: np.ndarray
    published: np.ndarray


def conditions(n: int) -> list[tuple[int, ...]]:
    """Which parts are ablated, singles first, all of them last: ``(0,), (1,), (0, 1)`` for a pair."""
    return [chosen for size in range(1, n + 1) for chosen in combinations(range(n), size)]


def joint_effects(
    model: CellModel, tokens: TokenizedCells, cell: int, combos: Sequence[tuple[Part, ...]],
    saes: Mapping[int, SparseAutoencoder], *, target: int, rows_at_once: int,
) -> list[JointEffects | None]:
    """Ablate every subset of every combination in one cell and read the target layer.

    An ablation starts at the earliest layer of its condition, in the clean cell; at each later layer with a part the
    stream is encoded anew as it then is, the part is ablated, and the model goes on.

    Parameters
    ----------
    combos
        Combinations of the same number of parts.
    saes
        Autoencoder of every layer that has a part, and of ``target``.
    target
        The layer that is read, beyond all parts.
    rows_at_once
        Conditions that are run together.

    Returns
    -------
    One for each combination; None where a part does not fire in the cell, so that nothing can be learnt of it there.
    """
    layers = sorted({layer for combo in combos for layer, _ in combo})
    with torch.inference_mode():
        clean = clean_cell(model, tokens, cell, layers=[*layers, target])
        codes = {layer: saes[layer].encode(clean.residual[layer][clean.places]) for layer in layers}
        base = saes[target].encode(clean.residual[target][clean.places])
        fires = [_fires(combo, codes) for combo in combos]
        here = [i for i, where in enumerate(fires) if bool(where.any(dim=1).all())]
        rows = [(i, chosen) for i in here for chosen in conditions(len(combos[i]))]
        found: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in combos]
        for start in range(0, len(rows), rows_at_once):
            chunk = rows[start : start + rows_at_once]
            parts = [[combos[i][part] for part in chosen] for i, chosen in chunk]
            read = torch.stack([fires[i].any(dim=0) for i, _ in chunk])
            number, there = packed(read)
            h = _propagated(model, clean, parts, saes, target, clean.places[number])
            for row, (i, chosen) in enumerate(chunk):
                own = fires[i][list(chosen)].any(dim=0)[read[row]]
                changed = saes[target].encode(h[row, there[row]])
                before = TopKCodes(base.index[read[row]], base.value[read[row]])
                found[i].append((
                    _mean_change(changed, before, torch.ones_like(own), saes[target].n_features),
                    _mean_change(changed, before, own, saes[target].n_features),
                ))
    return [
        JointEffects(*(np.stack(part) for part in zip(*of, strict=True))) if of else None for of in found
    ]


def _propagated(
    model: CellModel, clean: CleanCell, parts: Sequence[Sequence[Part]], saes: Mapping[int, SparseAutoencoder],
    target: int, places: torch.Tensor,
) -> torch.Tensor:
    """The target layer's output at ``places (B, P)`` of every row, each with its own parts ablated, ``(B, P, d)``."""
    first = np.array([min(layer for layer, _ in row) for row in parts])
    order = np.argsort(first, kind="stable")
    h = torch.empty(0, *clean.residual[target].shape, dtype=clean.residual[target].dtype, device=places.device)
    for layer in range(int(first.min()), target):
        if len(h):
            h = model.block(layer, h, repeat(clean.batch, len(h)))
        starting = int((first == layer).sum())
        if starting:
            h = torch.cat([h, clean.residual[layer].expand(starting, -1, -1)])
        wanted = [[feature for at, feature in parts[row] if at == layer] for row in order[: len(h)]]
        edited = [row for row, features in enumerate(wanted) if features]
        if edited:
            width = max(len(wanted[row]) for row in edited)
            features = torch.tensor(
                [wanted[row] + [-1] * (width - len(wanted[row])) for row in edited], device=h.device,
            )
            gene = clean.batch.gene.expand(len(edited), -1)
            h[edited] = ablated(saes[layer], h[edited], gene, features)
    back = torch.from_numpy(np.argsort(order)).to(h.device)
    return model.block_at(target, h[back], repeat(clean.batch, len(h)), places)


def _fires(combo: tuple[Part, ...], codes: Mapping[int, TopKCodes]) -> torch.Tensor:
    """Where each part fires, shape ``(parts, n)``."""
    return torch.stack([
        ((codes[layer].index == feature) & (codes[layer].value > 0)).any(dim=1) for layer, feature in combo
    ])


def _mean_change(changed: TopKCodes, base: TopKCodes, where: torch.Tensor, n_features: int) -> np.ndarray:
    """Mean over the positions ``where`` of edited less clean codes, shape ``(features,)``."""
    sums = [
        torch.bincount(codes.index[where].ravel(), weights=codes.value[where].ravel(), minlength=n_features)
        for codes in (changed, base)
    ]
    return ((sums[0] - sums[1]) / where.sum()).float().cpu().numpy()
