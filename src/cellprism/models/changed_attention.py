"""What an edit of a cell does to attention, from what it does to queries, keys and values."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

import torch

from cellprism.models.low_rank import pieces

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cellprism.models.low_rank import LowRank

SMALL = 0.05
"""Weights follow changes of scores below it in proportion, to a fortieth of the change."""
LARGEST = 60.0
"""A weight grows by no more than ``exp`` of this, which leaves next to nothing of the others."""
LEAST = 1e-3
"""At least such a share of a position's attention stays, or what is left would be noise."""
COLUMNS = 1024
"""Coefficients that weights multiply together: enough for full speed."""


class Edited(NamedTuple):
    """Changes of queries, keys and values, ``(m, 3 d)``, at the places ``(m,)`` of a cell that one edit touches."""

    change: torch.Tensor
    place: torch.Tensor


class CellAttention:
    """Attention around the clean queries, keys and values of a cell.

    An edit changes them at the places that it touches (`Edited`), and all others by what is of low rank, and 0 at
    those places; None before anything else has changed.

    Parameters
    ----------
    mixed
        Clean queries, keys and values, side by side: ``(T, 3 d)``, float32.
    n_heads
        Heads of attention.
    dtype
        Number format of weights and products at places that no edit touches.

    Attributes
    ----------
    out
        The clean result, ``(T, d)``.
    """

    def __init__(self, mixed: torch.Tensor, n_heads: int, dtype: torch.dtype) -> None:
        self._n_heads, t = n_heads, len(mixed)
        self._scale = (mixed.shape[1] // (3 * n_heads)) ** -0.5
        self._query, self._key, self._value = self._parts(mixed)
        self._key -= self._key.mean(dim=1, keepdim=True)  # which attention does not notice, and sums do
        self._log_sum, self._out = mixed.new_empty(n_heads, t, 1), torch.empty_like(self._value)
        self._weights = mixed.new_empty(n_heads, t, t, dtype=dtype)
        for heads, at in self._pieces(t, t):
            scores = self._query[heads, at] @ self._key[heads].mT
            self._log_sum[heads, at] = scores.logsumexp(dim=-1, keepdim=True)
            weights = scores.sub_(self._log_sum[heads, at]).exp_()
            self._weights[heads, at] = weights
            self._out[heads, at] = weights @ self._value[heads]
        self.out = _flat(self._out)
        self._coarse_key, self._coarse_value = self._key.to(dtype), self._value.to(dtype)
        self._room = self._weights.new_empty(max(self._weights[piece].numel() for piece in self._pieces(t, t)))

    def change_at(self, edited: Edited, moved: LowRank | None) -> torch.Tensor:
        """Of the result at the places that an edit touches, ``(m, d)``, in float32 throughout."""
        query, key, value = self._new(edited)
        found = torch.empty_like(query)
        if moved is not None:
            coefficients = moved.coefficients[0].float()
            _, to_key, to_value = self._parts(moved.directions[0].float())
        for heads, at in self._pieces(len(edited.place), len(self.out)):
            scores = query[heads, at] @ self._key[heads].mT
            if moved is not None:
                scores += (query[heads, at] @ to_key[heads].mT) @ coefficients.T
            scores[..., edited.place] = query[heads, at] @ key[heads].mT
            weights = scores.softmax(dim=-1)
            out = weights[..., edited.place] @ value[heads]
            weights[..., edited.place] = 0
            out += weights @ self._value[heads]
            if moved is not None:
                out += (weights @ coefficients) @ to_value[heads]
            found[heads, at] = out
        return _flat(found) - self.out[edited.place]

    def changes_elsewhere(self, edited: Sequence[Edited], moved: LowRank | None) -> Iterator[torch.Tensor]:
        """Of the result of each edit where it touches nothing: ``(T, d)``, 0 where it does.

        With weights ``w`` before and ``w + e`` after, ``e = w (exp(change of the score) - 1)``, the result changes by
        ``sum (w + e) value' - w value - e out`` over ``1 + sum e``.
        """
        yield from map(self._change_elsewhere, edited, repeat(None) if moved is None else self._drifts(edited, moved))

    def _change_elsewhere(self, edited: Edited, drift: _Drift | None) -> torch.Tensor:
        place, m = edited.place, len(edited.place)
        _, key, value = self._new(edited)
        keys, values = torch.cat([key, self._key[:, place]], dim=1), torch.cat([value, self._value[:, place]], dim=1)
        change, mass = torch.empty_like(self._out), torch.empty_like(self._log_sum)
        for heads, at in self._pieces(len(self.out), 2 * m):
            scores = self._query[heads, at] @ keys[heads].mT
            if drift is not None:
                scores[..., :m] += drift.coefficients[at].float() @ (drift.to_query[heads].float() @ key[heads].mT)
            gained = scores.sub_(self._log_sum[heads, at]).clamp_max_(LARGEST).exp_()
            gained[..., m:].neg_()
            mass[heads, at], change[heads, at] = gained.sum(dim=-1, keepdim=True), gained @ values[heads]
        if drift is not None:
            self._attend_anew(drift, change, mass)
        change.sub_(self._out * mass).div_(mass.add_(1).clamp_min_(LEAST))
        found = _flat(change).to(self._weights.dtype)
        found[place] = 0
        return found

    def _attend_anew(self, drift: _Drift, change: torch.Tensor, mass: torch.Tensor) -> None:
        """Add what places that no edit touches get from each other, in place."""
        change += drift.attended @ drift.to_value
        query = self._query + (drift.coefficients @ drift.to_query).float()
        own = drift.coefficients.expand(self._n_heads, -1, -1)
        left = torch.cat([query.to(own.dtype) @ drift.to_key.mT, own], dim=-1)
        largest = left.norm(dim=-1) * drift.right.norm(dim=-1).amax(dim=-1, keepdim=True)
        for heads, at in self._pieces(*self._weights.shape[1:]):
            weights = self._weights[heads, at]
            # memory that is asked for anew takes as long as the product
            rise = self._room[: weights.numel()].view_as(weights)
            torch.bmm(left[heads, at], drift.right[heads].mT, out=rise)
            if largest[heads, at].amax() > SMALL:
                rise.clamp_max_(LARGEST).expm1_()
            rise.mul_(weights)
            mass[heads, at] += rise.sum(dim=-1, keepdim=True)
            change[heads, at] += rise @ drift.value[heads]

    def _drifts(self, edited: Sequence[Edited], moved: LowRank) -> Iterator[_Drift]:
        """Those of every edit; weights multiply the coefficients of many together."""
        many = max(1, COLUMNS // moved.directions.shape[1])
        for start, some in zip(range(0, len(moved), many), moved.split(many), strict=True):
            attended = self._weights.flatten(0, 1) @ some.coefficients.transpose(0, 1).flatten(1)
            of_edit = attended.view(*self._weights.shape[:2], len(some), -1).unbind(2)
            yield from map(self._drift, edited[start : start + many], some.split(1), of_edit)

    def _drift(self, edited: Edited, moved: LowRank, attended: torch.Tensor) -> _Drift:
        coefficients = moved.coefficients.expand(self._n_heads, -1, -1)
        to_query, to_key, to_value = self._parts(moved.directions[0])
        right = torch.cat([coefficients, self._coarse_key @ to_query.mT], dim=-1)
        right[:, edited.place] = 0
        value = torch.baddbmm(self._coarse_value, coefficients, to_value)
        return _Drift(moved.coefficients[0], to_query, to_key, to_value, right, value, attended)

    def _new(self, edited: Edited) -> tuple[torch.Tensor, ...]:
        """Queries, keys and values at the places that an edit touches."""
        clean = (self._query, self._key, self._value)
        return tuple(x[:, edited.place] + y for x, y in zip(clean, self._parts(edited.change), strict=True))

    def _parts(self, mixed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Scaled queries, keys and values ``(n, 3 d)`` by head, each ``(heads, n, d / heads)``."""
        query, key, value = (
            one.unflatten(-1, (self._n_heads, -1)).transpose(0, 1).contiguous() for one in mixed.chunk(3, dim=-1)
        )
        return self._scale * query, key, value

    def _pieces(self, n: int, size: int) -> Iterator[tuple[slice, slice]]:
        """Heads, and ``n`` queries with ``size`` scores each, that are worked on at a time."""
        device = self._query.device
        return ((heads, at) for heads in pieces(self._n_heads, n * size, device) for at in pieces(n, size, device))


class _Drift(NamedTuple):
    """Changes of low rank of one edit, by head.

    ``right (heads, T, 2 r)`` with a query's own ``(.., 2 r)`` gives changes of scores, ``value`` are the new values,
    ``attended (heads, T, r)`` the clean weights times the ``coefficients (T, r)``.
    """

    coefficients: torch.Tensor
    to_query: torch.Tensor
    to_key: torch.Tensor
    to_value: torch.Tensor
    right: torch.Tensor
    value: torch.Tensor
    attended: torch.Tensor


def _flat(x: torch.Tensor) -> torch.Tensor:
    """``(heads, n, d / heads)`` as ``(n, d)``."""
    return x.transpose(0, 1).flatten(-2)
