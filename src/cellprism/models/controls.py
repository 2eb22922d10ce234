"""Models that know less: what a dictionary finds in them is not the trained model's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from cellprism.errors import UserError
from cellprism.models.base import CellModel

if TYPE_CHECKING:
    import numpy as np

    from cellprism.cells.expression import Expression
    from cellprism.cells.tokenised import TokenLists
    from cellprism.cells.tokens import TokenizedCells
    from cellprism.models.base import Batch


def as_control(model: CellModel, control: str | None, *, seed: int) -> CellModel:
    """The model itself, or what is left of it: ``random_weights`` or ``static_embedding``.

    Raises
    ------
    UserError
        The model does not offer what the control needs.
    """
    if control is None:
        return model
    check_offers(model, control)
    if control == "static_embedding":
        return StaticEmbedding(model)
    shuffle_blocks(model, seed=seed)
    return model


def check_offers(model: CellModel, control: str) -> None:
    """Raise a `UserError` unless the model has what ``control`` needs."""
    method = {"random_weights": "block_module", "static_embedding": "gene_embedding"}[control]
    if getattr(type(model), method) is getattr(CellModel, method):
        msg = (
            f"models of the kind {model.describe()['kind']!r} do not offer the control {control} (their reader has no "
            f"`{method}`): leave it out of `controls`."
        )
        raise UserError(msg)


def shuffle_blocks(model: CellModel, *, seed: int) -> None:
    """Shuffle the entries of every parameter of every block, in place; the input embeddings stay.

    Each tensor keeps the values it has and so the scale at which blocks write into the residual stream, which a fresh
    initialisation would not; what training put where is gone.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in range(model.n_layers):
            for weights in model.block_module(layer).parameters():
                order = torch.randperm(weights.numel(), generator=generator).to(weights.device)
                weights.copy_(weights.flatten()[order].view_as(weights))


class StaticEmbedding(CellModel):
    """One layer, whose output at a position is the embedding of its gene and nothing else."""

    def __init__(self, model: CellModel) -> None:
        self.model = model
        self.n_layers = 1
        self.d_model = model.d_model
        self.max_length = model.max_length
        self.vocabulary = model.vocabulary
        self.device = model.device

    def describe(self) -> dict[str, Any]:
        return {**self.model.describe(), "n_layers": self.n_layers}

    def tokenize(self, expression: Expression, *, min_share_mapped: float = 0.0) -> TokenizedCells:
        return self.model.tokenize(expression, min_share_mapped=min_share_mapped)

    def adopt(self, cells: TokenLists) -> TokenizedCells:
        return self.model.adopt(cells)

    def pad(self, tokens: TokenizedCells, cells: np.ndarray) -> Batch:
        return self.model.pad(tokens, cells)

    def embed(self, batch: Batch) -> torch.Tensor:
        return self.model.gene_embedding(batch)

    def block(self, layer: int, h: torch.Tensor, batch: Batch) -> torch.Tensor:
        return h

    def readout(self, h: torch.Tensor, batch: Batch) -> torch.Tensor:
        msg = "a control of static embeddings predicts nothing: ask the model itself."
        raise UserError(msg)
