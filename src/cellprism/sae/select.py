"""Which features a position activates: the one dense product of a step, in the cheapest precision that decides it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from cellprism.sae.kernels import dots, quantise, top_k, top_k_scaled

if TYPE_CHECKING:
    from cellprism.models.processor import Precision
    from cellprism.sae.topk import SparseAutoencoder

CANDIDATES = {"bfloat16": 1.25, "int8": 1.5}
"""So many times the wanted features are chosen in low precision; the best of them by their float32 values."""
DOUBT = 3.0
"""A position is chosen in float32 if a feature that is no candidate would be wanted after an error of so many sigma."""


class Selector:
    """Chooses the features of a batch, with buffers that are kept between batches.

    In low precision more candidates are chosen than are wanted, and their float32 values decide. The difference between
    the two values of the candidates tells the size of the error; positions where an error of `DOUBT` times that could
    have kept a wanted feature from being a candidate are chosen again, in float32 throughout.

    Parameters
    ----------
    sae
        The autoencoder.
    precision
        Of the dense product.
    """

    def __init__(self, sae: SparseAutoencoder, precision: Precision) -> None:
        self.sae = sae
        self.precision = precision
        self._products = torch.empty(0)
        self._weights = torch.empty(0)

    def __call__(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Values, positive or 0, and int32 indices of the ``sae.width`` largest pre-activations of ``(N, d_model)``."""
        sae, width = self.sae, self.sae.width
        if self.precision == "float32":
            out = self._buffer(len(x), torch.float32)
            return top_k(torch.addmm(sae.b_enc, x, sae.W_enc.T, out=out), width)
        n_candidates = min(math.ceil(CANDIDATES[self.precision] * width), sae.n_features)
        rough, index = (self._in_bfloat16 if self.precision == "bfloat16" else self._in_int8)(x, n_candidates)
        exact = dots(x, sae.W_enc, index) + sae.b_enc[index]
        value, place = top_k(exact, width)
        index = index.gather(1, place.long())
        if n_candidates < sae.n_features:
            error = (exact - rough)[rough > 0].square().mean().sqrt()
            doubtful = (value.amin(dim=1) <= rough.amin(dim=1) + DOUBT * error).nonzero().squeeze(1)
            if len(doubtful):
                pre = torch.addmm(sae.b_enc, x[doubtful], sae.W_enc.T)
                value[doubtful], index[doubtful] = top_k(pre, width)
        return value, index

    def _in_bfloat16(self, x: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        sae = self.sae
        if self._weights.shape != sae.W_enc.shape:
            self._weights = torch.empty(sae.W_enc.shape, dtype=torch.bfloat16)
        self._weights.copy_(sae.W_enc)
        out = self._buffer(len(x), torch.bfloat16)
        torch.addmm(sae.b_enc.bfloat16(), x.bfloat16(), self._weights.T, out=out)
        rough, index = top_k(out, n)
        return rough.float(), index

    def _in_int8(self, x: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Products of eight-bit integers: a scale for each position, each feature and, shared out, each dimension.

        Dimensions are first divided among positions and features so that neither has outliers (Xiao et al. 2023,
        arXiv 2211.10438); a sixteenth of both tells how.
        """
        sae = self.sae
        sizes = [rows[::16].abs().amax(dim=0).clamp_min(1e-6) for rows in (x, sae.W_enc)]
        share = (sizes[0] / sizes[1]).sqrt()
        positions, position_scale = quantise(x, 1 / share)
        features, feature_scale = quantise(sae.W_enc, share)
        out = self._buffer(len(x), torch.int32)
        torch._int_mm(positions, features.T, out=out)
        return top_k_scaled(out, position_scale, feature_scale, sae.b_enc, n)

    def _buffer(self, n: int, dtype: torch.dtype) -> torch.Tensor:
        """Memory for the products: fresh memory would cost as much as they do."""
        if self._products.shape != (n, self.sae.n_features) or self._products.dtype != dtype:
            self._products = torch.empty(n, self.sae.n_features, dtype=dtype)
        return self._products
