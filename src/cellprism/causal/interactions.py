"""Do features act together otherwise than alone? Contrasts of raw mean effects, tested over cells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from cellprism.causal.combinations import conditions
from cellprism.causal.published import CONSISTENCY, D, published_sizes
from cellprism.stats.bootstrap import bootstrap_means, interval
from cellprism.stats.fdr import bh
from cellprism.stats.signflip import shared_signs, signflip_p

if TYPE_CHECKING:
    from collections.abc import Sequence

FLIPS, MORE = 1000, 200
"""Sign flips of every test, and how many times more where p is small: interactions are few among many tests."""
FLOOR = 1e-5
"""Smaller effects and contrasts of one cell, in units of activation, are the rounding of float32 and count as 0."""
Q = 0.05


@dataclass(frozen=True)
class Combination:
    """Effects of all conditions of one combination on the targets that are tested.

    Attributes
    ----------
    cells
        Cells in which all parts fire, shape ``(n,)``.
    targets
        Live targets: features that any condition changes in any cell, shape ``(m,)``, ascending.
    effect
        See `combinations.JointEffects`, shape ``(n, conditions, m)``, float32.
    d, consistency
        The papers' standardised effects and consistencies, shape ``(conditions, m)``.
    """

    cells: np.ndarray
    targets: np.ndarray
    effect: np.ndarray
    d: np.ndarray
    consistency: np.ndarray

    @property
    def size(self) -> int:
        """Number of parts."""
        return int(np.log2(self.effect.shape[1] + 1))

    @property
    def contrast(self) -> np.ndarray:
        """What the parts do beyond what fewer of them do: ``AB - A - B`` or ``ABC - AB - AC - BC + A + B + C``.

        It is the highest-order term of the inclusion-exclusion sum over the conditions, 0 for effects that add; one
        row per cell, shape ``(n, m)``. Rounding is set to 0.
        """
        sign = np.array([(-1.0) ** (self.size - len(chosen)) for chosen in conditions(self.size)])
        found = np.einsum("c,nct->nt", sign, self.effect.astype(np.float64))
        return np.asarray(np.where(np.abs(found) > FLOOR, found, 0.0))


def combine(cells: np.ndarray, effect: np.ndarray, published: np.ndarray) -> Combination:
    """Put the cells of a combination together.

    Parameters
    ----------
    cells
        Shape ``(n,)``.
    effect, published
        From `combinations.JointEffects`, both ``(n, conditions, target features)``.
    """
    targets = np.flatnonzero((np.abs(effect) > FLOOR).any(axis=(0, 1)))
    d, consistency = _published_sizes(published[:, :, targets])
    return Combination(cells, targets, effect[:, :, targets], d, consistency)


def interaction_table(combinations: Sequence[Combination], *, seed: int) -> pd.DataFrame:
    """Test the contrast of every combination on every live target.

    Two-sided sign flips over cells; a 95 % interval of the mean contrast by Student's t; Benjamini-Hochberg over all
    live targets of all combinations.

    Returns
    -------
    One row per test: combination (place in the sequence), target, alone (summed mean effects of the parts), together
    (mean effect of all at once), contrast, low, high, relative (contrast over the summed absolute mean effects of the
    parts), n_nonzero, p, q.
    """
    parts = []
    for number, combination in enumerate(combinations):
        x = combination.contrast
        mean, half = x.mean(axis=0), _half_width(x)
        effect = combination.effect.mean(axis=0, dtype=np.float64)
        single = effect[: combination.size]
        size = np.abs(single).sum(axis=0)
        parts.append(pd.DataFrame({
            "combination": number, "target": combination.targets, "alone": single.sum(axis=0),
            "together": effect[-1], "contrast": mean, "low": mean - half, "high": mean + half,
            "relative": np.divide(mean, size, out=np.full_like(mean, np.nan), where=size > 0),
            "n_nonzero": (x != 0).sum(axis=0), "p": _p(x, combination.cells, seed),
        }))
    table = pd.concat(parts, ignore_index=True)
    table["q"] = bh(table["p"].to_numpy())
    return table


def null_shares(
    combinations: Sequence[Combination], schemes: Sequence[str], *, seed: int, permutations: int,
) -> dict[str, np.ndarray]:
    """Share of tests with q < 0.05 when the contrasts of each cell all keep or all change their sign, by chance.

    This is "no interaction on average", with the sizes of the contrasts, and what targets and combinations share in a
    cell, as they are.

    Parameters
    ----------
    schemes
        Scheme of each combination.

    Returns
    -------
    Scheme -> shares, shape ``(permutations,)``.
    """
    p: list[list[np.ndarray]] = [[] for _ in range(permutations)]
    for combination in combinations:
        x, signs = combination.contrast, shared_signs(combination.cells, permutations, seed=seed, stream=2)
        for of_permutation, sign in zip(p, signs, strict=True):
            of_permutation.append(_p(x * sign[:, None], combination.cells, seed))
    hits = np.array([bh(np.concatenate(parts)) < Q for parts in p])
    of_test = np.repeat(np.asarray(schemes, object), [len(combination.targets) for combination in combinations])
    return {scheme: hits[:, of_test == scheme].mean(axis=1) for scheme in dict.fromkeys(schemes)}


def additivity(combination: Combination, rng: np.random.Generator) -> tuple[float, float, float]:
    """How much of the sum of the parts' effects is there when they act together, over all live targets.

    ``sum_t s_t j_t / sum_t s_t^2`` with ``s_t`` the sum of the mean effects of the parts alone on target ``t`` and
    ``j_t`` the mean effect of all together: the slope through 0 of the one on the other. 1 is additive, below 1 the
    parts do less together, above 1 more. The interval is a bootstrap over cells.

    Returns
    -------
    Ratio, low, high.
    """
    m, effect = len(combination.targets), combination.effect.astype(np.float64)
    alone, together = effect[:, : combination.size].sum(axis=1), effect[:, -1]
    if not m:
        return float("nan"), float("nan"), float("nan")
    samples = bootstrap_means(np.concatenate([alone, together], axis=1), rng)
    low, high = interval(_slope(samples[:, :m], samples[:, m:]))
    return float(_slope(alone.mean(axis=0), together.mean(axis=0))), float(low), float(high)


def published_ratio(combination: Combination, *, if_additive: bool = False) -> tuple[float, int]:
    """The papers' "redundancy": mean over targets of ``|d_together| / sum |d_alone|`` with standardised effects.

    Targets count if a condition has ``|d| > 0.5`` with a consistency above 0.7.

    Parameters
    ----------
    if_additive
        Put sums of the parts' effects, cell by cell, in place of what was measured for several parts together: the
        ratio that exactly additive features of these sizes would have.

    Returns
    -------
    The ratio, NaN without targets, and the number of targets.
    """
    d, consistency = combination.d, combination.consistency
    if if_additive:
        chosen = [list(parts) for parts in conditions(combination.size)]
        d, consistency = _published_sizes(np.stack([combination.effect[:, c].sum(axis=1) for c in chosen], axis=1))
    d = np.abs(d)
    counts = ((d > D) & (consistency > CONSISTENCY)).any(axis=0)
    if not counts.any():
        return float("nan"), 0
    singles = d[: combination.size, counts].sum(axis=0)
    return float((d[-1, counts] / np.maximum(singles, 1e-10)).mean()), int(counts.sum())


def _published_sizes(effect: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``d`` and consistency of every condition, shape ``(conditions, m)``, of effects ``(n, conditions, m)``."""
    sizes = [published_sizes(effect[:, i]) for i in range(effect.shape[1])]
    return np.stack([d for d, _ in sizes]), np.stack([consistency for _, consistency in sizes])


def _p(x: np.ndarray, cells: np.ndarray, seed: int) -> np.ndarray:
    more = cache(lambda: shared_signs(cells, MORE * FLIPS, seed=seed, stream=1))
    return signflip_p(x, shared_signs(cells, FLIPS, seed=seed), more)


def _half_width(x: np.ndarray) -> np.ndarray:
    n = len(x)
    if n < 2:
        return np.full(x.shape[1], np.nan)
    return np.asarray(stdtrit(n - 1, 0.975) * x.std(axis=0, ddof=1) / np.sqrt(n))


def _slope(alone: np.ndarray, together: np.ndarray) -> np.ndarray:
    square = (alone**2).sum(axis=-1)
    return np.asarray(np.where(square > 0, (alone * together).sum(axis=-1) / np.where(square > 0, square, 1), np.nan))
