"""A foundation model as a list of blocks that can be run from any layer."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cellprism.errors import UserError
from cellprism.models.processor import multiplies_bfloat16

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cellprism.cells.expression import Expression
    from cellprism.cells.tokenised import TokenLists
    from cellprism.cells.tokens import TokenizedCells
    from cellprism.models.differences import PostNorm


BUSY = {"cpu": 512}
"""Tokens of a batch above which products are no faster for being larger, by device; elsewhere `BUSY_ELSEWHERE`."""
BUSY_ELSEWHERE = 4096
SIMILAR = 0.95
"""Cells shorter than this share of a batch's longest wait for the next batch."""


@dataclass(frozen=True)
class Batch:
    """Padded cells.

    Attributes
    ----------
    tokens
        Shape ``(B, T)``, int64, special and padding tokens included.
    mask
        Shape ``(B, T)``, bool: true where a token is not padding.
    gene
        Shape ``(B, T)``, bool: true at gene positions, in each row in the order of the tokenised cell.
    cells
        Cell of each row, shape ``(B,)``.
    padded
        Whether any row is padded.
    values
        Shape ``(B, T)``, float32: value of every token, for models that read values.
    """

    tokens: torch.Tensor
    mask: torch.Tensor
    gene: torch.Tensor
    cells: np.ndarray
    padded: bool
    values: torch.Tensor | None = None


class CellModel(ABC):
    """What cellprism needs of a model. There are no hooks: whoever wants a residual runs the blocks."""

    n_layers: int
    d_model: int
    max_length: int
    vocabulary: dict[str, int]
    device: torch.device
    mask_value: float | None = None
    """What stands for a hidden value, in models that were trained to predict values rather than genes."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Facts for the manifest: kind, name, sizes, dictionary."""

    @abstractmethod
    def tokenize(self, expression: Expression, *, min_share_mapped: float = 0.0) -> TokenizedCells:
        """Turn counts into what the model was trained to read."""

    def adopt(self, cells: TokenLists) -> TokenizedCells:
        """Check cells that come as tokens; a model that can take such cells overrides it."""
        msg = f"{cells.source}: models of the kind {self.describe()['kind']!r} want counts: give an .h5ad file."
        raise UserError(msg)

    @abstractmethod
    def pad(self, tokens: TokenizedCells, cells: np.ndarray) -> Batch:
        """One batch of the given cells."""

    @abstractmethod
    def embed(self, batch: Batch) -> torch.Tensor:
        """Input of block 0, shape ``(B, T, d_model)``."""

    @abstractmethod
    def block(self, layer: int, h: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Output of block ``layer`` given its input ``h``; both ``(B, T, d_model)``."""

    def block_at(self, layer: int, h: torch.Tensor, batch: Batch, places: torch.Tensor) -> torch.Tensor:
        """Output of block ``layer`` at ``places (B, P)`` alone, ``(B, P, d_model)``; a model may spare the others."""
        return gather(self.block(layer, h, batch), places)

    @abstractmethod
    def readout(self, h: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Predictions from the output of the last block: gene logits ``(B, T, vocabulary)``, or expression."""

    def mean_logits(self, h: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Mean of the gene logits over each row's gene positions, ``(B, vocabulary)``; a linear end may follow it."""
        rows = [self.readout(own[gene], batch).float().mean(dim=0) for own, gene in zip(h, batch.gene, strict=True)]
        return torch.stack(rows)

    def gene_embedding(self, batch: Batch) -> torch.Tensor:
        """What is known of each gene before the cell is seen, ``(B, T, d_model)``; optional, wanted by a control."""
        raise NotImplementedError

    def block_module(self, layer: int) -> torch.nn.Module:
        """The module with the weights of block ``layer``; optional, wanted by a control that shuffles them."""
        raise NotImplementedError

    def parts(self, layer: int) -> PostNorm:
        """The weights of block ``layer``; optional, wanted by traces that multiply changes alone."""
        raise NotImplementedError

    def batches(self, tokens: TokenizedCells, cells: np.ndarray, *, token_budget: int) -> Iterator[Batch]:
        """Batches of the given cells, similar lengths together, at most ``token_budget`` padded tokens each.

        A batch that is large enough to keep the machine busy does not take in cells that it would have to pad much.
        """
        order = cells[np.argsort(tokens.lengths[cells], kind="stable")[::-1]]
        widths = tokens.lengths[order] + 2
        busy = BUSY.get(self.device.type, BUSY_ELSEWHERE)
        start = 0
        while start < len(order):
            width = int(widths[start])
            similar = int(np.count_nonzero(widths[start:] >= SIMILAR * width))
            rows = min(max(1, token_budget // width), max(similar, math.ceil(busy / width)))
            yield self.pad(tokens, order[start : start + rows])
            start += rows

    def residuals(self, batch: Batch) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield ``(layer, h)`` after every block in order, without gradients; ``h`` is ``(B, T, d_model)``."""
        with torch.inference_mode():
            h = self.embed(batch)
        for layer in range(self.n_layers):
            with torch.inference_mode():
                h = self.block(layer, h, batch)
            yield layer, h


def gather(h: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Positions ``places (B, P)`` of ``h (B, T, d)``, shape ``(B, P, d)``."""
    return h.gather(1, places[:, :, None].expand(-1, -1, h.shape[-1]))


def gene_mean(h: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Mean of ``h (B, T, d)`` over each row's gene positions, ``(B, d)``."""
    weight = batch.gene / batch.gene.sum(dim=1, keepdim=True)
    return torch.einsum("btd,bt->bd", h, weight.to(h.dtype))


def pick_device(name: str) -> torch.device:
    """``auto`` is CUDA, then MPS, then CPU.

    Raises
    ------
    UserError
        The device is not there, or PyTorch was built without it.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device, found in there.items() if found)
    if not there[name]:
        msg = f"PyTorch {torch.__version__} finds no {name} device here: set `model.device` to auto or cpu."
        raise UserError(msg)
    return torch.device(name)


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """``auto`` is bfloat16 where it is faster (CUDA, a CPU with AMX or AVX-512 BF16), else float32."""
    if name != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[name]
    faster = {"cuda": torch.cuda.is_bf16_supported, "cpu": multiplies_bfloat16}.get(device.type, lambda: False)
    return torch.bfloat16 if faster() else torch.float32
