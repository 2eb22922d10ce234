"""Effects with a known truth."""

from __future__ import annotations

import numpy as np

from cellprism.causal.calibration import SourceEffects


def effects(
    rng: np.random.Generator, *, n: int = 20, m: int = 300, planted: int = 0, size: float = 1.2, silent: float = 0.2,
    signs: tuple[int, ...] = (-1, 1), shared: float = 0.0,
) -> np.ndarray:
    """Per-cell effects, shape ``(n, m)``: symmetric noise of standard deviation 1 with a share of exact zeros.

    A share ``shared`` of the noise's variance is common to all targets of a cell, up to the sign. ``planted``
    targets have a mean of ``size`` with a random sign of ``signs`` in cells where they are not 0.
    """
    x = np.sqrt(1 - shared) * rng.standard_normal((n, m))
    if shared:
        x += np.sqrt(shared) * rng.standard_normal((n, 1)) * rng.choice([-1, 1], m)
    x[:, :planted] += size * rng.choice(signs, size=planted)
    return (x * (rng.random((n, m)) >= silent)).astype(np.float32)


def sources(seed: int, count: int, *, cells: int = 60, n: int = 20, **world: object) -> list[SourceEffects]:
    """Sources that fire in random cells, each with effects on layers 1 and 2."""
    rng = np.random.default_rng(seed)
    return [
        SourceEffects(
            source, np.sort(rng.choice(cells, n, replace=False)),
            {layer: effects(rng, n=n, **world) for layer in (1, 2)},  # type: ignore[arg-type]
        )
        for source in range(count)
    ]
