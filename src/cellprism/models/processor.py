"""How the processor multiplies bfloat16 matrices."""

from __future__ import annotations

import torch


def has_matrix_units() -> bool:
    """Whether it has AMX, which multiplies bfloat16 about seven times as fast as float32."""
    return bool(torch.cpu._is_amx_tile_supported())


def multiplies_bfloat16() -> bool:
    """Whether it has instructions for bfloat16 products, which then take at most half the time of float32 ones."""
    return has_matrix_units() or bool(torch.cpu._is_avx512_bf16_supported())
