"""The stage of annotation by rank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from cellprism.features.stages import background_sets, gene_set_files
from cellprism.runs.stage import Stage

if TYPE_CHECKING:
    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress

_RANK = 17


def annotate_by_rank(run: Run, layer: int | None, progress: Progress) -> dict[str, Any]:
    """Write tests of all genes of each feature against gene sets; empty tables unless asked for."""
    from cellprism.codes.reduce import gene_sums
    from cellprism.codes.store import CodeStore
    from cellprism.features import rank_annotate as room
    from cellprism.features.annotate import prepare
    from cellprism.features.stages import _alive
    from cellprism.runs.schemas import TABLES, empty

    assert layer is not None
    settings = run.config.annotation
    if not settings.rank_test:
        run.write("rank_annotations", empty(TABLES["rank_annotations"]), layer)
        run.write("rates", empty(TABLES["rates"]), layer, suffix="_rank")
        return {}
    genes = run.read("genes").dropna(subset="symbol")
    genes = genes[genes["n_seen"] >= settings.min_firings].assign(name=genes["symbol"].str.upper())
    genes = genes.sort_values(["name", "n_seen"], ascending=[True, False]).drop_duplicates("name")
    sets, _ = background_sets(settings, list(genes["name"]))
    problem = prepare({}, sets, genes["name"], min_size=settings.min_size, max_size=settings.max_size)
    alive, store = _alive(run, layer), CodeStore(run, layer)
    permutations = min(settings.permutations, room.MAX_PERMUTATIONS)
    with progress.bar(f"annotation by rank of layer {layer}", (1 + permutations) * len(alive), "feature") as done:
        sums = gene_sums(store, len(run.read("genes")), lambda _n: None)
        mean = sparse.diags(1 / np.maximum(sums.seen, 1)) @ sums.total
        score = mean.tocsr()[genes["gene"].to_numpy()].tocsc()[:, alive]
        ranking = room.Ranking(alive, score, room.strata(genes["n_seen"].to_numpy()), problem.membership)
        tests = room.rank_tests(ranking, done)
        rates = room.rank_rates(
            ranking, tests, q=settings.q, n_alive=len(alive), permutations=permutations,
            rng=np.random.default_rng([run.config.seed, layer, _RANK]), done=done,
        )
    notes = {"unit": "gene", "background": len(genes), "terms": len(problem.term), "family": tests.n_tests}
    run.write("rank_annotations", room.rank_table(problem, ranking, tests), layer, notes=notes)
    run.write("rates", rates, layer, suffix="_rank", notes=notes)
    return {"annotated_by_rank": float(rates["value"].iloc[0])}


RANK_ANNOTATE = Stage(
    "rank_annotate", annotate_by_rank, per_layer=True,
    inputs=("{layer}/codes", "positions", "{layer}/features.parquet", "genes.parquet"),
    outputs=("{layer}/rank_annotations.parquet", "{layer}/rates_rank.parquet"),
    config=(
        "annotation.rank_test", "annotation.gene_sets", "annotation.gene_names", "annotation.min_firings",
        "annotation.min_size", "annotation.max_size", "annotation.q", "annotation.permutations", "seed",
    ),
    external=gene_set_files,
)
