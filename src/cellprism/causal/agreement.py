"""How well estimated effects agree with exact ones, on sources for which both are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from cellprism.causal.calibration import SourceEffects, calibrate
from cellprism.causal.finish import finish
from cellprism.causal.rates import share
from cellprism.runs.causal_schemas import AGREEMENT
from cellprism.runs.schemas import empty

if TYPE_CHECKING:
    from collections.abc import Mapping

PAIR = ["source", "target_layer", "target"]


def agreement(
    estimated: list[SourceEffects], exact: list[SourceEffects], wanted: Mapping[int, np.ndarray] | None, *, seed: int,
) -> pd.DataFrame:
    """Compare estimates with exact effects, per target layer.

    Both are calibrated alike, as traces of these sources alone.

    Parameters
    ----------
    estimated, exact
        The same sources in the same order and cells; none gives an empty table.
    wanted
        Target layer -> targets to compare; None: all.
    seed
        Seed of the calibration.

    Returns
    -------
    The table ``agreement`` of `runs.schemas`.
    """
    def chosen(effects: SourceEffects) -> SourceEffects:
        if wanted is None:
            return effects
        return SourceEffects(effects.source, effects.cells, {k: x[:, wanted[k]] for k, x in effects.effect.items()})

    pairs = [(chosen(a), chosen(b)) for a, b in zip(estimated, exact, strict=True)]
    if not pairs:
        return empty(AGREEMENT)
    guessed, real = (finish([calibrate(pair[i], seed=seed) for pair in pairs])["edges"] for i in (0, 1))
    rows = []
    for layer in sorted(pairs[0][0].effect):
        guess, truth = (np.concatenate([pair[i].effect[layer].mean(axis=0) for pair in pairs]) for i in (0, 1))
        live = (guess != 0) | (truth != 0)
        there = guessed[guessed["target_layer"] == layer], real[real["target_layer"] == layer]
        both = there[0].merge(there[1], on=PAIR)
        of_edges = _signs_at(there[1], pairs, layer)
        rows.append({
            "target_layer": layer, "sources": len(pairs), "pairs": int(live.sum()),
            "spearman": float(stats.spearmanr(guess[live], truth[live]).statistic) if live.sum() > 2 else np.nan,
            "edges": len(there[1]), "estimated_edges": len(there[0]),
            "same_sign": share(of_edges.sum(), len(of_edges)),
            "recall": share((both["sign_x"] == both["sign_y"]).sum(), len(there[1])),
            "precision": share((both["sign_x"] == both["sign_y"]).sum(), len(there[0])),
        })
    return pd.DataFrame(rows, columns=list(AGREEMENT.columns))


def _signs_at(edges: pd.DataFrame, pairs: list[tuple[SourceEffects, SourceEffects]], layer: int) -> np.ndarray:
    """Whether the estimate has the sign of the exact effect, for every exact edge to a layer."""
    place = {exact.source: guess.effect[layer].mean(axis=0) for guess, exact in pairs}
    guess = np.array([place[s][t] for s, t in zip(edges["source"], edges["target"], strict=True)])
    return np.asarray(np.sign(guess) == np.sign(edges["effect"].to_numpy()))
