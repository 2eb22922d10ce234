"""Linear maps in few bits, for changes that may be rounded: the rounding is relative to the change of each position."""

from __future__ import annotations

from typing import Protocol

import torch
from torch.nn.functional import linear

from cellprism.models.processor import multiplies_int8

LARGEST = 127
"""The largest eight-bit integer."""
TINY = 1e-30
"""The scale of a row of zeros."""


class LinearMap(Protocol):
    """What maps ``x (..., in)`` to ``(..., out)``, float32 both."""

    def of(self, x: torch.Tensor) -> torch.Tensor:
        """The map, without a bias."""
        ...


class Exact:
    """Products in float32 with ``weight (out, in)``."""

    def __init__(self, weight: torch.Tensor) -> None:
        self._weight = weight.detach()

    def of(self, x: torch.Tensor) -> torch.Tensor:
        return linear(x, self._weight)


class Rounded:
    """Products in bfloat16."""

    def __init__(self, weight: torch.Tensor) -> None:
        self._weight = weight.detach().to(torch.bfloat16)

    def of(self, x: torch.Tensor) -> torch.Tensor:
        return linear(x.to(torch.bfloat16), self._weight).float()


class Quantised:
    """Products of eight-bit integers, with a scale for each row of ``x`` and each row of the weight."""

    def __init__(self, weight: torch.Tensor) -> None:
        self._weight, scale = quantise(weight.detach())
        self._scale = scale[:, 0]

    def of(self, x: torch.Tensor) -> torch.Tensor:
        rows, scale = quantise(x.reshape(-1, x.shape[-1]))
        out = product(rows, self._weight).mul_(self._scale).mul_(scale)
        return out.view(*x.shape[:-1], -1)


FORMATS: dict[str, type[Rounded | Quantised]] = {"int8": Quantised, "bfloat16": Rounded}
"""Number format -> its linear map."""


def product(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """``x (N, in)`` times ``weight (out, in)``, int8 both, in float32.

    Without instructions for it a processor may saturate its sums, and GPUs refuse some shapes: there in float32.
    """
    if x.device.type == "cpu" and multiplies_int8():
        return torch._int_mm(x, weight.T).float()
    return linear(x.float(), weight.float())


def quantise(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of ``x (N, D)`` as int8 and their scales ``(N, 1)``: ``x`` is about ``scale * quantised``."""
    scale = x.abs().amax(dim=1, keepdim=True).div_(LARGEST).clamp_min_(TINY)
    return (x / scale).round_().to(torch.int8), scale
