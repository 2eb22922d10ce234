"""Steering on a run: from a request to the tables ``switches``, ``steering`` and what belongs to them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cellprism.causal.markers import expression_levels
from cellprism.causal.ordering import EARLY, LATE, Ordering, order_cells
from cellprism.causal.parts import CHOOSE, MIN_CELLS, READ, STEER, split_cells
from cellprism.causal.profiles import cells_said
from cellprism.causal.readouts import PERMUTATIONS, Fitter, Readouts, judged_readouts
from cellprism.causal.requests import run_key
from cellprism.causal.setting import Site, firing_cells, needs_layer, run_site
from cellprism.causal.steer_tables import Result, arm_table, effect_table, gene_table, rate_table
from cellprism.causal.steering import Steered, Steerer, random_direction
from cellprism.causal.switches import ARMS, SHARE, G, Q, choose_switches, switch_table
from cellprism.causal.tables import write_causal
from cellprism.causal.work import Work
from cellprism.codes.reduce import cell_means
from cellprism.codes.store import CodeStore
from cellprism.errors import UserError
from cellprism.runs.lock import exclusive
from cellprism.runs.progress import Silent
from cellprism.runs.schemas import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress

MOST = 1500
"""Cells on which readouts are fitted, and on which they are judged, at most."""


@dataclass(frozen=True)
class SteerRequest:
    """What is asked for.

    Attributes
    ----------
    layer
        Layer of the features.
    along, order, root
        How cells are ordered; see `ordering.order_cells`.
    features
        On and off features, so many of each at most.
    cells
        Early cells for each feature, at most.
    alphas
        What activations are multiplied by; 0 ablates.
    seed
        Seed of everything that is drawn.
    """

    layer: int
    along: str | None = None
    order: tuple[str, ...] = ()
    root: tuple[str, str] | None = None
    features: int = 10
    cells: int = 40
    alphas: tuple[float, ...] = (0.0, 2.0, 5.0)
    seed: int = 0


@dataclass(frozen=True)
class _Job:
    """A feature to steer, and the early cells to steer it in."""

    feature: int
    arm: str
    partner: int | None
    cells: np.ndarray
    own: np.ndarray


def steer_run(run: Run, request: SteerRequest, progress: Progress | None = None) -> pd.DataFrame:
    """Amplify and ablate the features that switch along an order of cells in early cells; write tables in ``causal/``.

    Interrupted, it goes on with the features that are not steered yet.

    Returns
    -------
    Table ``steering_arms``.

    Raises
    ------
    UserError
        The run lacks what is asked for, cells are too few or in no order, or no feature of the layer switches.
    """
    with exclusive(run.path):
        return _steer(run, request, progress or Silent())


def _steer(run: Run, request: SteerRequest, progress: Progress) -> pd.DataFrame:
    layer, seed = request.layer, request.seed
    _check(request)
    needs_layer(run, layer)
    order = order_cells(run, along=request.along, order=request.order, root=request.root)
    for note in order.notes:
        progress.note(note)
    part, split_by = split_cells(order, run_donors(run), np.random.default_rng([seed, 41]))
    switches, jobs, found = _choose(run, request, order, part)
    site = run_site(run, layer)
    work = Work(run.file("causal") / f"steering_{layer:02d}.work", {
        "key": run_key(run, [layer]), "asked": asdict(request), "order": [order.name, order.place.tolist()],
    })
    readouts, judged, fitted = _readouts(site, order, part, seed, progress)
    steerer = Steerer(site, readouts, request.alphas)
    with progress.bar(f"steering layer {layer}", sum(_passes(job, request) for job in jobs), "pass") as advance:
        results = [_result(steerer, job, request, work, advance) for job in jobs]
    effects = effect_table(results, request.alphas, algebraic=layer == site.model.n_layers - 1, seed=seed)
    arms = arm_table(effects, seed=seed)
    symbols = site.tokens.genes["symbol"].fillna(site.tokens.genes["id"]).to_numpy(object)
    notes: dict[str, Any] = {
        "protocol": "calibrated", "unit": "cell (steering), feature (steering_arms)", "split_by": split_by,
        "order_name": order.name, "left_out": list(order.notes), "permutations": PERMUTATIONS,
        "family": int(effects["q"].notna().sum()), "family_arms": len(arms), "family_switches": len(switches),
        "switch_on": found["on"], "switch_off": found["off"], **fitted, **asdict(request),
    }
    for name, table in (
        ("switches", switches), ("steering", effects), ("steering_arms", arms), ("steering_readouts", judged),
        ("steering_genes", gene_table(results, max(request.alphas), symbols)),
    ):
        columns = list(TABLES[name].columns)
        write_causal(run, name, f"{layer:02d}", table[columns], layers=[layer], notes=notes)
    write_causal(run, "rates", f"steering_{layer:02d}", rate_table(effects, seed=seed), layers=[layer], notes=notes)
    work.remove()
    return arms[list(TABLES["steering_arms"].columns)]


def run_donors(run: Run) -> np.ndarray:
    """Donor of each cell of a run as an integer, negative where unknown."""
    return np.asarray(pd.factorize(run.read("cells")["donor"], sort=True)[0])


def _choose(
    run: Run, request: SteerRequest, order: Ordering, part: np.ndarray,
) -> tuple[pd.DataFrame, list[_Job], dict[str, int]]:
    """Table ``switches``, what to steer, and how many features switch on and off."""
    layer, n_cells = request.layer, len(part)
    own = part == CHOOSE
    means = cell_means(CodeStore(run, layer), n_cells, lambda _n: None)
    table = switch_table(means[own], order.group[own] == EARLY, order.group[own] == LATE)
    early = np.flatnonzero((part == STEER) & (order.group == EARLY))
    steerable = (means[early] > 0).sum(axis=0) >= MIN_CELLS
    frequency = run.read("features", layer).sort_values("feature")["frequency"].to_numpy()
    chosen, found = choose_switches(table, frequency, steerable, request.features)
    if not chosen["arm"].isin(ARMS).any():
        raise UserError(_no_switch(run, layer, order, table, found))
    top = run.read("top_genes", layer).groupby("feature")["gene"]
    genes = {int(str(feature)): np.unique(gene.to_numpy(np.int64)) for feature, gene in top}
    features = np.unique(chosen["feature"])
    shuffled = np.random.default_rng([request.seed, layer, 42]).permutation(early)
    fires = firing_cells(run, layer, features, n_cells)[shuffled]
    jobs = []
    for feature, arm, partner in chosen.itertuples(index=False, name=None):
        cells = shuffled[fires[:, np.searchsorted(features, feature)]][: request.cells]
        beside = int(partner) if arm == "matched" else None
        jobs.append(_Job(feature, arm, beside, cells, genes.get(feature, np.empty(0, np.int64))))
    return table.merge(chosen[["feature", "arm"]], on="feature", how="left"), jobs, found


def _no_switch(run: Run, layer: int, order: Ordering, table: pd.DataFrame, found: dict[str, int]) -> str:
    if sum(found.values()):
        return (
            f"{sum(found.values())} features of layer {layer} of {run.path} switch along {order.name}, but none "
            f"fires in {MIN_CELLS} early cells that can be steered: give more cells, or another layer."
        )
    fires = table[table["share_cells"] >= SHARE].sort_values("g", key=np.abs, ascending=False).head(1)
    said = [f"the best has g = {g:.2f}, q = {q:.2g}" for g, q in zip(fires["g"], fires["q"], strict=True)]
    return (
        f"no feature of layer {layer} of {run.path} switches along {order.name} with |g| of {G} and q < {Q} "
        f"({(said or ['none fires in 5 % of the cells'])[0]}): try another layer or order."
    )


def _readouts(
    site: Site, order: Ordering, part: np.ndarray, seed: int, progress: Progress,
) -> tuple[Readouts, pd.DataFrame, dict[str, Any]]:
    """Fit the readouts on the cells that read and judge them on those that are steered, the same for every layer."""
    rng = np.random.default_rng([seed, 46])
    fit, test = (np.sort(rng.permutation(np.flatnonzero(part == own))[:MOST]) for own in (READ, STEER))
    with progress.bar("reading cells", len(fit) + len(test), "cell") as advance:
        known, other = cells_said(site, fit, advance), cells_said(site, test, advance)
    fitter = Fitter(known, expression_levels(site.tokens, fit))
    with progress.bar("judging readouts", PERMUTATIONS, "permutation") as advance:
        readouts, judged = judged_readouts(
            fitter, other, fit_order=(order.group[fit], order.place[fit]),
            test_order=(order.group[test], order.place[test]), rng=rng, advance=advance,
        )
    symbols = site.tokens.genes["symbol"].fillna(site.tokens.genes["id"])
    return readouts, judged, {
        "cells_choose": int((part == CHOOSE).sum()), "cells_read": len(fit), "cells_judged": len(test),
        "late_markers": symbols.iloc[readouts.late_markers].tolist(),
        "early_markers": symbols.iloc[readouts.early_markers].tolist(),
    }


def _passes(job: _Job, request: SteerRequest) -> int:
    return len(job.cells) * len(request.alphas) * (2 if job.arm in ARMS else 1)


def _result(
    steerer: Steerer, job: _Job, request: SteerRequest, work: Work, advance: Callable[[int], None],
) -> Result:
    """A feature, steered now or in an earlier call."""
    name = f"feature_{job.feature}"
    kept = work.get(name)
    if kept is None:
        direction: torch.Tensor | None = None
        if job.arm in ARMS:
            rng = np.random.default_rng([request.seed, request.layer, 47, job.feature])
            direction = random_direction(steerer.site, rng)
        steered = steerer.steer(job.feature, job.cells, direction=direction, own=job.own, advance=advance)
        work.put(name, **vars(steered))
    else:
        advance(_passes(job, request))
        steered = Steered(**kept)
    return Result(job.feature, job.arm, job.partner, job.cells, steered)


def _check(request: SteerRequest) -> None:
    alphas = request.alphas
    if not alphas or len(set(alphas)) < len(alphas) or any(not 0 <= a < np.inf or a == 1 for a in alphas):
        said = ",".join(f"{a:g}" for a in alphas)
        msg = f"alphas {said!r} are no doses: give different numbers, 0 (which ablates) or more, not 1, such as 0,2,5."
        raise UserError(msg)
    if request.features < 1 or request.cells < MIN_CELLS:
        msg = (
            f"{request.features} features and {request.cells} cells cannot show an effect: ask for 1 feature or more, "
            f"and {MIN_CELLS} cells or more."
        )
        raise UserError(msg)
