"""Damage on a run: from a list of features to the tables ``damage`` and ``damage_arms``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellprism.causal.damage import METRICS, choose_arms, compare_arms, measure_damage
from cellprism.causal.masking import MASKED_SHARE
from cellprism.causal.reading import TraceReader, trace_table
from cellprism.causal.requests import PRECISION, choose_features, run_key
from cellprism.causal.setting import needs_layer, run_site
from cellprism.causal.tables import write_causal
from cellprism.causal.work import Work
from cellprism.errors import UserError
from cellprism.runs.lock import exclusive
from cellprism.runs.progress import Silent
from cellprism.stats.signflip import FLIPS

if TYPE_CHECKING:
    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress


@dataclass(frozen=True)
class DamageRequest:
    """What is asked for.

    Attributes
    ----------
    layer, features
        A layer, and its features: ``hubs:N``, those with the most edges beyond what their firing explains, or as in
        `requests.choose_features`.
    cells
        Cells, the same for all features.
    trace
        The trace that knows the hubs; None: the only one by ablation from the layer.
    seed
        Seed of everything that is drawn.
    """

    layer: int
    features: str = "hubs:20"
    cells: int = 50
    trace: str | None = None
    seed: int = 0


def damage_run(run: Run, request: DamageRequest, progress: Progress | None = None) -> pd.DataFrame:
    """Ablate the features, as many of their frequency and as many at random; write the tables in ``causal/``.

    Interrupted, it goes on with the cells that are not measured yet.

    Returns
    -------
    Table ``damage_arms``.

    Raises
    ------
    UserError
        The run lacks what is asked for, the model cannot hide genes, or no features are left to compare with.
    """
    with exclusive(run.path):
        return _damage(run, request, progress or Silent())


def _damage(run: Run, request: DamageRequest, progress: Progress) -> pd.DataFrame:
    layer = request.layer
    needs_layer(run, layer)
    if request.features.startswith("hubs:"):
        chosen = hubs(run, layer, request.features, request.trace)
    else:
        chosen = choose_features(run, layer, request.features, request.seed)
    table = run.read("features", layer).sort_values("feature")
    alive = table.loc[~table["dead"] & ~table["rare"], "feature"].to_numpy(np.int64)
    dead = np.intersect1d(chosen, table.loc[table["dead"], "feature"])
    if len(dead):
        msg = f"feature {dead[0]} of layer {layer} never fires in {run.path}: leave it out."
        raise UserError(msg)
    others = len(np.setdiff1d(alive, chosen))
    if others < len(chosen):
        msg = (
            f"only {others} other features of layer {layer} fire in ten cells or more, and {len(chosen)} are to be "
            "compared: name fewer features."
        )
        raise UserError(msg)
    rng = np.random.default_rng([request.seed, layer, 31])
    arms = choose_arms(chosen, alive, table["frequency"].to_numpy(), rng)
    features = np.unique(np.concatenate([arms.chosen, arms.matched, arms.random]))
    site = run_site(run, layer)
    cells = np.sort(rng.permutation(len(site.tokens))[: request.cells])
    work = Work(run.file("causal") / f"damage_{layer:02d}.work", {
        "key": run_key(run, [layer]), "asked": asdict(request), "features": features.tolist(), "cells": cells.tolist(),
    })
    with progress.bar(f"ablating {len(features)} features", len(cells), "cell") as advance:
        damage = measure_damage(site, features, cells, seed=request.seed, work=work, advance=advance)
    means = pd.DataFrame({
        "feature": features, "frequency": table["frequency"].to_numpy()[features],
        "n_cells": damage.fires.sum(axis=0), **dict(zip(METRICS, damage.change.mean(axis=1), strict=True)),
    })
    rows = pd.concat([
        pd.DataFrame({"feature": own, "arm": arm, "partner": arms.chosen if arm == "matched" else None})
        for arm, own in vars(arms).items()
    ]).astype({"partner": "Int32"})
    compared = compare_arms(damage, features, arms, cells, seed=request.seed)
    notes = {
        "protocol": "calibrated", "method": "ablation", "dtype": PRECISION, "unit": "cell; p_features: feature",
        "masked": MASKED_SHARE, "n_hidden": int(damage.n_hidden.sum()), "flips": FLIPS, **asdict(request),
    }
    which = f"{layer:02d}"
    write_causal(run, "damage", which, rows.merge(means, on="feature"), layers=[layer], notes=notes)
    write_causal(run, "damage_arms", which, compared, layers=[layer], notes=notes)
    work.remove()
    return compared


def hubs(run: Run, layer: int, which: str, trace: str | None) -> np.ndarray:
    """The ``N`` sources of a trace whose out-degree exceeds the most what their firing explains (``hubs:N``).

    Raises
    ------
    UserError
        There is no such trace, several would do, or it has fewer sources.
    """
    known = trace_table(run)
    fits = (known["source_layer"] == layer) & (known["method"] == "ablation") & (known["control"] == "none")
    names = known.loc[fits & known["done"].astype(bool), "trace"].tolist()
    if trace is None and len(names) != 1:
        finds = f"`cellprism trace {run.path} --source {layer}` finds them"
        there = f"say which with `--trace`: {', '.join(names)}" if names else finds
        msg = f"{run.path} has {len(names)} traces by ablation from layer {layer}, and hubs need one: {there}."
        raise UserError(msg)
    reader = TraceReader(run, trace or names[0])
    degrees = reader.degrees()
    own = degrees[(degrees["side"] == "out") & (degrees["layer"] == layer)].sort_values("residual", ascending=False)
    number = which.removeprefix("hubs:")
    if not number.isdecimal() or not 1 <= int(number) <= len(own):
        msg = f"{which!r} names no hubs of layer {layer}: give hubs:N with N from 1 to {len(own)}."
        raise UserError(msg)
    return np.sort(own["feature"].to_numpy(np.int64)[: int(number)])
