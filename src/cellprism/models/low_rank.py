"""Changes that lie near few directions, as those far from an edit do, and linear maps of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import linear, pad

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

RANK = 16
"""Directions that stand for the changes of all positions of a cell, at first."""
WIDEST = 4
"""At most one direction for so many dimensions: with more, products are no longer small."""
FORMATS: dict[str, torch.dtype] = {"bfloat16": torch.bfloat16, "float32": torch.float32}
"""Number formats of the products."""
SHRINK = 1e-12
"""Directions that hold less than this share of the squared size are shrunk rather than blown up to unit length."""
TINY = 1e-200
"""Far below the squared size of any change."""
CACHED = {"cpu": 2**21}
"""Numbers that are worked on at a time, by device: more would leave the cache, or ask for new memory each time."""
CACHED_ELSEWHERE = 2**28


@dataclass(frozen=True)
class LowRank:
    """B matrices: ``coefficients (B, T, r)`` times ``directions (B, r, D)``."""

    coefficients: torch.Tensor
    directions: torch.Tensor

    def __len__(self) -> int:
        return len(self.coefficients)

    def dense(self, at: slice) -> torch.Tensor:
        """Rows ``at`` of each, ``(B, rows, D)``, in float32."""
        return (self.coefficients[:, at] @ self.directions).float()

    def split(self, n: int) -> Iterator[LowRank]:
        """At most ``n`` at a time."""
        return map(LowRank, self.coefficients.split(n), self.directions.split(n))

    @classmethod
    def joined(cls, parts: Iterable[LowRank]) -> LowRank:
        """All of ``parts``, of as many rows, with the most directions that one of them has."""
        every = list(parts)
        rank = max(one.directions.shape[1] for one in every)
        wide = [rank - one.directions.shape[1] for one in every]
        return cls(
            torch.cat([pad(one.coefficients, (0, more)) for one, more in zip(every, wide, strict=True)]),
            torch.cat([pad(one.directions, (0, 0, 0, more)) for one, more in zip(every, wide, strict=True)]),
        )


class LowRankMap:
    """A linear map ``weight (out, in)`` without its bias, in ``dtype``."""

    def __init__(self, weight: torch.Tensor, dtype: torch.dtype) -> None:
        self._weight = weight.detach().to(dtype)

    def of(self, x: LowRank) -> LowRank:
        """The map of every row."""
        return replace(x, directions=linear(x.directions, self._weight))


def low_rank(x: torch.Tensor, left_out: float) -> LowRank:
    """Matrices of low rank near ``x (B, T, D)``, in its format, with directions that are orthonormal, or short.

    A randomised singular value decomposition with one power iteration (Halko, Martinsson and Tropp 2011, algorithm
    4.4), of rank `RANK` or, by doubling, of the first that leaves out at most the share ``left_out`` of each squared
    size, but of no more than D / `WIDEST`. The random numbers are the same for every ``x`` of T rows.
    """
    rank, size, most = RANK, _size(x), min(*x.shape[1:], max(RANK, x.shape[2] // WIDEST))
    while True:
        directions = _orthonormal(_mixing(rank, x.shape[1]).to(x) @ x)
        directions = _orthonormal((x @ directions.mT).mT @ x)
        coefficients = x @ directions.mT
        if rank >= most or bool((_size(coefficients) >= (1 - left_out) * size).all()):
            return LowRank(coefficients, directions)
        rank = min(2 * rank, most)


def _size(x: torch.Tensor) -> torch.Tensor:
    """Squared size of each matrix; row by row, which takes no copy in a wider format."""
    rows: torch.Tensor = torch.linalg.vector_norm(x, dim=2)
    return rows.float().square().sum(dim=1)


def _orthonormal(rows: torch.Tensor) -> torch.Tensor:
    """Directions of ``rows (B, r, D)``, orthonormal by Cholesky's decomposition; 0 where all rows are 0."""
    wide = rows.double()
    gram = wide @ wide.mT
    diagonal = gram.diagonal(dim1=1, dim2=2)
    diagonal += SHRINK * diagonal.sum(dim=1, keepdim=True) + TINY
    lower = torch.linalg.cholesky_ex(gram).L  # what is no number stays none, and raises nothing
    directions: torch.Tensor = torch.linalg.solve_triangular(lower, wide, upper=False)
    return directions.to(rows)


@lru_cache(maxsize=8)
def _mixing(rank: int, n: int) -> torch.Tensor:
    return torch.randn(rank, n, generator=torch.Generator().manual_seed(0))


def pieces(n: int, size: int, device: torch.device) -> Iterator[slice]:
    """``n`` rows of ``size`` numbers each, as many at a time as the cache of a device holds."""
    n_pieces = max(1, ceil(n * size / CACHED.get(device.type, CACHED_ELSEWHERE)))
    step = max(1, ceil(n / n_pieces))
    return (slice(start, min(n, start + step)) for start in range(0, n, step))
