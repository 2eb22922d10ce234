"""The layers of scGPT: a post-norm transformer over the sum of gene and value embeddings."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from cellprism.models.attention import attention
from cellprism.models.differences import Affine, PostNorm

LARGEST_VALUE = 512.0
"""scGPT cuts values at this before it embeds them."""


@dataclass(frozen=True)
class Sizes:
    """What ``args.json`` says of the model."""

    n_layers: int
    d_model: int
    n_heads: int
    d_feedforward: int
    n_bins: int
    max_length: int
    pad_token: str
    pad_value: float
    mask_value: float


class _GeneEncoder(nn.Module):
    def __init__(self, n_tokens: int, d_model: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_tokens, d_model)
        self.enc_norm = nn.LayerNorm(d_model)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        h: torch.Tensor = self.enc_norm(self.embedding(tokens))
        return h


class _ValueEncoder(nn.Module):
    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(1, d_model)
        self.linear2 = nn.Linear(d_model, d_model)
        self.norm = nn.LayerNorm(d_model)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        h = functional.relu(self.linear1(values.clamp(max=LARGEST_VALUE)[..., None]))
        out: torch.Tensor = self.norm(self.linear2(h))
        return out


class _Attention(nn.Module):
    def __init__(self, d_model: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * d_model, d_model))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * d_model))
        self.out_proj = nn.Linear(d_model, d_model)

    def forward(self, h: torch.Tensor, mask: torch.Tensor | None, here: torch.Tensor | None = None) -> torch.Tensor:
        """Attention of ``here``, by default of every position of ``h``, to ``h``."""
        if here is None:
            projected = functional.linear(h, self.in_proj_weight, self.in_proj_bias)
            q, k, v = projected.unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        else:
            d = h.shape[-1]
            q = functional.linear(here, self.in_proj_weight[:d], self.in_proj_bias[:d])
            q = q.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
            projected = functional.linear(h, self.in_proj_weight[d:], self.in_proj_bias[d:])
            k, v = projected.unflatten(-1, (2, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        out: torch.Tensor = self.out_proj(attention(q, k, v, mask).flatten(-2))
        return out


class _Block(nn.Module):
    """A post-norm layer with ReLU, as `torch.nn.TransformerEncoderLayer` has it by default, without dropout."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.self_attn = _Attention(sizes.d_model, sizes.n_heads)
        self.linear1 = nn.Linear(sizes.d_model, sizes.d_feedforward)
        self.linear2 = nn.Linear(sizes.d_feedforward, sizes.d_model)
        self.norm1 = nn.LayerNorm(sizes.d_model)
        self.norm2 = nn.LayerNorm(sizes.d_model)

    def forward(self, h: torch.Tensor, mask: torch.Tensor | None, here: torch.Tensor | None = None) -> torch.Tensor:
        """Output at the positions of ``here``, by default at every position of ``h``."""
        h = self.norm1((h if here is None else here) + self.self_attn(h, mask, here))
        out: torch.Tensor = self.norm2(h + self.linear2(functional.relu(self.linear1(h))))
        return out

    def parts(self) -> PostNorm:
        own = self.self_attn
        projected = zip(own.in_proj_weight.chunk(3), own.in_proj_bias.chunk(3), strict=True)
        maps = [Affine(weight, bias) for weight, bias in projected]
        maps += [Affine(one.weight, one.bias) for one in (own.out_proj, self.linear1, self.linear2)]
        return PostNorm(
            tuple(maps), norm1=self.norm1, norm2=self.norm2, activation=functional.relu, n_heads=own.n_heads,
        )


class Network(nn.Module):
    """The parts of scGPT that lead to the residual stream and to expression; parameters are named as in its files."""

    def __init__(self, n_tokens: int, sizes: Sizes) -> None:
        super().__init__()
        d = sizes.d_model
        self.encoder = _GeneEncoder(n_tokens, d)
        self.value_encoder = _ValueEncoder(d)
        blocks = nn.ModuleList(_Block(sizes) for _ in range(sizes.n_layers))
        self.transformer_encoder = nn.ModuleDict({"layers": blocks})
        self.decoder = nn.ModuleDict({"fc": nn.Sequential(
            nn.Linear(d, d), nn.LeakyReLU(), nn.Linear(d, d), nn.LeakyReLU(), nn.Linear(d, 1),
        )})
