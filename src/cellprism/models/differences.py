"""A post-norm transformer block for changes of its input, without a second pass.

Where an edit touches the residual, and effects are read, changes are carried in float32. Everywhere else they only come
back through attention, as sums over many positions: there products are taken in few bits, whose rounding is relative to
the change itself, not to the residual, of which the change is a small part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn.functional import linear, scaled_dot_product_attention

from cellprism.models.coarse import FORMATS, Exact
from cellprism.models.processor import fastest_products

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cellprism.models.coarse import LinearMap

KINDS = frozenset({"geneformer", "scgpt"})
"""Kinds of models that offer the parts of their blocks."""
WIDTH = 256
"""Residuals below this width are too narrow for much gain: what is not a product takes as long as what is."""
SLICE = 1024
"""Positions that go through a product together: memory for larger tensors is asked for anew each time."""


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


class Maps(NamedTuple):
    """Linear maps of a block after its attention, for changes."""

    joined: LinearMap
    up: LinearMap
    down: LinearMap


class ChangingBlock:
    """The weights of a block as changes need them, made once for all cells.

    Parameters
    ----------
    parts
        The block, in float32.
    number_format
        One of `cellprism.models.coarse.FORMATS`, for changes at positions that no edit touches.
    """

    def __init__(self, parts: PostNorm, number_format: str) -> None:
        self.parts = parts
        coarse, (*mixing, joined, up, down) = FORMATS[number_format], [one.weight for one in parts.maps]
        self.mixing = [Exact(weight) for weight in mixing]
        self.coarse_mixing = coarse(torch.cat(mixing))
        self.exact = Maps(Exact(joined), Exact(up), Exact(down))
        self.coarse = Maps(coarse(joined), coarse(up), coarse(down))

    def around(self, h: torch.Tensor) -> ChangedBlock:
        """The block around a clean input ``h (T, d)``, no position of which is padding."""
        return ChangedBlock(self, h)


class ChangedBlock:
    """A block around the clean state of one cell; see `ChangingBlock.around`.

    Attributes
    ----------
    out
        Its clean output, shape ``(T, d)``.
    """

    def __init__(self, block: ChangingBlock, h: torch.Tensor) -> None:
        self._block, parts = block, block.parts
        query, key, value, joined, up, down = parts.maps
        self._mixed = torch.cat([query.of(h), key.of(h), value.of(h)], dim=-1)
        self._attended = self._attention(*self._mixed[None].chunk(3, dim=-1))[0]
        self._sum1 = joined.of(self._attended) + h
        self._middle = parts.norm1(self._sum1)
        self._up = up.of(self._middle)
        self._active = parts.activation(self._up)
        self._sum2 = down.of(self._active) + self._middle
        self.out = parts.norm2(self._sum2)

    def change(
        self, change: torch.Tensor, row: torch.Tensor, place: torch.Tensor, *, at_once: int, first: bool = False,
        last: bool = False,
    ) -> None:
        """Turn changes of the input into those of the output, in place: ``block(h + change) - block(h)``.

        Parameters
        ----------
        change
            Shape ``(B, T, d)``, float32: B edits of the same cell.
        row, place
            Where an edit touches the residual, shape ``(m,)``: a row of ``change``, ascending, and a position in it.
        at_once
            Edits that go through the block together.
        first
            Nothing has changed elsewhere yet.
        last
            Nothing is read elsewhere: changes there are left as they are.
        """
        block, here = self._block, change[row, place]
        mixed = self._mixed[place] + torch.cat([one.of(here) for one in block.mixing], dim=-1)
        attended = torch.empty_like(here)
        for edits, own in _batches(row, len(change), at_once):
            there = change[edits]
            if first:
                inputs = self._mixed.repeat(len(there), 1, 1)
            else:
                inputs = torch.empty(*there.shape[:2], self._mixed.shape[1], device=there.device)
                for at in _slices(there):
                    torch.add(self._mixed[at], block.coarse_mixing.of(there[:, at]), out=inputs[:, at])
            at_edits = row[own] - edits.start, place[own]
            inputs[at_edits] = mixed[own]
            query, key, value = inputs.chunk(3, dim=-1)
            if last:
                attended[own] = self._attention_at(*at_edits, query, key, value)
                continue
            everywhere = self._attention(query, key, value)
            attended[own] = everywhere[at_edits]
            for at in _slices(there):
                there[:, at] = self._after_attention(block.coarse, there[:, at], everywhere[:, at], at)
        change[row, place] = self._after_attention(block.exact, here, attended, place)

    def _after_attention(
        self, maps: Maps, here: torch.Tensor, attended: torch.Tensor, at: slice | torch.Tensor,
    ) -> torch.Tensor:
        """The rest of the block, where the changes are ``here``, at positions ``at`` of the clean state."""
        parts = self._block.parts
        here = here + maps.joined.of(attended - self._attended[at])
        here = parts.norm1(here.add_(self._sum1[at])).sub_(self._middle[at])
        active = parts.activation(maps.up.of(here).add_(self._up[at])).sub_(self._active[at])
        here = here.add_(maps.down.of(active))
        return parts.norm2(here.add_(self._sum2[at])).sub_(self.out[at])

    def _attention(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        q, k, v = (x.unflatten(-1, (self._block.parts.n_heads, -1)).transpose(1, 2) for x in (query, key, value))
        return scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2)

    def _attention_at(
        self, row: torch.Tensor, place: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    ) -> torch.Tensor:
        """Attention of some positions of each row, ``(m, d)``."""
        return torch.cat([
            self._attention(query[None, edit, place[row == edit]], key[None, edit], value[None, edit])[0]
            for edit in range(len(query))
        ])


def changes_format(kind: str, d_model: int, device: torch.device) -> str | None:
    """In which number format changes are carried faster than float32 passes by models of a kind; None: in none."""
    if kind not in KINDS or d_model < WIDTH:
        return None
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else None
    fastest = fastest_products() if device.type == "cpu" else "float32"
    return fastest if fastest in FORMATS else None


def _batches(row: torch.Tensor, n: int, at_once: int) -> Iterator[tuple[slice, slice]]:
    """Edits in batches, and where in the ascending ``row`` the entries of each batch are."""
    starts = list(range(0, n, at_once))
    ends = torch.searchsorted(row, torch.tensor([*starts, n], device=row.device)).tolist()
    for start, low, high in zip(starts, ends[:-1], ends[1:], strict=True):
        yield slice(start, min(n, start + at_once)), slice(low, high)


def _slices(change: torch.Tensor) -> Iterator[slice]:
    """Positions of ``(B, T, d)`` in parts."""
    step = max(1, SLICE // len(change))
    for start in range(0, change.shape[1], step):
        yield slice(start, start + step)
