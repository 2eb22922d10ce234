"""A post-norm transformer block for changes of its input: only changes go through bfloat16 products.

Their rounding is relative to the change itself, not to the residual, of which the change is a small part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn.functional import linear, scaled_dot_product_attention

from cellprism.models.processor import multiplies_bfloat16

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = frozenset({"geneformer", "scgpt"})
"""Kinds of models that offer the parts of their blocks."""
WIDTH = 512
"""Residuals below this width are too narrow for a gain: what is not a product takes as long as what is."""
SLICE = 1024
"""Positions that go through the feed-forward part together: memory for larger tensors is asked for anew each time."""


class Affine(NamedTuple):
    """A linear map: ``weight (out, in)`` and ``bias (out,)``."""

    weight: torch.Tensor
    bias: torch.Tensor

    def of(self, x: torch.Tensor) -> torch.Tensor:
        """The map, in the format of its weights."""
        return linear(x, self.weight, self.bias)


@dataclass(frozen=True)
class PostNorm:
    """A block ``x = norm1(h + joined(attention(h)))``, ``norm2(x + down(activation(up(x))))``.

    ``maps`` are the linear ones: query, key, value, joined, up, down.
    """

    maps: tuple[Affine, ...]
    norm1: Callable[[torch.Tensor], torch.Tensor]
    norm2: Callable[[torch.Tensor], torch.Tensor]
    activation: Callable[[torch.Tensor], torch.Tensor]
    n_heads: int


class ChangedBlock:
    """A block around the clean state of one cell.

    Parameters
    ----------
    parts
        The block, in float32.
    h
        Its clean input, shape ``(T, d)``, no position of which is padding.

    Attributes
    ----------
    out
        Its clean output, shape ``(T, d)``.
    """

    def __init__(self, parts: PostNorm, h: torch.Tensor) -> None:
        self._parts = parts
        query, key, value, joined, up, down = parts.maps
        self._query, self._key, self._value = query.of(h), key.of(h), value.of(h)
        self._attended = self._attention(self._query[None], self._key[None], self._value[None])[0]
        self._sum1 = joined.of(self._attended) + h
        self._middle = parts.norm1(self._sum1)
        self._up = up.of(self._middle)
        self._active = parts.activation(self._up)
        self._sum2 = down.of(self._active) + self._middle
        self.out = parts.norm2(self._sum2)
        self._coarse = [one.weight.to(torch.bfloat16) for one in parts.maps]

    def change(self, change: torch.Tensor, places: torch.Tensor | None = None) -> torch.Tensor:
        """What a change of the input changes in the output: ``block(h + change) - block(h)``.

        Linear maps take the change alone, in bfloat16; attention, norms and activation are differences in float32.

        Parameters
        ----------
        change
            Shape ``(B, T, d)``, float32: rows of the same cell.
        places
            Positions that are read in each row, shape ``(B, P)``; default: all.

        Returns
        -------
        Shape ``(B, P, d)`` or ``(B, T, d)``.
        """

        query, key, value, *_ = self._coarse
        here, coarse = change, change.to(torch.bfloat16)
        own, clean = coarse, self._query
        if places is not None:
            here = change.gather(1, places[:, :, None].expand(-1, -1, change.shape[-1]))
            own, clean = here.to(torch.bfloat16), self._query[places]
        attended = self._attention(
            clean + linear(own, query), self._key + linear(coarse, key), self._value + linear(coarse, value),
        )
        step = max(1, SLICE // len(change))
        return torch.cat([
            self._after_attention(
                here[:, start : start + step], attended[:, start : start + step],
                slice(start, start + step) if places is None else places[:, start : start + step],
            ) for start in range(0, here.shape[1], step)
        ], dim=1)

    def _after_attention(
        self, here: torch.Tensor, attended: torch.Tensor, at: slice | torch.Tensor,
    ) -> torch.Tensor:
        """The rest of the block, where the changes are ``here``, at positions ``at`` of the clean state."""
        *_, joined, up, down = self._coarse
        here = here + linear((attended - self._attended[at]).to(torch.bfloat16), joined)
        here = self._parts.norm1(self._sum1[at] + here) - self._middle[at]
        pushed = self._up[at] + linear(here.to(torch.bfloat16), up)
        active = (self._parts.activation(pushed) - self._active[at]).to(torch.bfloat16)
        here = here + linear(active, down)
        return self._parts.norm2(self._sum2[at] + here) - self.out[at]

    def _attention(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        q, k, v = (x.unflatten(-1, (self._parts.n_heads, -1)).transpose(1, 2) for x in (query, key, value))
        return scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2)


def changes_pay(kind: str, d_model: int, device: torch.device) -> bool:
    """Whether models of a kind offer `ChangedBlock` and it is faster than float32 for several edits of a cell."""
    faster = {"cuda": torch.cuda.is_bf16_supported, "cpu": multiplies_bfloat16}.get(device.type, lambda: False)
    return kind in KINDS and d_model >= WIDTH and faster()
