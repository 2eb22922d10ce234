"""A post-norm transformer block for changes of its input, without a second pass.

Where an edit touches the residual, and effects are read, changes are carried in float32. Everywhere else they only come
back through attention, as sums over many positions, and lie near few directions: those are what the weights multiply.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, repeat
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn.functional import linear

from cellprism.models.changed_attention import CellAttention, Edited
from cellprism.models.low_rank import FORMATS, LowRank, LowRankMap, low_rank, pieces
from cellprism.models.processor import multiplies_bfloat16

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

KINDS = frozenset({"geneformer", "scgpt"})
"""Kinds of models that offer the parts of their blocks."""
WIDTH = 512
"""Residuals below this width are too narrow for much gain: what is not a product with weights takes as long."""

CUT_OFF = 0.3
"""Share of the squared change of what is active that may be left out: what units cut off at single places is noise."""
LEFT_OUT = 0.03
"""Share of any other squared change of a cell that may be left out."""


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


class ChangingBlock:
    """The weights of a block as changes need them, made once for all cells.

    Parameters
    ----------
    parts
        The block, in float32.
    number_format
        One of `cellprism.models.low_rank.FORMATS`, of products for changes at positions that no edit touches.
    """

    def __init__(self, parts: PostNorm, number_format: str) -> None:
        self.parts, self.dtype = parts, FORMATS[number_format]
        *mixing, joined, up, down = [one.weight for one in parts.maps]
        self.mixing, self.joined, self.up, self.down = (
            LowRankMap(weight, self.dtype) for weight in (torch.cat(mixing), joined, up, down)
        )

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
        *mixing, joined, up, down = parts.maps
        self._attention = CellAttention(torch.cat([one.of(h) for one in mixing], dim=-1), parts.n_heads, block.dtype)
        self._sum1 = joined.of(self._attention.out) + h
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
            Edits that are worked on together, but for the products with weights, which all share.
        first
            Nothing has changed elsewhere yet.
        last
            Nothing is read elsewhere: changes there are left as they are.
        """
        here = change[row, place]
        change[row, place] = 0
        *mixing, _, _, _ = self._block.parts.maps
        mixed = torch.cat([linear(here, one.weight) for one in mixing], dim=-1)
        of_edit = torch.bincount(row, minlength=len(change)).tolist()
        edited = list(map(Edited, mixed.split(of_edit), place.split(of_edit)))
        moved = None if first else self._block.mixing.of(self._low_rank(change.split(at_once), LEFT_OUT))
        shifts = repeat(None) if moved is None else moved.split(1)
        attended = torch.cat(list(map(self._attention.change_at, edited, shifts)))
        if not last:
            self._elsewhere(change.split(at_once), self._attention.changes_elsewhere(edited, moved))
        change[row, place] = self._after_attention(here, attended, place)

    def _elsewhere(self, groups: Sequence[torch.Tensor], attended: Iterator[torch.Tensor]) -> None:
        """The rest of the block where no edit touches the residual, in place, for changes of low rank."""
        block, at_once = self._block, len(groups[0])
        taken = (torch.stack(list(islice(attended, len(group)))) for group in groups)
        found = block.joined.of(self._low_rank(taken, LEFT_OUT))
        for group, part in zip(groups, found.split(at_once), strict=True):
            _normed(group, part, block.parts.norm1, self._sum1, self._middle)
        found = block.up.of(self._low_rank(groups, LEFT_OUT))
        found = block.down.of(self._low_rank(map(self._activated, found.split(at_once)), CUT_OFF))
        for group, part in zip(groups, found.split(at_once), strict=True):
            _normed(group, part, block.parts.norm2, self._sum2, self.out)

    def _low_rank(self, groups: Iterable[torch.Tensor], left_out: float) -> LowRank:
        return LowRank.joined(low_rank(group.to(self._block.dtype), left_out) for group in groups)

    def _activated(self, up: LowRank) -> torch.Tensor:
        """Changes of what is active, ``(B, T, up)``."""
        found = torch.empty((len(up), *self._up.shape), dtype=self._block.dtype, device=self._up.device)
        for at in pieces(found.shape[1], len(up) * found.shape[2], found.device):
            active = self._block.parts.activation(up.dense(at).add_(self._up[at]))
            found[:, at] = active.sub_(self._active[at])
        return found

    def _after_attention(self, here: torch.Tensor, attended: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """The rest of the block at the places that edits touch, in float32."""
        parts = self._block.parts
        *_, joined, up, down = (one.weight for one in parts.maps)
        here = here + linear(attended, joined)
        here = parts.norm1(here.add_(self._sum1[place])).sub_(self._middle[place])
        active = parts.activation(linear(here, up).add_(self._up[place])).sub_(self._active[place])
        here = here.add_(linear(active, down))
        return parts.norm2(here.add_(self._sum2[place])).sub_(self.out[place])


def changes_format(kind: str, d_model: int, device: torch.device) -> str | None:
    """In which number format changes are carried faster than float32 passes by models of a kind; None: in none."""
    if kind not in KINDS or d_model < WIDTH:
        return None
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if device.type != "cpu":
        return None
    return "bfloat16" if multiplies_bfloat16() else "float32"


def _normed(
    change: torch.Tensor, added: LowRank, norm: Callable[[torch.Tensor], torch.Tensor], before: torch.Tensor,
    after: torch.Tensor,
) -> None:
    """``norm(before + change + added) - after``, in place, where ``after = norm(before)``."""
    for at in pieces(change.shape[1], len(change) * change.shape[2], change.device):
        part = change[:, at]
        part[:] = norm(part.add_(added.dense(at)).add_(before[at])).sub_(after[at])
