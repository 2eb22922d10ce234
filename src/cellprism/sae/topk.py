"""The sparse autoencoder of one layer, TopK or BatchTopK."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

Activation = Literal["topk", "batchtopk"]
BATCH_WIDTH = 4
"""A position of a BatchTopK autoencoder keeps at most so many times ``k`` features."""


@dataclass(frozen=True)
class TopKCodes:
    """Feature indices and activations (float32, at least 0) of N positions, both ``(N, width)``, in no fixed order."""

    index: torch.Tensor
    value: torch.Tensor

    @classmethod
    def joined(cls, parts: list[TopKCodes]) -> TopKCodes:
        """The codes of several batches of positions, one after another."""
        return cls(torch.cat([part.index for part in parts]), torch.cat([part.value for part in parts]))

    def at(self, positions: torch.Tensor) -> TopKCodes:
        """The codes of some of the positions."""
        return TopKCodes(self.index[positions], self.value[positions])


class SparseAutoencoder(torch.nn.Module):
    """Sparse autoencoder on the raw residual; it carries its own centre and scale.

    With ``x' = (x - centre) / scale``: ``pre = relu(W_enc x' + b_enc)``; the code ``z`` is ``gain * pre`` at the ``k``
    largest entries of ``pre``, 0 elsewhere; ``x_hat = scale * (W_dec^T z) + centre``. Rows of ``W_dec``, the atoms,
    have unit norm, so an activation is a length in units of ``scale``.

    A BatchTopK autoencoder keeps the entries of ``pre`` above ``threshold`` instead, at most ``4 k`` of them.

    Parameters
    ----------
    d_model, n_features, k
        Width of the residual, size of the dictionary, active features per position (BatchTopK: on average).
    activation
        ``topk`` or ``batchtopk`` (Bussmann et al. 2024, arXiv 2412.06410).

    Attributes
    ----------
    W_enc, W_dec
        Shape ``(n_features, d_model)``.
    b_enc
        Shape ``(n_features,)``.
    centre
        Shape ``(d_model,)``; `scale` is a scalar.
    gain
        Shape ``(n_features,)``; ones, but for an imported autoencoder whose atoms were not of unit norm: it chose its
        features by what is ``pre`` here.
    threshold
        Scalar; 0 for ``topk``.
    """

    centre: torch.Tensor
    scale: torch.Tensor
    gain: torch.Tensor
    threshold: torch.Tensor

    def __init__(self, d_model: int, n_features: int, k: int, activation: Activation = "topk") -> None:
        super().__init__()
        self.k = k
        self.activation = activation
        self.W_enc = torch.nn.Parameter(torch.zeros(n_features, d_model))
        self.b_enc = torch.nn.Parameter(torch.zeros(n_features))
        self.W_dec = torch.nn.Parameter(torch.zeros(n_features, d_model))
        self.register_buffer("centre", torch.zeros(d_model))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("gain", torch.ones(n_features))
        self.register_buffer("threshold", torch.zeros(()))

    @classmethod
    def load(cls, path: str | Path) -> SparseAutoencoder:
        """Read an autoencoder that a run has written; see `cellprism.sae.files.load`."""
        from cellprism.sae.files import load

        return load(Path(path))

    @property
    def n_features(self) -> int:
        return self.W_dec.shape[0]

    @property
    def d_model(self) -> int:
        return self.W_dec.shape[1]

    @property
    def width(self) -> int:
        """Places in the code of a position."""
        return code_width(self.k, self.n_features, self.activation)

    def normalise(self, x: torch.Tensor) -> torch.Tensor:
        return (x.float() - self.centre) / self.scale

    def pre_activations(self, normalised: torch.Tensor) -> torch.Tensor:
        """ReLU of the encoder's output, shape ``(N, n_features)``, before the top-k."""
        return torch.nn.functional.linear(normalised, self.W_enc, self.b_enc).relu()

    def encode(self, x: torch.Tensor) -> TopKCodes:
        """Codes of raw residuals ``x``, shape ``(N, d_model)``. A value of 0 is a place that no feature took."""
        return self.choose(self.pre_activations(self.normalise(x)))

    def choose(self, pre: torch.Tensor) -> TopKCodes:
        """Codes by pre-activations ``(N, n_features)``."""
        value, index = largest(pre, self.width)
        if self.activation == "batchtopk":
            value = value * (value > self.threshold)
        return TopKCodes(index, value * self.gain[index])

    def decode(self, codes: TopKCodes) -> torch.Tensor:
        """Reconstructed raw residuals, shape ``(N, d_model)``."""
        return self.combine(codes) * self.scale + self.centre

    def combine(self, codes: TopKCodes) -> torch.Tensor:
        """The sum of the active atoms, in normalised units."""
        return torch.nn.functional.embedding_bag(
            codes.index, self.W_dec, per_sample_weights=codes.value, mode="sum",
        )

    def initialise(self, sample: torch.Tensor, generator: torch.Generator) -> None:
        """Centre and scale from ``sample``, random unit atoms, encoder tied to them."""
        with torch.no_grad():
            self.centre.copy_(sample.float().mean(dim=0))
            self.scale.copy_((sample.float() - self.centre).square().mean().sqrt().clamp_min(1e-6))
            self.W_dec.copy_(torch.randn(self.W_dec.shape, generator=generator))
            self.normalise_atoms()
            self.W_enc.copy_(self.W_dec)
            self.b_enc.zero_()

    def normalise_atoms(self) -> None:
        """Scale every atom, a row of ``W_dec``, to unit norm."""
        with torch.no_grad():
            self.W_dec.div_(self.W_dec.norm(dim=1, keepdim=True).clamp_min(1e-12))

    def project_gradient(self) -> None:
        """Remove from the atoms' gradient the part along the atoms, which the next normalisation would undo."""
        if self.W_dec.grad is not None:
            with torch.no_grad():
                along = (self.W_dec.grad * self.W_dec).sum(dim=1, keepdim=True)
                self.W_dec.grad.sub_(along * self.W_dec)


def code_width(k: int, n_features: int, activation: Activation) -> int:
    """Places in the code of a position: ``k``, or four times as many for BatchTopK."""
    return min(k if activation == "topk" else BATCH_WIDTH * k, n_features)


def index_type(n_features: int) -> Literal["uint16", "uint32"]:
    """The smallest type in which codes can name every feature."""
    return "uint16" if n_features <= 2**16 else "uint32"


def code_bytes(k: int, n_features: int, activation: Activation) -> int:
    """Bytes of the code of a position on disk: an index and a float16 for each place."""
    return code_width(k, n_features, activation) * (2 + int(index_type(n_features)[-2:]) // 8)


def largest(pre: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Value and int64 index of the ``k`` largest entries of each row, in no fixed order; ``pre`` is at least 0."""
    if pre.device.type != "cpu" or (pre.requires_grad and torch.is_grad_enabled()):
        value, index = pre.topk(k, dim=-1)
        return value, index
    from cellprism.sae.kernels import top_k

    value, index = top_k(pre, k)
    return value, index.long()
