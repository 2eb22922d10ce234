"""The TopK sparse autoencoder of one layer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

DEAD_WINDOW = 256
"""A feature is dead if it did not fire in so many batches."""


@dataclass(frozen=True)
class TopKCodes:
    """Feature indices (int64) and activations (float32, at least 0) of N positions, both of shape ``(N, k)``."""

    index: torch.Tensor
    value: torch.Tensor


class SparseAutoencoder(torch.nn.Module):
    """TopK autoencoder on the raw residual; it carries its own centre and scale.

    With ``x' = (x - centre) / scale``: ``pre = relu(W_enc x' + b_enc)``, the ``k`` largest entries of ``pre`` are the
    code ``z``, and ``x_hat = scale * (W_dec^T z) + centre``. Rows of ``W_dec``, the atoms, have unit norm, so an
    activation is a length in units of ``scale``.

    Parameters
    ----------
    d_model, n_features, k
        Width of the residual, size of the dictionary, active features per position.

    Attributes
    ----------
    W_enc, W_dec
        Shape ``(n_features, d_model)``.
    b_enc
        Shape ``(n_features,)``.
    centre
        Shape ``(d_model,)``; `scale` is a scalar.
    """

    centre: torch.Tensor
    scale: torch.Tensor

    def __init__(self, d_model: int, n_features: int, k: int) -> None:
        super().__init__()
        self.k = k
        self.W_enc = torch.nn.Parameter(torch.zeros(n_features, d_model))
        self.b_enc = torch.nn.Parameter(torch.zeros(n_features))
        self.W_dec = torch.nn.Parameter(torch.zeros(n_features, d_model))
        self.register_buffer("centre", torch.zeros(d_model))
        self.register_buffer("scale", torch.ones(()))

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

    def normalise(self, x: torch.Tensor) -> torch.Tensor:
        return (x.float() - self.centre) / self.scale

    def pre_activations(self, normalised: torch.Tensor) -> torch.Tensor:
        """ReLU of the encoder's output, shape ``(N, n_features)``, before the top-k."""
        return torch.nn.functional.linear(normalised, self.W_enc, self.b_enc).relu()

    def encode(self, x: torch.Tensor) -> TopKCodes:
        """Codes of raw residuals ``x``, shape ``(N, d_model)``. A value of 0 is a place that no feature took."""
        value, index = self.pre_activations(self.normalise(x)).topk(self.k, dim=-1)
        return TopKCodes(index, value)

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


def auxiliary_loss(
    sae: SparseAutoencoder, normalised: torch.Tensor, error: torch.Tensor, dead: torch.Tensor,
) -> torch.Tensor:
    """AuxK: let dead features explain the error that the living leave (Gao et al. 2024, arXiv 2406.04093, A.2).

    ``sum ||e - e_hat||^2 / sum ||e||^2`` with ``e`` the detached error and ``e_hat`` the reconstruction from the
    ``2 k`` largest pre-activations among the dead features, without bias or centre.

    Parameters
    ----------
    sae
        The autoencoder.
    normalised, error
        Shape ``(N, d_model)``: inputs and errors of a slice of the batch, in normalised units.
    dead
        Indices of dead features, not empty.
    """
    target = error.detach()
    pre = torch.nn.functional.linear(normalised, sae.W_enc[dead], sae.b_enc[dead]).relu()
    value, index = pre.topk(min(2 * sae.k, len(dead)), dim=-1)
    revived = torch.nn.functional.embedding_bag(dead[index], sae.W_dec, per_sample_weights=value, mode="sum")
    return (target - revived).square().sum() / target.square().sum().clamp_min(1e-12)
