"""Is a feature found again by an autoencoder from another seed: the same atom, and the same firings?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import betainc
from scipy.stats import binom

if TYPE_CHECKING:
    from scipy import sparse

COSINE = 0.7
"""Cosine from which two atoms that are each other's best are the same feature."""
JACCARD = 0.5
"""Jaccard index of firings from which two features fire at the same positions."""
PERMUTATIONS = 3
"""Permutations of the null of firings: each multiplies the codes again, and over so many positions they agree."""
ROWS = 512


@dataclass(frozen=True)
class Match:
    """How well each live feature is found again by one other seed; all of shape ``(features,)``.

    Attributes
    ----------
    cosine
        Largest cosine of the atom with a live atom there; signed, for activations are never negative.
    same_atom
        Whether the two are each other's best and the cosine is at least `COSINE`.
    jaccard
        Largest Jaccard index of the firings with those of a live feature there.
    matched
        Jaccard index with the feature of the same atom, 0 without one.
    null_jaccard
        ``jaccard`` with the other's codes permuted among positions of the same gene: ``(permutations, features)``.
    n_others
        Live features of the other seed.
    """

    cosine: np.ndarray
    same_atom: np.ndarray
    jaccard: np.ndarray
    matched: np.ndarray
    null_jaccard: np.ndarray
    n_others: int


def match_seed(
    atoms: tuple[np.ndarray, np.ndarray], fires: tuple[sparse.csr_matrix, sparse.csr_matrix],
    permutations: list[np.ndarray],
) -> Match:
    """Match the live features of an autoencoder with those of another.

    Parameters
    ----------
    atoms
        Unit rows of the live features of the one and of the other, ``(n, d)`` and ``(m, d)``.
    fires
        Their firings at the same positions, 0/1, ``(positions, n)`` and ``(positions, m)``.
    permutations
        Orders of the positions that leave each in its gene.
    """
    n, m = len(atoms[0]), len(atoms[1])
    if n == 0 or m == 0:
        nothing = np.zeros(n)
        return Match(nothing, nothing > 0, nothing, nothing, np.zeros((len(permutations), n)), m)
    cosine = atoms[0] @ atoms[1].T
    place = cosine.argmax(axis=1)
    best = cosine[np.arange(n), place]
    same = (cosine.argmax(axis=0)[place] == np.arange(n)) & (best >= COSINE)
    found, at_place = _jaccard(fires[0], fires[1], place)
    null = [_jaccard(fires[0], fires[1][order], place)[0] for order in permutations]
    return Match(
        np.minimum(best, 1.0), same, found, np.where(same, at_place, 0.0), np.array(null).reshape(-1, n), m,
    )


def stability_table(features: np.ndarray, matches: list[Match]) -> pd.DataFrame:
    """Table ``stability``: means over the other seeds.

    ``stability`` is the Jaccard index of the feature's firings with those of the feature of the same atom, 0 where
    there is none, so that a feature must come back as a direction and in its firings.
    """
    return pd.DataFrame({
        "feature": features, "n_seeds": len(matches),
        "cosine": np.mean([m.cosine for m in matches], axis=0),
        "same_atom": np.mean([m.same_atom for m in matches], axis=0),
        "jaccard": np.mean([m.jaccard for m in matches], axis=0),
        "null_jaccard": np.mean([m.null_jaccard.mean(axis=0) for m in matches], axis=0),
        "stability": np.mean([m.matched for m in matches], axis=0),
    })


def stability_rates(matches: list[Match], dimensions: int) -> pd.DataFrame:
    """Shares of live features found again by atom and by firings, means over the other seeds (table ``rates``).

    The null of atoms is closed: as many random directions as the other seed has live features, whose signed cosine
    reaches ``c`` with probability ``(1 - F(c^2)) / 2`` for ``F`` of Beta(1/2, (d - 1) / 2). Mutual matches cannot
    exceed it. The null of firings permutes positions within genes.
    """
    n = len(matches[0].cosine)
    chance = float(np.mean([chance_of_atom(m.n_others, dimensions) for m in matches]))
    trials = max(n * len(matches), 1)
    null = np.mean([(m.null_jaccard >= JACCARD).mean(axis=1) for m in matches], axis=0)
    rows = [
        {
            "rate": "same_atom", "value": np.mean([m.same_atom for m in matches]), "null_mean": chance,
            "null_q95": binom.ppf(0.95, trials, chance) / trials, "n_permutations": 0,
            "null": "closed form: random unit vectors in the other dictionary; keeps their number and dimension",
        },
        {
            "rate": "same_firings", "value": np.mean([m.jaccard >= JACCARD for m in matches]),
            "null_mean": null.mean(), "null_q95": np.quantile(null, 0.95), "n_permutations": len(null),
            "null": "codes of the other seed permuted among positions of the same gene; keeps what features owe to "
            "genes, breaks what they owe to the cell",
        },
    ]
    return pd.DataFrame(rows).assign(n=n, unit="feature", protocol="calibrated")


def chance_of_atom(n: int, dimensions: int) -> float:
    """Probability that the largest signed cosine of a vector with ``n`` random directions reaches `COSINE`."""
    if dimensions < 2:
        return 1.0
    below = (1 + float(betainc(0.5, (dimensions - 1) / 2, COSINE**2))) / 2
    return 0.0 - float(np.expm1(n * np.log(below)))


def _jaccard(first: sparse.csr_matrix, second: sparse.csr_matrix, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Largest Jaccard index of each column of ``first`` with the columns of ``second``, and that with ``place``."""
    n_first, n_second = (np.asarray(x.sum(axis=0)).ravel() for x in (first, second))
    largest, at_place = np.zeros(first.shape[1]), np.zeros(first.shape[1])
    columns, second = first.T.tocsr(), second.tocsr()
    for start in range(0, first.shape[1], ROWS):
        both = (columns[start : start + ROWS] @ second).toarray()
        rows = slice(start, start + len(both))
        index = both / np.maximum(n_first[rows, None] + n_second - both, 1)
        largest[rows] = index.max(axis=1)
        at_place[rows] = index[np.arange(len(both)), place[rows]]
    return largest, at_place
