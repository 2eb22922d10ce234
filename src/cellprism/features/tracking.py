"""Features that go on from layer to layer: matches, chains, births and deaths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import betainc
from scipy.stats import binom

THRESHOLD = 0.7
KINDS = (3 / 18, 10 / 18)
"""Shares of the run's layers up to which a chain is transient, and moderate."""
ROWS = 1024


@dataclass(frozen=True)
class Best:
    """For each atom of a layer its best match in the next: place and absolute cosine, and whether it is mutual."""

    place: np.ndarray
    cosine: np.ndarray
    mutual: np.ndarray


def best_matches(atoms: np.ndarray, following: np.ndarray) -> Best:
    """Largest absolute cosine of each unit row of ``atoms`` with those of ``following``; ``(n, d)`` and ``(m, d)``.

    A match is mutual if neither has a better one in the other's layer.
    """
    if len(atoms) == 0 or len(following) == 0:
        return Best(np.zeros(len(atoms), np.int64), np.zeros(len(atoms)), np.zeros(len(atoms), bool))
    place, cosine = np.empty(len(atoms), np.int64), np.empty(len(atoms))
    back, best_back = np.zeros(len(following), np.int64), np.full(len(following), -1.0)
    for start in range(0, len(atoms), ROWS):
        block = np.abs(atoms[start : start + ROWS] @ following.T)
        rows = slice(start, start + len(block))
        place[rows], cosine[rows] = block.argmax(axis=1), block.max(axis=1)
        better = block.max(axis=0) > best_back
        back[better] = start + block.argmax(axis=0)[better]
        best_back = np.maximum(best_back, block.max(axis=0))
    return Best(place, np.minimum(cosine, 1.0), back[place] == np.arange(len(atoms)))


def chance_of_match(n: int, dimensions: int) -> float:
    """Probability that the largest absolute cosine of a vector with ``n`` random directions reaches the threshold.

    The squared cosine of a random direction is Beta(1/2, (d - 1) / 2).
    """
    if dimensions < 2:
        return 1.0
    below = float(betainc(0.5, (dimensions - 1) / 2, THRESHOLD**2))
    return 0.0 - float(np.expm1(n * np.log(below)))


def chain_tables(
    layers: tuple[int, ...], alive: dict[int, np.ndarray], best: dict[int, Best],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables ``chains`` and ``chain_members``.

    A chain goes on while a feature and its best match in the next layer are each other's best with an absolute cosine
    of at least 0.7. Its first layer is where the feature is born, its last where it dies; every live feature is in one
    chain, alone or not.

    Parameters
    ----------
    layers
        The layers in order.
    alive
        Live features of each layer.
    best
        Best matches of each layer but the last, places among the live features of the next.
    """
    members = []
    arriving: np.ndarray | None = None
    n_chains = 0
    for layer in layers:
        features = alive[layer]
        chain, cosine = np.full(len(features), -1), np.full(len(features), np.nan)
        if arriving is not None:
            chain, cosine = arriving[0].astype(np.int64), arriving[1]
        born = chain < 0
        chain[born] = n_chains + np.arange(born.sum())
        n_chains += int(born.sum())
        members.append(pd.DataFrame({"chain": chain, "layer": layer, "feature": features, "cosine": cosine}))
        if layer in best:
            match, n_next = best[layer], len(alive[layers[layers.index(layer) + 1]])
            goes_on = match.mutual & (match.cosine >= THRESHOLD)
            arriving = np.stack([np.full(n_next, -1.0), np.full(n_next, np.nan)])
            arriving[:, match.place[goes_on]] = chain[goes_on], match.cosine[goes_on]
    table = pd.concat(members, ignore_index=True).sort_values(["chain", "layer"], ignore_index=True)
    chains = table.groupby("chain").agg(
        first_layer=("layer", "min"), last_layer=("layer", "max"), n_layers=("layer", "size"),
        mean_cosine=("cosine", "mean"),
    ).reset_index()
    return chains.assign(kind=chain_kinds(chains["n_layers"].to_numpy(), len(layers))), table


def chain_kinds(n_layers: np.ndarray, of: int) -> np.ndarray:
    """Classes of chains by the share of ``of`` layers they span: those of the papers, 3 and 10 of 18 layers."""
    bounds = [max(1.0, of * share) for share in KINDS]
    return np.array(["transient", "moderate", "persistent"], dtype=object)[np.searchsorted(bounds, n_layers)]


def tracking_rates(best: Best, n_next: int, dimensions: int) -> pd.DataFrame:
    """Share of live features with a match in the next layer (table ``rates``).

    ``calibrated`` counts mutual matches, ``published`` any. The null, in closed form, is that of one-sided matches with
    random directions, which mutual ones cannot exceed; the quantile is the binomial one.
    """
    n = len(best.cosine)
    p = chance_of_match(n_next, dimensions)
    hit = best.cosine >= THRESHOLD
    return pd.DataFrame([
        {
            "rate": "goes_on", "value": found.sum() / max(n, 1), "n": n, "unit": "feature", "null_mean": p,
            "null_q95": binom.ppf(0.95, n, p) / max(n, 1), "n_permutations": 0, "protocol": protocol,
            "null": "closed form: random unit vectors in the next layer; keeps their number and dimension",
        }
        for protocol, found in (("calibrated", hit & best.mutual), ("published", hit))
    ])
