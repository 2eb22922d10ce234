"""Does an effect found in one half of the cells come again in the other?"""

from __future__ import annotations

import numpy as np

from cellprism.causal.edge_rule import G_GRID, NONZERO, NULL_FLIPS, G, Thresholds, passing, thresholds
from cellprism.causal.nulls import observed_sums
from cellprism.stats.signflip import effect_sizes, unit_columns


def halves(cells: np.ndarray, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two random halves of the cells as ascending indices; which half a cell is drawn to depends on its number."""
    key = np.array([np.random.default_rng([seed, 2, cell]).random() for cell in cells.tolist()])
    order = np.argsort(key, kind="stable")
    return np.sort(order[: len(cells) // 2]), np.sort(order[len(cells) // 2 :])


def half_rule(n: int) -> Thresholds:
    """The thresholds for a half of ``n`` cells: half as many cells need an effect."""
    return thresholds(n, nonzero=NONZERO // 2)


def replicated(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Targets whose effect has the same sign in both halves and ``|g| > 0.5`` in each, shape ``(m,)``."""
    a, b = effect_sizes(first).g, effect_sizes(second).g
    return np.asarray((a * b > 0) & (np.minimum(np.abs(a), np.abs(b)) > G))


def split_half(
    first: np.ndarray, second: np.ndarray, signs_first: np.ndarray, signs_second: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Find effects by the thresholds in one half and look for them in the other, in both directions.

    Parameters
    ----------
    first, second
        Effects in the halves, shapes ``(n_1, m)`` and ``(n_2, m)``.
    signs_first, signs_second
        Flips of the cells of each half, shapes ``(flips, n_1)`` and ``(flips, n_2)``.

    Returns
    -------
    Found, found again with the same sign and ``|g| > 0.5``, sum of ``|g|`` where found, sum of the other half's ``g``
    of the same sign: shape ``(4,)``; and the same under each flip, shape ``(N, 4)``.
    """
    sides = [(first, signs_first[:NULL_FLIPS]), (second, signs_second[:NULL_FLIPS])]
    nonzero = [(x != 0).sum(axis=0) for x, _ in sides]
    rules = [half_rule(len(x)) for x, _ in sides]
    observed = [observed_sums(x) for x, _ in sides]
    flipped = [(signs @ unit_columns(x), signs @ np.sign(x)) for x, signs in sides]
    return _both_ways(observed, nonzero, rules)[0], _both_ways(flipped, nonzero, rules)


def _both_ways(
    halves_: list[tuple[np.ndarray, np.ndarray]], nonzero: list[np.ndarray], rules: list[Thresholds],
) -> np.ndarray:
    total = np.zeros((len(halves_[0][0]), 4))
    for a, b in ((0, 1), (1, 0)):
        here, there = halves_[a][0], halves_[b][0]
        found = passing(here, halves_[a][1], nonzero[a], rules[a])
        again = found & (here * there > 0) & (np.abs(there) > rules[b].g[G_GRID.index(G)])
        same = np.sign(here) * rules[b].size(there)
        sums = [found, again, np.abs(rules[a].size(here)) * found, same * found]
        total += np.stack([one.sum(axis=1) for one in sums], axis=1)
    return total
