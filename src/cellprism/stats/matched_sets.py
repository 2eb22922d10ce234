"""Does a set of genes differ from its matched controls? One number per cell, gene sets permuted within the matches."""

from __future__ import annotations

import numpy as np

CHUNK = 1000
"""Permuted sets that are held at a time."""


def contrasts(x: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Every member's value less the mean of the other members of its group that are there.

    Parameters
    ----------
    x
        Values, shape ``(cells, members)``; NaN where a member is not there.
    group
        Group of each member, shape ``(members,)``, numbered from 0.

    Returns
    -------
    Shape ``(cells, members)``; NaN where the member or all others of its group are missing.
    """
    inside = (group[:, None] == np.arange(group.max(initial=-1) + 1)).astype(np.float64)
    there = np.isfinite(x)
    value = np.where(there, x, 0.0)
    others = (there @ inside)[:, group] - there
    total = (value @ inside)[:, group] - value
    mean = np.divide(total, others, out=np.full(x.shape, np.nan), where=others > 0)
    return np.where(there, value - mean, np.nan)


def per_cell(contrast: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Mean of each cell's contrasts over the ``chosen`` members, shape ``(cells,)``; NaN without any."""
    picked = contrast[:, chosen]
    n = np.isfinite(picked).sum(axis=1)
    return np.asarray(np.divide(np.nansum(picked, axis=1), n, out=np.full(len(picked), np.nan), where=n > 0))


def permuted(
    contrast: np.ndarray, group: np.ndarray, rng: np.random.Generator, *, permutations: int,
) -> np.ndarray:
    """The mean over cells of `per_cell` for sets that take one random member of each group.

    If the set's genes are like their matches, which member of a group is the set's is a matter of chance, whatever the
    members share and however cells depend on each other: the permutation p of the observed set is exact.

    Parameters
    ----------
    contrast
        From `contrasts`.
    group
        Group of each member, shape ``(members,)``; members of a group are adjacent.
    rng
        Source of randomness.
    permutations
        Sets drawn.

    Returns
    -------
    Shape ``(permutations,)``; sets that are in no cell have 0.
    """
    there = np.isfinite(contrast)
    value = np.where(there, contrast, 0.0)
    size = np.bincount(group)
    start = np.cumsum(size) - size
    drawn = start + rng.integers(0, size, (permutations, len(size)))
    null = np.empty(permutations)
    for first in range(0, permutations, CHUNK):
        sets = drawn[first : first + CHUNK]
        chosen = np.zeros((len(group), len(sets)))
        chosen[sets.ravel(), np.repeat(np.arange(len(sets)), len(size))] = 1
        n = there.astype(np.float64) @ chosen
        mean = np.divide(value @ chosen, n, out=np.zeros_like(n), where=n > 0)
        null[first : first + CHUNK] = mean.sum(axis=0) / np.maximum((n > 0).sum(axis=0), 1)
    return null
