"""How much worse does the model guess hidden genes without a feature? Every feature on the same cells and genes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from cellprism.causal.intervention import edited, repeat, scale_features
from cellprism.causal.masking import MASKED_SHARE, answers, hide
from cellprism.causal.rows import last_at
from cellprism.stats.bootstrap import bootstrap_means, interval
from cellprism.stats.permutation import permutation_p
from cellprism.stats.signflip import FLIPS, unit_p

if TYPE_CHECKING:
    from collections.abc import Callable

    from cellprism.causal.setting import Site
    from cellprism.causal.work import Work
    from cellprism.models.base import Batch, CellModel

METRICS = ("loss", "hit")


@dataclass(frozen=True)
class Damage:
    """What ablating each feature does to the guesses at a cell's hidden genes.

    Attributes
    ----------
    change
        Mean over the cell's hidden genes of the change of loss and hit (see `masking.Answers`), shape
        ``(2, cells, features)``; 0 in cells where the feature does not fire.
    fires
        Whether the feature fires in the cell, its genes hidden; shape ``(cells, features)``.
    clean
        Loss and hit without ablation, shape ``(2, cells)``.
    n_hidden
        Hidden genes of each cell, shape ``(cells,)``.
    """

    change: np.ndarray
    fires: np.ndarray
    clean: np.ndarray
    n_hidden: np.ndarray


@dataclass(frozen=True)
class Arms:
    """Features to compare, each array of shape ``(n,)``: ``matched[i]`` is about as frequent as ``chosen[i]``."""

    chosen: np.ndarray
    matched: np.ndarray
    random: np.ndarray


def choose_arms(
    chosen: np.ndarray, pool: np.ndarray, frequency: np.ndarray, rng: np.random.Generator,
) -> Arms:
    """Pick a feature of the nearest log frequency, and a random one, for each chosen feature; none serves twice.

    Parameters
    ----------
    chosen
        Features.
    pool
        Features to pick from, as many as the chosen ones or more beside these.
    frequency
        Share of positions at which each feature of the dictionary fires.
    """
    free = np.setdiff1d(pool, chosen)
    turn = chosen[np.argsort(-frequency[chosen], kind="stable")]
    matched, left = [], free.copy()
    for feature in turn:
        distance = np.abs(np.log(frequency[left]) - np.log(frequency[feature]))
        matched.append(left[distance.argmin()])
        left = np.delete(left, distance.argmin())
    return Arms(turn, np.array(matched), rng.permutation(free)[: len(chosen)])


def measure_damage(
    site: Site, features: np.ndarray, cells: np.ndarray, *, seed: int, work: Work, advance: Callable[[int], None],
) -> Damage:
    """Hide 15 % of the genes of each cell, once, and ablate each of the distinct ``features`` in turn.

    Parameters
    ----------
    site
        The layer, its autoencoder, the model and its cells.
    features, cells
        What is ablated, and where.
    seed
        Which genes of a cell are hidden depends on it, the layer and the cell alone.
    work
        Keeps every cell that is done, and gives those of an earlier call.
    advance
        Is told the cells done.
    """
    parts = []
    for cell in cells.tolist():
        kept = work.get(f"cell_{cell}")
        if kept is None:
            rng = np.random.default_rng([seed, site.layer, 32, cell])
            kept = dict(zip(Damage.__dataclass_fields__, _damage_in(site, features, cell, rng), strict=True))
            work.put(f"cell_{cell}", **kept)
        parts.append(kept)
        advance(1)
    return Damage(
        np.stack([one["change"] for one in parts], axis=1), np.stack([one["fires"] for one in parts]),
        np.stack([one["clean"] for one in parts], axis=1), np.array([one["n_hidden"] for one in parts]),
    )


def compare_arms(damage: Damage, features: np.ndarray, arms: Arms, cells: np.ndarray, *, seed: int) -> pd.DataFrame:
    """The chosen features against the others, on the same cells.

    In every cell the mean damage over the chosen features less that over the others: one number per cell, whose mean
    has a bootstrap interval and a sign-flip ``p`` over cells: do these features differ? ``p_features`` takes the
    feature as the unit and asks whether such features do: labels are swapped within matched pairs, or permuted over
    chosen and random features.

    Returns
    -------
    Table ``damage_arms``.
    """
    place = {int(feature): i for i, feature in enumerate(features)}
    column = {name: np.array([place[int(f)] for f in own]) for name, own in vars(arms).items()}
    rng = np.random.default_rng([seed, 7])
    rows: list[dict[str, Any]] = []
    for metric, change in zip(METRICS, damage.change, strict=True):
        if np.isnan(change).any():
            continue
        for arm in ("matched", "random"):
            mine, other = change[:, column["chosen"]], change[:, column[arm]]
            difference = (mine.mean(axis=1) - other.mean(axis=1))[:, None]
            low, high = interval(bootstrap_means(difference, rng))
            by_feature = mine.mean(axis=0), other.mean(axis=0)
            rows.append({
                "metric": metric, "arm": arm, "n_features": mine.shape[1], "n_cells": len(cells),
                "n_hidden": int(damage.n_hidden.sum()), "clean": float(damage.clean[METRICS.index(metric)].mean()),
                "chosen": float(mine.mean()), "other": float(other.mean()), "difference": float(difference.mean()),
                "low": float(low[0]), "high": float(high[0]), "p": float(unit_p(difference, cells, seed=seed)[0]),
                "p_features": _paired_p(*by_feature, seed) if arm == "matched" else _label_p(*by_feature, rng),
            })
    return pd.DataFrame(rows)


def _damage_in(
    site: Site, features: np.ndarray, cell: int, rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What `Damage` holds, for one cell: shapes ``(2, features)``, ``(features,)``, ``(2,)`` and ``()``."""
    model, sae = site.model, site.sae
    wanted = torch.from_numpy(features).to(model.device)
    change = np.zeros((2, len(features)))
    truth = model.pad(site.tokens, np.array([cell]))
    genes = truth.gene[0].nonzero()[:, 0]
    n_hidden = max(1, round(MASKED_SHARE * len(genes)))
    at = genes[torch.from_numpy(np.sort(rng.choice(len(genes), n_hidden, replace=False))).to(genes.device)]
    places = torch.zeros_like(truth.gene)
    places[0, at] = True
    seen = hide(model, truth, places)
    with torch.inference_mode():
        h = next(h for number, h in model.residuals(seen) if number == site.layer)[0]
        codes = sae.encode(h[genes])
        fires = torch.isin(wanted, codes.index[codes.value > 0]).cpu().numpy()
        clean = _read(model, h[None], seen, truth, at, site.layer)[:, 0]
        own, step = np.flatnonzero(fires), max(1, site.token_budget // len(h))
        for start in range(0, len(own), step):
            part = own[start : start + step]
            rows = edited(h, scale_features(sae, codes, genes, wanted[part]))
            change[:, part] = _read(model, rows, seen, truth, at, site.layer) - clean[:, None]
    return change, fires, clean, np.array(n_hidden)


def _read(
    model: CellModel, rows: torch.Tensor, seen: Batch, truth: Batch, at: torch.Tensor, layer: int,
) -> np.ndarray:
    """Mean loss and hit of each row at the places ``at``, shape ``(2, rows)``."""
    n = len(rows)
    out = last_at(model, rows, repeat(seen, n), at.expand(n, -1), after=layer)
    where = torch.stack([torch.zeros_like(at), at], dim=1).repeat(n, 1)
    said = answers(model, out.flatten(0, 1), seen, truth, where)
    return np.asarray(torch.stack([said.loss, said.hit]).view(2, n, -1).mean(dim=2).cpu().numpy(), np.float64)


def _paired_p(mine: np.ndarray, other: np.ndarray, seed: int) -> float:
    return float(unit_p((mine - other)[:, None], np.arange(len(mine)), seed=seed)[0])


def _label_p(mine: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> float:
    both = np.concatenate([mine, other])
    shuffled = rng.permuted(np.tile(both, (FLIPS, 1)), axis=1)
    null = shuffled[:, : len(mine)].mean(axis=1) - shuffled[:, len(mine) :].mean(axis=1)
    return float(permutation_p(abs(mine.mean() - other.mean()), np.abs(null) + 1e-12))
