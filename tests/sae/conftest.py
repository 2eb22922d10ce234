from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from cellprism.sae.topk import Activation, SparseAutoencoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Work this small is done sooner by one thread, above all where other tests run."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def autoencoder() -> Callable[..., tuple[SparseAutoencoder, torch.Tensor]]:
    """Makes an untrained autoencoder and 200 positions far from the origin."""

    def make(
        d: int = 16, n: int = 40, k: int = 5, activation: Activation = "topk",
    ) -> tuple[SparseAutoencoder, torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(200, d, generator=generator) * 3 + 5
        sae = SparseAutoencoder(d, n, k, activation)
        sae.initialise(x, generator)
        with torch.no_grad():
            sae.b_enc.normal_(0, 0.1, generator=generator)
            sae.W_enc.add_(torch.randn(n, d, generator=generator) * 0.1)
        return sae, x

    return make
