"""Interactions on a run: from a request to the tables ``combinations``, ``interactions`` and ``rates``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cellprism.causal.combinations import conditions, joint_effects
from cellprism.causal.interactions import (
    FLIPS,
    Combination,
    Q,
    additivity,
    combine,
    interaction_table,
    null_shares,
    published_ratio,
)
from cellprism.causal.requests import PRECISION, run_key
from cellprism.causal.sampling import Candidates, sample_combinations, together
from cellprism.causal.setting import firing_cells, float32_model, needs_layer
from cellprism.causal.tables import write_causal
from cellprism.causal.work import Work
from cellprism.errors import UserError
from cellprism.models.stages import run_tokens
from cellprism.runs.lock import exclusive
from cellprism.runs.progress import Silent
from cellprism.sae.files import load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cellprism.causal.combinations import JointEffects, Part
    from cellprism.cells.tokens import TokenizedCells
    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress

MIN_CELLS = 10
BLOCK = 8
"""Combinations that share the clean pass of a cell, and whose effects are measured before any is written."""
PERMUTATIONS = 20


@dataclass(frozen=True)
class InteractRequest:
    """What is asked for.

    Attributes
    ----------
    layers
        Layer of each part, two or three; a layer may occur again.
    target
        The layer that is read, beyond them all; None: the run's last.
    each
        Combinations of each sampling scheme.
    cells
        Cells of each combination, at most.
    named
        Combinations to take in place of a sample; then ``layers`` and ``each`` do not count.
    seed
        Seed of everything that is drawn.
    """

    layers: tuple[int, ...] = ()
    target: int | None = None
    each: int = 8
    cells: int = 50
    named: tuple[tuple[Part, ...], ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class Drawn:
    """A combination, how it was drawn, and the cells in which it will be measured."""

    scheme: str
    combo: tuple[Part, ...]
    cells: np.ndarray


def interact_run(run: Run, request: InteractRequest, progress: Progress | None = None) -> tuple[str, pd.DataFrame]:
    """Ablate features together and alone, test what they do beyond the sum, and write the tables in ``causal/``.

    Interrupted, it goes on with the combinations that are not measured yet.

    Returns
    -------
    The name under which the tables are kept, such as ``00-02-to-03``, and table ``combinations``.

    Raises
    ------
    UserError
        The run lacks what is asked for, or no combination fires together in ten cells.
    """
    with exclusive(run.path):
        return _interact(run, request, progress or Silent())


def _interact(run: Run, request: InteractRequest, progress: Progress) -> tuple[str, pd.DataFrame]:
    layers, target = _layers(run, request)
    tokens = run_tokens(run)
    drawn = draw(run, request, layers, len(tokens))
    name = "-".join([f"{at:02d}" for at in sorted(request.layers)] or ["named"]) + f"-to-{target:02d}"
    rests_on = sorted({*layers, target})
    work = Work(run.file("causal") / f"interactions_{name}.work", {
        "key": run_key(run, rests_on), "asked": asdict(request), "combinations": [list(one.combo) for one in drawn],
    })
    measured = _measure(run, tokens, drawn, target, work, progress)
    tests = interaction_table(measured, seed=request.seed)
    table = pd.DataFrame([
        _row(i, one, target, combination, tests[tests["combination"] == i], request.seed)
        for i, (one, combination) in enumerate(zip(drawn, measured, strict=True))
    ]).astype({f"{what}_c": "Int32" for what in ("layer", "feature")})
    rates = _rates(tests, measured, [one.scheme for one in drawn], request.seed)
    notes = {
        "protocol": "calibrated; columns published_*: published", "method": "ablation", "dtype": PRECISION,
        "unit": "cell", "family": len(tests), "flips": FLIPS, **asdict(request),
    }
    for kind, which, frame in (
        ("combinations", name, table), ("interactions", name, tests), ("rates", f"interactions_{name}", rates),
    ):
        write_causal(run, kind, which, frame, layers=rests_on, notes=notes)
    work.remove()
    return name, table


def draw(run: Run, request: InteractRequest, layers: list[int], n_cells: int) -> list[Drawn]:
    """The combinations, named or sampled, with cells of one common random order."""
    rng = np.random.default_rng([request.seed, 21])
    named = {layer: {f for combo in request.named for at, f in combo if at == layer} for layer in layers}
    candidates = {layer: _candidates(run, layer, named[layer], n_cells) for layer in layers}
    combos = [("named", combo) for combo in request.named] or sample_combinations(
        candidates, tuple(sorted(request.layers)), request.each, rng, min_cells=MIN_CELLS,
    )
    order = rng.permutation(n_cells)
    drawn = []
    for scheme, combo in combos:
        own = order[np.isin(order, together(candidates, combo))]
        if len(own) < MIN_CELLS:
            what = " ".join(f"{layer}:{feature}" for layer, feature in combo)
            msg = f"{what} fire together in {len(own)} cells of {run.path}, fewer than {MIN_CELLS}: name others."
            raise UserError(msg)
        drawn.append(Drawn(scheme, combo, np.sort(own[: request.cells])))
    if not drawn:
        msg = f"no features of layers {layers} fire together in {MIN_CELLS} cells of {run.path}: choose other layers."
        raise UserError(msg)
    return drawn


def _layers(run: Run, request: InteractRequest) -> tuple[list[int], int]:
    """Layers of the parts, ascending, and the target layer."""
    combos = request.named or (tuple((layer, -1) for layer in request.layers),)
    wrong = [combo for combo in combos if len(combo) not in (2, 3)]
    if wrong:
        msg = f"a combination has two or three parts, not {len(wrong[0])}: give as many layers or features."
        raise UserError(msg)
    layers = sorted({layer for combo in combos for layer, _ in combo})
    target = max(run.layers) if request.target is None else request.target
    for layer in (*layers, target):
        needs_layer(run, layer)
    if target <= layers[-1]:
        msg = f"layer {target} does not come after layer {layers[-1]}: choose a later `--target` or earlier layers."
        raise UserError(msg)
    return layers, target


def _candidates(run: Run, layer: int, named: set[int], n_cells: int) -> Candidates:
    """The features that may be drawn in a layer: those ``named``, else all that fire in ten cells or more."""
    table = run.read("features", layer)
    unknown = sorted(named - set(table["feature"]))
    if unknown:
        msg = f"layer {layer} has no feature {unknown[0]}: choose one from 0 to {len(table) - 1}."
        raise UserError(msg)
    kept = table["feature"].isin(named) if named else ~table["dead"] & ~table["rare"]
    table = table[kept].sort_values("feature")
    features = table["feature"].to_numpy(np.int64)
    hits = run.read("annotations", layer)
    hits = hits[(hits["q"] < run.config.annotation.q) & hits["feature"].isin(features)]
    terms = {int(str(feature)): frozenset(own) for feature, own in hits.groupby("feature")["term"]}
    labels = run.read("labels", layer)
    labels = labels[labels["feature"].isin(features)]
    return Candidates(
        features, table["frequency"].to_numpy(), firing_cells(run, layer, features, n_cells),
        dict(zip(labels["feature"].tolist(), labels["term"], strict=True)), terms,
    )


def _measure(
    run: Run, tokens: TokenizedCells, drawn: Sequence[Drawn], target: int, work: Work, progress: Progress,
) -> list[Combination]:
    """The effects of every combination, measured now or in an earlier call, block by block."""
    model = float32_model(run)
    used = sorted({target, *(layer for one in drawn for layer, _ in one.combo)})
    saes = {layer: load(run.file("sae.safetensors", layer)).to(model.device) for layer in used}
    rows_at_once = max(1, run.config.model.token_budget // (int(tokens.lengths.max()) + 2))
    measured: list[Combination] = []
    total = sum(len(one.cells) * len(conditions(len(one.combo))) for one in drawn)
    with progress.bar("ablating features together", total, "pass") as advance:
        for start in range(0, len(drawn), BLOCK):
            block = drawn[start : start + BLOCK]
            kept = work.get(f"block_{start}")
            if kept is None:
                found: list[list[JointEffects]] = [[] for _ in block]
                cells: list[list[int]] = [[] for _ in block]
                for cell in np.unique(np.concatenate([one.cells for one in block])).tolist():
                    here = [i for i, one in enumerate(block) if cell in one.cells]
                    combos = [block[i].combo for i in here]
                    effects = joint_effects(
                        model, tokens, cell, combos, saes, target=target, rows_at_once=rows_at_once,
                    )
                    for i, effect in zip(here, effects, strict=True):
                        if effect is not None:
                            found[i].append(effect)
                            cells[i].append(cell)
                    advance(sum(len(conditions(len(combo))) for combo in combos))
                kept = _packed(cells, found)
                work.put(f"block_{start}", **kept)
            else:
                advance(sum(len(one.cells) * len(conditions(len(one.combo))) for one in block))
            measured += [
                Combination(*(kept[f"{name}_{i}"] for name in Combination.__dataclass_fields__))
                for i in range(len(block))
            ]
    return measured


def _packed(cells: list[list[int]], found: list[list[JointEffects]]) -> dict[str, np.ndarray]:
    """Combinations of a block as named arrays."""
    arrays: dict[str, np.ndarray] = {}
    for i, (own, effects) in enumerate(zip(cells, found, strict=True)):
        combination = combine(
            np.array(own), np.stack([e.effect for e in effects]), np.stack([e.published for e in effects]),
        )
        arrays |= {f"{name}_{i}": value for name, value in vars(combination).items()}
    return arrays


def _row(
    number: int, one: Drawn, target: int, combination: Combination, tests: pd.DataFrame, seed: int,
) -> dict[str, Any]:
    """One row of table ``combinations``."""
    ratio, low, high = additivity(combination, np.random.default_rng([seed, 22, number]))
    published, n_targets = published_ratio(combination)
    parts: Mapping[str, int | None] = {
        f"{what}_{letter}": value[at]
        for letter, value in zip("abc", (*one.combo, (None, None)), strict=False)
        for at, what in enumerate(("layer", "feature"))
    }
    return {
        "combination": number, "scheme": one.scheme, **parts, "target_layer": target,
        "n_cells": len(combination.cells), "live": len(tests), "interactions": int((tests["q"] < Q).sum()),
        "additivity": ratio, "low": low, "high": high, "published_ratio": published,
        "published_if_additive": published_ratio(combination, if_additive=True)[0], "published_targets": n_targets,
    }


def _rates(
    tests: pd.DataFrame, measured: Sequence[Combination], schemes: Sequence[str], seed: int,
) -> pd.DataFrame:
    """Share of the live targets of each scheme that interact, beside its null."""
    nulls = null_shares(measured, schemes, seed=seed, permutations=PERMUTATIONS)
    of_test = np.asarray(schemes, object)[tests["combination"]]
    return pd.DataFrame([{
        "rate": f"interacting:{scheme}", "value": (tests["q"][of_test == scheme] < Q).mean(),
        "n": int((of_test == scheme).sum()), "unit": "live target of a combination", "null_mean": null.mean(),
        "null_q95": np.quantile(null, 0.95), "n_permutations": len(null), "protocol": "calibrated",
        "null": "the contrasts of each cell change their sign by chance; keeps their sizes and what cells share",
    } for scheme, null in nulls.items()])
