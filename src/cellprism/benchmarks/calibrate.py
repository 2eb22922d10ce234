"""Calibration of a traced layer: sign flips, null edges, halves, and the tables."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from cellprism.benchmarks import Row

if TYPE_CHECKING:
    from cellprism.causal.calibration import SourceEffects

SOURCES, LAYERS, FEATURES, CELLS, FLIPS = 600, (6, 11, 17), 4608, 20, 500
LIVE, TRUE = 0.43, 0.3
"""Share of targets that respond at all, as published, and of these the share with an effect."""
SAMPLE, LOOP = 30, 300
"""Sources and targets on which ours and the loop are timed; both times are proportional to the number."""


def rows(quick: bool) -> list[Row]:
    """Effects with exact zeros in three target layers; the loop does the flips and nothing else."""
    from cellprism.causal.calibration import calibrate
    from cellprism.causal.finish import finish

    rng = np.random.default_rng(0)
    sample = 5 if quick else SAMPLE
    sources = [_effects(rng, source) for source in range(sample)]
    finish([calibrate(_effects(rng, 0), flips=FLIPS)])  # compiles
    started = time.perf_counter()
    results = [calibrate(effects, flips=FLIPS) for effects in sources]
    ours = (time.perf_counter() - started) * SOURCES / sample
    started = time.perf_counter()
    finish(results)
    finished = (time.perf_counter() - started) * SOURCES / sample
    targets = 60 if quick else LOOP
    baseline = _loop_seconds(sources[0], targets) * SOURCES
    shape = f"{SOURCES} sources x {len(LAYERS) * FEATURES:,} targets x {CELLS} cells x {FLIPS} flips"
    note = f"ours from {sample} sources, the loop from {targets} targets, scaled up; tables {finished:.0f} s more"
    return [Row("calibrate", shape, "a loop over targets, each flipped in one product", baseline, ours, note)]


def _effects(rng: np.random.Generator, source: int) -> SourceEffects:
    from cellprism.causal.calibration import SourceEffects

    effect = {}
    for layer in LAYERS:
        x = rng.standard_normal((CELLS, FEATURES), np.float32)
        x += np.where(rng.random(FEATURES) < TRUE, rng.choice([-1, 1], FEATURES), 0).astype(np.float32)
        x *= (rng.random((CELLS, FEATURES)) < 0.7) & (rng.random(FEATURES) < LIVE)
        effect[layer] = x
    return SourceEffects(source, np.sort(rng.choice(200, CELLS, replace=False)), effect)


def _loop_seconds(effects: SourceEffects, n: int) -> float:
    """Seconds of one source: all its live targets, one after another, extrapolated from ``n``."""
    rng = np.random.default_rng(1)
    live = [x[:, (x != 0).any(axis=0)] for x in effects.effect.values()]
    columns = live[0][:, :n].astype(np.float64)
    signs = rng.choice([-1.0, 1.0], (FLIPS, CELLS))
    started = time.perf_counter()
    for t in range(columns.shape[1]):
        x = columns[:, t]
        flipped = signs * x
        sd = flipped.std(axis=1, ddof=1)
        d = flipped.mean(axis=1) / np.maximum(sd, 1e-10)
        positive = (flipped > 0).sum(axis=1)
        nonzero = max(1, int((x != 0).sum()))
        observed = x.mean() / x.std(ddof=1)
        _ = (1 + (np.abs(d) >= abs(observed)).sum()) / (1 + FLIPS)
        _ = ((np.abs(d) > 0.5) & (np.maximum(positive, nonzero - positive) > 0.7 * nonzero)).mean()
    seconds = time.perf_counter() - started
    return float(seconds * sum(x.shape[1] for x in live) / columns.shape[1])
