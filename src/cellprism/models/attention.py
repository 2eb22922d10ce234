"""Attention, by the faster of two ways: PyTorch's own, or plain matrix products of tiles that stay in the cache."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

from cellprism.models.processor import has_matrix_units, multiplies_bfloat16

NAME = "cellprism_tiles"
"""What `tiled_attention` is called in ``transformers``."""
ROWS = 512
"""Queries of a tile."""
SCORES = 2**21
"""Scores of a tile at most, unless one head has more: 4 MB of bfloat16."""


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Softmax attention of every token to those that ``mask`` admits.

    Parameters
    ----------
    q, k, v
        Queries, keys and values, shape ``(B, heads, T, d)``.
    mask
        Shape ``(B, 1, 1, T)``, bool: true at the keys that count; None if all do.

    Returns
    -------
    Tensor
        Shape ``(B, T, heads, d)``.
    """
    if tiles_pay(q.dtype, q.device):
        return tiled_attention(q, k, v, mask, scale=q.shape[-1] ** -0.5)
    return scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)


def tiles_pay(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether `tiled_attention` is the faster way: bfloat16 on a CPU that multiplies it, but not in matrix units.

    There PyTorch's attention takes as long in bfloat16 as in float32, and its plain products take half.
    """
    return dtype == torch.bfloat16 and device.type == "cpu" and multiplies_bfloat16() and not has_matrix_units()


def tiled_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None, *, scale: float,
) -> torch.Tensor:
    """The same as `attention` by products of some heads and some queries of one cell; scores have the format of ``q``.

    Keys that ``mask`` leaves out are not multiplied at all.
    """
    n_cells, n_heads, n, _ = q.shape
    q = q * scale
    out = q.new_empty(n_cells, n, n_heads, v.shape[-1])
    for cell in range(n_cells):
        keys, values = k[cell], v[cell]
        if mask is not None:
            keep = mask[cell, 0, 0]
            keys, values = keys[:, keep], values[:, keep]
        step = max(1, SCORES // (min(n, ROWS) * max(1, keys.shape[1])))
        for first in range(0, n_heads, step):
            heads = slice(first, first + step)
            transposed = keys[heads].transpose(1, 2)
            for start in range(0, n, ROWS):
                rows = slice(start, start + ROWS)
                weights = torch.bmm(q[cell, heads, rows], transposed).softmax(dim=-1)
                out[cell, rows, heads] = torch.bmm(weights, values[heads]).transpose(0, 1)
    return out


def transformers_attention(dtype: torch.dtype, device: torch.device) -> str:
    """The ``attn_implementation`` for a model of ``transformers`` that only ever masks keys."""
    if not tiles_pay(dtype, device):
        return "sdpa"
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, _for_transformers)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    return NAME


def _for_transformers(
    _module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: torch.Tensor | None,
    *, scaling: float, **_options: Any,
) -> tuple[torch.Tensor, None]:
    mask = None if attention_mask is None else attention_mask[:, :, :1]
    return tiled_attention(query, key, value, mask, scale=scaling), None
