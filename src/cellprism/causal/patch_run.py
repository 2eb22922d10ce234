"""Patching on a run: from a request to the tables ``patching`` and ``rates``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from cellprism.causal.matching import (
    ROUNDS,
    MatchedGenes,
    expression_level,
    hidden_activation,
    match_genes,
    matching_covariates,
)
from cellprism.causal.patching import (
    Changes,
    Row,
    Source,
    compare,
    measure,
    measure_published,
    plan_rows,
    usable_cells,
)
from cellprism.causal.requests import PRECISION, choose_features, run_key
from cellprism.causal.setting import Site, firing_cells, needs_layer, run_site
from cellprism.causal.subjects import MIN_GENES, Subject, find_subjects
from cellprism.causal.tables import write_causal
from cellprism.causal.work import Work
from cellprism.errors import UserError
from cellprism.runs.lock import exclusive
from cellprism.runs.progress import Silent
from cellprism.runs.schemas import TABLES
from cellprism.stats.fdr import bh

if TYPE_CHECKING:
    from collections.abc import Callable

    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress

CONTROLS = 5
MIN_CELLS = 10
PERMUTATIONS = 9999
Q = 0.05


@dataclass(frozen=True)
class PatchRequest:
    """What is asked for: a layer, its features (see `requests.choose_features`), cells for each, and a seed."""

    layer: int
    features: str = "top:30"
    cells: int = 100
    seed: int = 0


@dataclass(frozen=True)
class _Job:
    """What will be measured for one feature; ``balance`` says how well its genes are matched on expression."""

    subject: Subject
    matched: MatchedGenes
    cells: np.ndarray
    rows: list[Row]
    balance: dict[str, float]


def patch_run(run: Run, request: PatchRequest, progress: Progress | None = None) -> pd.DataFrame:
    """Test whether features carry the genes of their terms, and write the tables in ``causal/``.

    Interrupted, it goes on with the features that are not measured yet.

    Returns
    -------
    Table ``patching``, smallest p first.

    Raises
    ------
    UserError
        The run lacks what is asked for, the model cannot hide genes, or no feature has enough genes to hold out.
    """
    with exclusive(run.path):
        return _patch(run, request, progress or Silent())


def _patch(run: Run, request: PatchRequest, progress: Progress) -> pd.DataFrame:
    layer = request.layer
    needs_layer(run, layer)
    subjects = find_subjects(run, layer, choose_features(run, layer, request.features, request.seed))
    if not subjects:
        msg = (
            f"no feature {request.features!r} of layer {layer} has a term with {MIN_GENES} genes beside its top genes: "
            "take more features, or gene sets with larger terms."
        )
        raise UserError(msg)
    site = run_site(run, layer)
    work = Work(run.file("causal") / f"patching_{layer:02d}.work", {
        "key": run_key(run, [layer]), "asked": asdict(request), "terms": [[s.feature, s.term] for s in subjects],
    })
    jobs = _jobs(run, site, request, subjects, _activation(site, request, subjects, work, progress))
    with progress.bar(f"patching layer {layer}", sum(map(_passes, jobs)), "pass") as advance:
        results = [_result(site, request.seed, job, work, advance) for job in jobs]
    rows, nulls = [row for row, _ in results], np.array([null for _, null in results])
    table = pd.DataFrame(rows).assign(q=lambda frame: bh(frame["p"].to_numpy()))
    table = table.sort_values(["p", "effect"], ignore_index=True)[list(TABLES["patching"].columns)]
    notes = {
        "protocol": "calibrated; columns published_*: published", "method": "ablation", "dtype": PRECISION,
        "unit": "cell (interval), gene set (p)", "family": len(table), "permutations": PERMUTATIONS,
        "left_out": len(subjects) - len(table), **asdict(request),
    }
    which = f"{layer:02d}"
    write_causal(run, "patching", which, table, layers=[layer], notes=notes)
    write_causal(run, "rates", f"patching_{which}", patching_rates(table, nulls), layers=[layer], notes=notes)
    work.remove()
    return table


def patching_rates(table: pd.DataFrame, nulls: np.ndarray) -> pd.DataFrame:
    """Shares of the tested features that carry their term, and that the papers would call specific, beside nulls.

    Parameters
    ----------
    table
        Table ``patching``.
    nulls
        Effect of every permuted gene set, shape ``(features, permutations)``; features in any order.
    """
    carries = ((table["q"] < Q) & (table["effect"] < 0)).mean()
    n = nulls.shape[1]
    size = np.abs(nulls)
    smaller = np.stack([np.searchsorted(np.sort(row), row - 1e-12) for row in size])
    null_p = (n - smaller) / n
    null = np.array([((bh(p) < Q) & (effect < 0)).mean() for p, effect in zip(null_p.T, nulls.T, strict=True)])
    return pd.DataFrame([{
        "rate": "carries_term", "value": carries, "n": len(table), "unit": "feature", "null_mean": null.mean(),
        "null_q95": np.quantile(null, 0.95), "n_permutations": n, "protocol": "calibrated",
        "null": "a random member of each match in place of the held-out gene; keeps expression and activation",
    }, {
        "rate": "specific", "value": (table["published_ratio"] > 1).mean(), "n": len(table), "unit": "feature",
        "null_mean": (table["published_random"] > 1).mean(), "null_q95": np.nan, "n_permutations": 1,
        "null": "a random direction, as far and at the same positions", "protocol": "published",
    }])


def _activation(
    site: Site, request: PatchRequest, subjects: list[Subject], work: Work, progress: Progress,
) -> np.ndarray:
    """Mean activation of each subject's feature at each gene while it is hidden, ``(genes, subjects)``."""
    kept = work.get("activation")
    if kept is None:
        rng = np.random.default_rng([request.seed, request.layer, 11])
        cells = np.sort(rng.permutation(len(site.tokens))[: request.cells])
        with progress.bar("activation at hidden genes", ROUNDS * len(cells), "pass") as advance:
            found = hidden_activation(
                site, cells, np.array([s.feature for s in subjects]), rng=rng, advance=advance,
            )
        work.put("activation", mean=found)
        return found
    return kept["mean"]


def _jobs(
    run: Run, site: Site, request: PatchRequest, subjects: list[Subject], activation: np.ndarray,
) -> list[_Job]:
    """Match genes and choose cells; features that fire in too few usable cells are left out."""
    level, share = expression_level(site.tokens)
    features = np.unique([s.feature for s in subjects])
    fires = firing_cells(run, request.layer, features, len(site.tokens))
    jobs = []
    for i, subject in enumerate(subjects):
        covariates = matching_covariates(level, share, activation[:, i])
        matched = match_genes(subject.held_out, subject.pool, covariates, controls=CONTROLS)
        own = fires[:, np.searchsorted(features, subject.feature)]
        rng = np.random.default_rng([request.seed, request.layer, 12, subject.feature])
        order = rng.permutation(np.flatnonzero(own))
        cells = usable_cells(site.tokens, order, matched, most=request.cells) if len(matched.gene) else order[:0]
        if len(cells) >= MIN_CELLS:
            held_out, control = matched.gene[matched.held_out], np.delete(matched.gene, matched.held_out)
            balance = {"level_held_out": level[held_out].mean(), "level_control": level[control].mean()}
            jobs.append(_Job(subject, matched, cells, plan_rows(site.tokens, cells, matched, rng), balance))
    if not jobs:
        msg = f"no feature fires in {MIN_CELLS} cells that read a held-out gene and a control: take more features."
        raise UserError(msg)
    return jobs


def _passes(job: _Job) -> int:
    return len(job.rows) + len(job.cells)


def _result(
    site: Site, seed: int, job: _Job, work: Work, advance: Callable[[int], None],
) -> tuple[dict[str, Any], np.ndarray]:
    """Row of the table and permuted effects of one feature, measured now or in an earlier call."""
    feature, layer = job.subject.feature, site.layer
    rng = np.random.default_rng([seed, layer, 13, feature])
    name = f"feature_{feature}"
    kept = work.get(name)
    if kept is None:
        direction = torch.from_numpy(rng.standard_normal(site.model.d_model).astype(np.float32))
        unit = torch.nn.functional.normalize(direction, dim=0).to(site.model.device)
        source = Source(feature, unit)
        changes = measure(
            site, source, job.rows, cells=job.cells, n_members=len(job.matched.gene), advance=advance,
        )
        published = measure_published(
            site, source, job.cells, top_genes=job.subject.top_genes, advance=advance,
        )
        kept = {**vars(changes), **{key: np.array(value) for key, value in published.items()}}
        work.put(name, **kept)
    else:
        advance(_passes(job))
    changes = Changes(*(kept[key] for key in ("score", "raw", "random", "activation")))
    rng = np.random.default_rng([seed, layer, 14, feature])
    row, null = compare(changes, job.matched, rng, permutations=PERMUTATIONS)
    published = {key: float(value) for key, value in kept.items() if key.startswith("published_")}
    return {
        "feature": feature, "source": job.subject.source, "term": job.subject.term, **row, **job.balance, **published,
    }, null
