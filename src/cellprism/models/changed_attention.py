"""What an edit of a cell does to attention, from what it does to queries, keys and values."""

from __future__ import annotations

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


class Edited(NamedTuple):
    """New queries, keys and values ``mixed (m, 3 d)`` at the places ``(m,)`` of a cell that one edit touches."""

    mixed: torch.Tensor
    place: torch.Tensor


class CellAttention:
    """Attention around the clean queries, keys and values of a cell.

    An edit replaces them at the places that it touches (`Edited`), and moves all others by changes of low rank, which
    are 0 at those places; None before anything else has changed.

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
        self.mixed, self._n_heads = mixed, n_heads
        self._scale = (mixed.shape[1] // (3 * n_heads)) ** -0.5
        self._query, self._key, self._value = self._parts(mixed)
        self._log_sum, self._weights, self._out = [], [], []
        for at in self._pieces(len(mixed)):
            scores = self._query[:, at] @ self._key.mT
            self._log_sum.append(scores.logsumexp(dim=-1, keepdim=True))
            weights = scores.sub_(self._log_sum[-1]).exp_()
            self._weights.append(weights.to(dtype))
            self._out.append(weights @ self._value)
        self.out = _flat(torch.cat(self._out, dim=1))
        self._coarse_key, self._coarse_value = self._key.to(dtype), self._value.to(dtype)
        self._room = torch.empty_like(self._weights[0]).flatten()

    def change_at(self, edited: Edited, moved: LowRank | None) -> torch.Tensor:
        """Of the result at the places that an edit touches, ``(m, d)``, in float32 throughout."""
        queries, key, value = self._parts(edited.mixed)
        found = []
        if moved is not None:
            coefficients = moved.coefficients[0].float()
            _, to_key, to_value = self._parts(moved.directions[0].float())
        for at in self._pieces(len(edited.place)):
            query = queries[:, at]
            scores = query @ self._key.mT
            if moved is not None:
                scores += (query @ to_key.mT) @ coefficients.T
            scores[:, :, edited.place] = query @ key.mT
            weights = scores.softmax(dim=-1)
            out = weights[:, :, edited.place] @ value
            weights[:, :, edited.place] = 0
            out += weights @ self._value
            if moved is not None:
                out += (weights @ coefficients) @ to_value
            found.append(out)
        return _flat(torch.cat(found, dim=1)) - self.out[edited.place]

    def changes_elsewhere(self, edited: Sequence[Edited], moved: LowRank | None) -> Iterator[torch.Tensor]:
        """Of the result of each edit where it touches nothing: ``(T, d)``, without meaning where it does.

        With weights ``w`` before and ``w + e`` after, ``e = w (exp(change of the score) - 1)``, the result changes by
        ``sum (w + e) value' - w value - e out`` over ``1 + sum e``: no large values are subtracted.
        """
        if moved is None:
            yield from (self._change_elsewhere(one, None) for one in edited)
            return
        together = moved.coefficients.transpose(0, 1).flatten(1)
        attended = [(w.flatten(0, 1) @ together).view(*w.shape[:2], len(moved), -1) for w in self._weights]
        for i, (one, change) in enumerate(zip(edited, moved.split(1), strict=True)):
            yield self._change_elsewhere(one, self._drift(one, change, [part[:, :, i] for part in attended]))

    def _change_elsewhere(self, edited: Edited, drift: _Drift | None) -> torch.Tensor:
        _, key, value = self._parts(edited.mixed)
        old_key, both_values = self._key[:, edited.place], torch.cat([value, self._value[:, edited.place]], dim=1)
        found = self._coarse_value.new_empty(self.out.shape)
        for i, at in enumerate(self._pieces(len(found))):
            query = self._query[:, at]
            before = query @ old_key.mT
            if drift is not None:
                query = query + (drift.coefficients[:, at] @ drift.to_query).float()
            gained = torch.cat([query @ key.mT, before], dim=-1).sub_(self._log_sum[i]).clamp_max_(LARGEST).exp_()
            gained[..., len(edited.place) :].neg_()
            mass, change = gained.sum(dim=-1, keepdim=True), gained @ both_values
            if drift is not None:
                rise = self._rise(i, at, query, drift)
                mass += rise.sum(dim=-1, keepdim=True)
                change += rise @ drift.value
                change += drift.attended[i] @ drift.to_value
            found[at] = _flat(change.sub_(self._out[i] * mass).div_(mass.add_(1)))
        return found

    def _rise(self, i: int, at: slice, query: torch.Tensor, drift: _Drift) -> torch.Tensor:
        """``e`` of changed queries at all places that no edit touches."""
        weights = self._weights[i]
        left = torch.cat([query.to(weights.dtype) @ drift.to_key.mT, drift.coefficients[:, at]], dim=-1)
        # memory that is asked for anew takes as long as the product
        rise = torch.bmm(left, drift.right.mT, out=self._room[: weights.numel()].view_as(weights))
        if left.norm(dim=-1).amax() * drift.reach > SMALL:
            rise.clamp_max_(LARGEST).expm1_()
        return rise.mul_(weights)

    def _drift(self, edited: Edited, moved: LowRank, attended: list[torch.Tensor]) -> _Drift:
        coefficients = moved.coefficients.expand(self._n_heads, -1, -1)
        to_query, to_key, to_value = self._parts(moved.directions[0])
        right = torch.cat([coefficients, self._coarse_key @ to_query.mT], dim=-1)
        right[:, edited.place] = 0
        value = torch.baddbmm(self._coarse_value, coefficients, to_value)
        return _Drift(coefficients, to_query, to_key, to_value, right, right.norm(dim=-1).amax(), value, attended)

    def _parts(self, mixed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Scaled queries, keys and values ``(n, 3 d)`` by head, each ``(heads, n, d / heads)``."""
        query, key, value = (
            one.unflatten(-1, (self._n_heads, -1)).transpose(0, 1).contiguous() for one in mixed.chunk(3, dim=-1)
        )
        return self._scale * query, key, value

    def _pieces(self, n: int) -> Iterator[slice]:
        """Queries whose scores are held at a time."""
        return pieces(n, self._n_heads * len(self.mixed), self.mixed.device)


class _Drift(NamedTuple):
    """Changes of low rank of one edit, by head.

    ``right (heads, T, 2 r)`` with a query's own ``(.., 2 r)`` gives changes of scores, ``reach`` is its longest row,
    ``value`` are the new values, ``attended`` the clean weights times the coefficients, in pieces.
    """

    coefficients: torch.Tensor
    to_query: torch.Tensor
    to_key: torch.Tensor
    to_value: torch.Tensor
    right: torch.Tensor
    reach: torch.Tensor
    value: torch.Tensor
    attended: list[torch.Tensor]


def _flat(x: torch.Tensor) -> torch.Tensor:
    """``(heads, n, d / heads)`` as ``(n, d)``."""
    return x.transpose(0, 1).flatten(-2)
