"""Which features to ablate together: of one term, of different terms, and at random with the same frequencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cellprism.causal.combinations import Part

SCHEMES = ("same term", "different terms", "random")
NEAREST = 20
"""A random part is one of so many features of its layer nearest in frequency."""
TRIES = 200
"""Draws for each combination before a scheme is taken to be exhausted."""


@dataclass(frozen=True)
class Candidates:
    """The features of a layer that may be drawn.

    Attributes
    ----------
    features
        Live features that fire in enough cells, shape ``(n,)``.
    frequency
        Share of positions at which each fires, shape ``(n,)``.
    fires
        Whether each fires in each cell, shape ``(cells, n)``.
    label
        Feature -> its label, for those that have one.
    terms
        Feature -> all terms below the run's q.
    """

    features: np.ndarray
    frequency: np.ndarray
    fires: np.ndarray
    label: Mapping[int, str]
    terms: Mapping[int, frozenset[str]]


def sample_combinations(
    candidates: Mapping[int, Candidates], layers: tuple[int, ...], each: int, rng: np.random.Generator, *,
    min_cells: int,
) -> list[tuple[str, tuple[Part, ...]]]:
    """Draw up to ``each`` combinations of every scheme, one part from each of ``layers``.

    ``same term``: all parts have one label. ``different terms``: the parts have labels and share no term.
    ``random``: the parts of the other two schemes, in turn, each replaced by another feature of its layer that is about
    as frequent, with or without a label. All parts of a combination fire together in ``min_cells`` cells or more.

    Returns
    -------
    Scheme and combination. A scheme that runs out of combinations has fewer.
    """

    def same() -> tuple[int, ...] | None:
        shared = sorted(set.intersection(*(set(candidates[layer].label.values()) for layer in layers)))
        if not shared:
            return None
        term = shared[rng.integers(len(shared))]
        return tuple(_pick([f for f, own in candidates[layer].label.items() if own == term], rng) for layer in layers)

    def different() -> tuple[int, ...] | None:
        if any(not candidates[layer].label for layer in layers):
            return None
        parts = tuple(_pick(list(candidates[layer].label), rng) for layer in layers)
        terms = [candidates[layer].terms[f] for layer, f in zip(layers, parts, strict=True)]
        disjoint = sum(map(len, terms)) == len(frozenset.union(*terms))
        return parts if disjoint else None

    found: list[tuple[str, tuple[Part, ...]]] = []

    def fill(scheme: str, draw: Callable[[], tuple[int, ...] | None]) -> None:
        known = {tuple(sorted(combo)) for _, combo in found}
        wanted = each + len(found)
        for _ in range(TRIES * each):
            if len(found) == wanted:
                return
            parts = draw()
            combo = tuple(zip(layers, parts, strict=True)) if parts is not None else ()
            fits = parts is not None and len(set(combo)) == len(layers) and tuple(sorted(combo)) not in known
            if fits and len(together(candidates, combo)) >= min_cells:
                known.add(tuple(sorted(combo)))
                found.append((scheme, combo))

    fill(SCHEMES[0], same)
    fill(SCHEMES[1], different)
    chosen = [combo for _, combo in found]

    def random() -> tuple[int, ...] | None:
        if not chosen:
            return tuple(_pick(candidates[layer].features.tolist(), rng) for layer in layers)
        combo = chosen[rng.integers(len(chosen))]
        return tuple(_alike(candidates[layer], feature, rng) for layer, feature in combo)

    fill(SCHEMES[2], random)
    return found


def together(candidates: Mapping[int, Candidates], combo: tuple[Part, ...]) -> np.ndarray:
    """Cells in which all parts fire."""
    columns = []
    for layer, feature in combo:
        own = candidates[layer]
        columns.append(own.fires[:, np.searchsorted(own.features, feature)])
    return np.flatnonzero(np.logical_and.reduce(columns))


def _pick(values: list[int], rng: np.random.Generator) -> int:
    return int(values[rng.integers(len(values))])


def _alike(own: Candidates, feature: int, rng: np.random.Generator) -> int:
    place = int(np.searchsorted(own.features, feature))
    distance = np.abs(np.log(own.frequency) - np.log(own.frequency[place]))
    distance[place] = np.inf
    near = np.argsort(distance, kind="stable")[: min(NEAREST, len(distance) - 1)]
    return int(own.features[rng.choice(near)])
