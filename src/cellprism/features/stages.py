"""The stages of this room: what each reads and writes, and on which settings it depends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.runs.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cellprism.knowledge.gene_sets import GeneSets
    from cellprism.runs.config import AnnotationConfig, Config
    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress

_ANNOTATE, _MODULES, _CELLTYPES, _LAYOUT, _DENSITY = range(1, 6)


def catalog(run: Run, layer: int | None, progress: Progress) -> dict[str, Any]:
    """Write features, top genes and histograms of a layer."""
    import pandas as pd

    from cellprism.codes.reduce import gene_sums, groups_firing, histograms
    from cellprism.codes.store import CodeStore
    from cellprism.features import catalog as room

    genes = run.read("genes")
    store = CodeStore(run, _layer(layer))
    with progress.bar(f"catalog of layer {layer}", store.n_positions, "position") as done:
        sums = gene_sums(store, len(genes), done)
    settings = run.config.annotation
    donor = pd.factorize(run.read("cells").sort_values("cell")["donor"])[0]
    features = room.feature_table(sums, groups_firing(store, donor) if donor.max(initial=-1) >= 0 else None)
    top = room.top_genes(
        sums, genes["symbol"].to_numpy(object), min_firings=settings.min_firings, n_top=settings.top_genes,
        protocol=run.config.protocol,
    )
    score = "lower 95 % bound of the mean" if run.config.protocol == "calibrated" else "mean over firings"
    run.write("features", features, layer)
    run.write("top_genes", top, layer, notes={"score": score, "unit": "position", "protocol": run.config.protocol})
    run.write("histograms", room.histogram_table(histograms(store, sums.largest, room.BINS)), layer)
    return {"alive": int((~features["dead"]).sum()), "rare": int(features["rare"].sum())}


def annotate(run: Run, layer: int | None, progress: Progress) -> dict[str, Any]:
    """Write annotations, labels and the annotated share of a layer."""
    from cellprism.features import annotate as room

    settings = run.config.annotation
    lists, background = _lists(run, _layer(layer))
    sets, spelling = background_sets(settings, background)
    problem = room.prepare(lists, sets, background, min_size=settings.min_size, max_size=settings.max_size)
    n_alive = int((~run.read("features", layer)["dead"]).sum())
    with progress.bar(f"annotation of layer {layer}", problem.n_tests, "test") as done:
        table = room.annotation_frame(problem, run.config.protocol)
        rates = room.annotation_rates(
            problem, q=settings.q, n_alive=n_alive, permutations=settings.permutations,
            rng=_rng(run, layer, _ANNOTATE), protocol=run.config.protocol,
        )
        done(problem.n_tests)
    labels = room.labels(table, settings.q)
    notes = {
        "protocol": run.config.protocol, "unit": "gene", "background": problem.n_background,
        "terms": len(problem.term),
        "family": problem.n_tests if run.config.protocol == "calibrated" else len(table), "q": settings.q, **spelling,
    }
    run.write("annotations", room.stored_annotations(table, settings.q), layer, notes=notes)
    run.write("labels", labels, layer, notes=notes)
    run.write("rates", rates, layer, suffix="_annotation", notes=notes)
    return {"annotated": len(labels), "terms": len(problem.term)}


def string_density(run: Run, layer: int | None, progress: Progress) -> dict[str, Any]:
    """Write the links among the top genes of each feature, and their rate; empty tables without a network."""
    from cellprism.features import density as room
    from cellprism.knowledge.gene_sets import load_network
    from cellprism.runs.schemas import TABLES, empty

    settings = run.config.annotation
    if settings.network is None:
        run.write("string_density", empty(TABLES["string_density"]), layer)
        run.write("rates", empty(TABLES["rates"]), layer, suffix="_string")
        return {}
    lists, background = _lists(run, _layer(layer))
    network = load_network(settings.network, least_score=settings.network_score)
    with progress.bar(f"network of layer {layer}", room.POOL, "permutation") as done:
        problem = room.prepare(lists, network.genes, network.edges, background)
        null = room.null_tails(problem, _rng(run, layer, _DENSITY))
        done(room.POOL)
    table = room.density_table(problem, null)
    rates = room.density_rates(
        problem, table, null, q=settings.q, n_alive=len(_alive(run, _layer(layer))), permutations=settings.permutations
    )
    notes = {
        "unit": "gene", "family": len(table), "network": settings.network, "edges": int(problem.links.nnz // 2),
        "background": len(problem.kind), "permutations": room.POOL,
    }
    run.write("string_density", table, layer, notes=notes)
    run.write("rates", rates, layer, suffix="_string", notes=notes)
    return {"linked": int((table["q"] < settings.q).sum())}


def modules(run: Run, layer: int | None, progress: Progress) -> dict[str, Any]:
    """Write co-firing edges, modules, their members and rates of a layer."""
    from cellprism.codes.firings import StoredFirings
    from cellprism.codes.store import CodeStore
    from cellprism.features import modules as room

    settings = run.config.modules
    rng = _rng(run, layer, _MODULES)
    seeds: dict[str, Any] = {"seeds": settings.leiden_seeds, "min_features": settings.min_features}
    rule: dict[str, Any] = {"min_count": settings.min_count, "protocol": run.config.protocol}
    fired = StoredFirings(CodeStore(run, _layer(layer)))
    permutations = min(run.config.annotation.permutations, room.MAX_PERMUTATIONS)
    work = (1 + permutations) * fired.store.n_positions
    with progress.bar(f"modules of layer {layer} and null", work, "position") as done:
        edges, tested = room.cofiring_edges(fired, done, **rule)
        part = room.partition(edges, **seeds, rng=rng)
        null = []
        for _ in range(permutations):
            random_edges, random_tested = room.cofiring_edges(room.shifted(fired, rng), done, **rule)
            random_part = room.partition(random_edges, **seeds, rng=rng)
            null.append(room.shares(random_edges, random_part, random_tested))
    annotations = run.read("annotations", layer)
    annotations = annotations[annotations["q"] < run.config.annotation.q]
    notes = {
        "unit": f"block of cells ({tested.n_blocks})", "family": tested.n_tests, **rule,
        "method": "Leiden, modularity, PMI weights", "seeds": settings.leiden_seeds,
        "modularity": _number(part.modularity), "ari_between_seeds": _number(part.ari),
    }
    run.write("cofiring", edges, layer, notes=notes)
    run.write("modules", room.module_table(part, edges, annotations, tested.n_alive), layer, notes=notes)
    run.write("members", room.member_table(part), layer, notes=notes)
    rates = room.module_rates(
        room.shares(edges, part, tested), np.array(null), n_pairs=tested.n_tests, n_alive=tested.n_alive,
        protocol=run.config.protocol,
    )
    run.write("rates", rates, layer, suffix="_modules", notes=notes)
    return {"edges": len(edges), "modules": len(part.members)}


def celltypes(run: Run, layer: int | None, progress: Progress) -> dict[str, Any]:
    """Write the tests of features against groups of cells, and their rate, for a layer."""
    from cellprism.codes.reduce import cell_means
    from cellprism.codes.store import CodeStore
    from cellprism.features import celltypes as room

    cells = run.read("cells").set_index("cell")
    store = CodeStore(run, _layer(layer))
    with progress.bar(f"cell types of layer {layer}", store.n_positions, "position") as done:
        means = cell_means(store, len(cells), done)
    keys = room.read_keys(run.read("cell_labels"), cells["donor"])
    tests = room.cell_types(means, keys)
    permutations = run.config.annotation.permutations
    rates = room.cell_type_rates(means, keys, tests, permutations=permutations, rng=_rng(run, layer, _CELLTYPES))
    notes = {
        "by_cell": "Wilcoxon rank-sum", "by_donor": "larger p of paired t over donors and rank-sum stratified by donor",
        "family": len(tests),
    }
    run.write("celltypes", room.stored_tests(tests), layer, notes=notes)
    run.write("top_cells", room.top_cells(means), layer)
    run.write("rates", rates, layer, suffix="_celltypes", notes=notes)
    return {"tests": len(tests)}


def layout(run: Run, layer: int | None, progress: Progress) -> dict[str, Any]:
    """Write the map of a layer's live features."""
    import pandas as pd

    from cellprism.features import layout as room

    alive = _alive(run, _layer(layer))
    atoms = _atoms(run, _layer(layer))[alive]
    with progress.bar(f"map of layer {layer}", len(alive), "feature") as done:
        coordinates, method = room.layout(atoms, seed=run.config.seed)
        trust = room.trustworthiness(atoms, coordinates, _rng(run, layer, _LAYOUT))
        done(len(alive))
    notes = {"method": method, "metric": room.METRIC, "seed": run.config.seed, "trustworthiness": trust}
    run.write(
        "map", pd.DataFrame({"feature": alive, "x": coordinates[:, 0], "y": coordinates[:, 1]}), layer, notes=notes
    )
    return notes


def neighbours(run: Run, layer: int | None, progress: Progress) -> None:
    """Write the neighbours of all layers, which need the atoms of the layers beside them."""
    import pandas as pd

    from cellprism.features import neighbours as room

    layers = run.layers
    alive = {at: _alive(run, at) for at in layers}
    with progress.bar("neighbours", len(layers), "layer") as done:
        for i, at in enumerate(layers):
            places = {"atom": i, "previous": i - 1, "next": i + 1}
            others = {kind: layers[place] for kind, place in places.items() if 0 <= place < len(layers)}
            atoms = _atoms(run, at)[alive[at]]
            parts = [
                room.atom_neighbours(
                    atoms, alive[at], _atoms(run, other)[alive[other]], alive[other], layer=other, kind=kind
                )
                for kind, other in others.items()
            ]
            parts.append(room.cofiring_neighbours(run.read("cofiring", at), layer=at))
            table = pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
            table = table.sort_values(["feature", "kind", "rank"], kind="stable")
            run.write("neighbours", table, at, notes={
                "null": "closed form: largest absolute cosine with as many random directions as there are candidates"
            })
            done(1)


def background_sets(settings: AnnotationConfig, background: list[str]) -> tuple[GeneSets, dict[str, Any]]:
    """The gene sets of a run, spelled as ``background`` is; and what could not be spelled, for the notes."""
    from cellprism.knowledge.gene_sets import load_gene_sets, load_names
    from cellprism.knowledge.genes import translate

    sets = load_gene_sets(settings.gene_sets)
    if settings.gene_names is None:
        return sets, {}
    sets, found = translate(sets, background, load_names(settings.gene_names))
    return sets, {"unmapped_genes": list(found.unmapped), "ambiguous_genes": sorted(found.ambiguous)}


def gene_set_files(config: Config) -> Sequence[Path]:
    from cellprism.knowledge.gene_sets import gene_set_paths, locate

    names = config.annotation.gene_names
    return [*gene_set_paths(config.annotation.gene_sets), *([locate(names, "gene names")] if names is not None else [])]


def _network_files(config: Config) -> Sequence[Path]:
    from cellprism.knowledge.gene_sets import locate

    return [locate(config.annotation.network, "network")] if config.annotation.network is not None else []


def _lists(run: Run, layer: int) -> tuple[dict[Any, list[str]], list[str]]:
    """Top genes of each feature, and the background: genes seen often enough to be one; published: all that are one."""
    genes = run.read("genes")
    listed = run.read("top_genes", layer).dropna(subset="symbol")
    background = genes.loc[genes["n_seen"] >= run.config.annotation.min_firings, "symbol"].dropna()
    if run.config.protocol == "published":
        background = listed["symbol"].drop_duplicates()
    return {feature: list(symbols) for feature, symbols in listed.groupby("feature")["symbol"]}, list(background)


def _layer(layer: int | None) -> int:
    if layer is None:
        msg = "this stage runs on one layer at a time"
        raise ValueError(msg)
    return layer


def _rng(run: Run, layer: int | None, stage: int) -> np.random.Generator:
    return np.random.default_rng([run.config.seed, _layer(layer), stage])


def _alive(run: Run, layer: int) -> np.ndarray:
    features = run.read("features", layer)
    return features.loc[~features["dead"], "feature"].to_numpy()


def _atoms(run: Run, layer: int) -> np.ndarray:
    from safetensors import safe_open

    with safe_open(run.file("sae.safetensors", layer), framework="numpy") as tensors:
        return np.asarray(tensors.get_tensor("W_dec"))


def _number(value: float) -> float | None:
    """JSON knows no NaN."""
    return None if np.isnan(value) else value


CATALOG = Stage(
    "catalog", catalog, per_layer=True,
    inputs=("{layer}/codes", "positions", "genes.parquet", "cells.parquet"),
    outputs=("{layer}/features.parquet", "{layer}/top_genes.parquet", "{layer}/histograms.parquet"),
    config=("annotation.min_firings", "annotation.top_genes", "protocol"),
    version=2,
)
ANNOTATE = Stage(
    "annotate", annotate, per_layer=True,
    inputs=("{layer}/top_genes.parquet", "{layer}/features.parquet", "genes.parquet"),
    outputs=("{layer}/annotations.parquet", "{layer}/labels.parquet", "{layer}/rates_annotation.parquet"),
    config=(
        "annotation.gene_sets", "annotation.gene_names", "annotation.min_firings", "annotation.min_size",
        "annotation.max_size", "annotation.q", "annotation.permutations", "protocol", "seed",
    ),
    external=gene_set_files,
)
STRING_DENSITY = Stage(
    "string_density", string_density, per_layer=True,
    inputs=("{layer}/top_genes.parquet", "{layer}/features.parquet", "genes.parquet"),
    outputs=("{layer}/string_density.parquet", "{layer}/rates_string.parquet"),
    config=(
        "annotation.network", "annotation.network_score", "annotation.min_firings", "annotation.q",
        "annotation.permutations", "protocol", "seed",
    ),
    external=_network_files,
)
MODULES = Stage(
    "modules", modules, per_layer=True,
    inputs=("{layer}/codes", "positions", "{layer}/annotations.parquet"),
    outputs=(
        "{layer}/cofiring.parquet", "{layer}/modules.parquet", "{layer}/members.parquet",
        "{layer}/rates_modules.parquet",
    ),
    config=("modules", "annotation.q", "annotation.permutations", "protocol", "seed"),
    version=2,
)
CELLTYPES = Stage(
    "celltypes", celltypes, per_layer=True,
    inputs=("{layer}/codes", "positions", "cells.parquet", "cell_labels.parquet"),
    outputs=("{layer}/celltypes.parquet", "{layer}/top_cells.parquet", "{layer}/rates_celltypes.parquet"),
    config=("annotation.permutations", "seed"),
    version=2,
)
LAYOUT = Stage(
    "layout", layout, per_layer=True,
    inputs=("{layer}/sae.safetensors", "{layer}/features.parquet"),
    outputs=("{layer}/map.parquet",),
    config=("seed",),
    version=2,
)
NEIGHBOURS = Stage(
    "neighbours", neighbours,
    inputs=("{layer}/sae.safetensors", "{layer}/features.parquet", "{layer}/cofiring.parquet"),
    outputs=("{layer}/neighbours.parquet",),
)
