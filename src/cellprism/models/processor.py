"""How the processor multiplies matrices of few bits."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch

Precision: TypeAlias = Literal["float32", "bfloat16", "int8"]
"""Formats of products."""


def has_matrix_units() -> bool:
    """Whether it has AMX, which multiplies bfloat16 about seven times as fast as float32."""
    return bool(torch.cpu._is_amx_tile_supported())


def bfloat16_units() -> str:
    """What it multiplies bfloat16 with, in words."""
    if has_matrix_units():
        return "AMX bf16"
    return "AVX-512 bf16" if multiplies_bfloat16() else "no bf16"


def multiplies_bfloat16() -> bool:
    """Whether it has instructions for bfloat16 products, which then take at most half the time of float32 ones."""
    return has_matrix_units() or bool(torch.cpu._is_avx512_bf16_supported())


def multiplies_int8() -> bool:
    """Whether it has vectors of 512 bits and VNNI, which take less than a third of the time of float32 products."""
    return bool(torch.cpu._is_avx512_supported() and torch.cpu._is_vnni_supported())


def fastest_products() -> Precision:
    """The format in which this processor multiplies soonest, told by its instructions and not by a stop-watch."""
    if has_matrix_units():
        return "bfloat16"
    if multiplies_int8():
        return "int8"
    return "bfloat16" if multiplies_bfloat16() else "float32"
