"""Stages that compare directions: atoms with the principal axes of their layer, and with atoms of the next layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.runs.files import write_array
from cellprism.runs.stage import Stage

if TYPE_CHECKING:
    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress

SAMPLE = 50_000
_ALIGNMENT, _UNLABELLED = 11, 14


def axes(run: Run, layer: int | None, progress: Progress) -> dict[str, Any]:
    """Write the principal axes of a sample of residuals, and what they and the autoencoder explain with equal terms."""
    import pandas as pd
    import torch

    from cellprism.features import svd as room
    from cellprism.sae.files import load
    from cellprism.sae.metrics import explained_variance, mean_active

    assert layer is not None
    sample, held_out = (_residuals(run, layer, part) for part in ("train", "held_out"))
    centre = sample.mean(axis=0, dtype=np.float64)
    with progress.bar(f"principal axes of layer {layer}", len(sample), "position") as done:
        vectors, share = room.principal_axes(sample, centre)
        done(len(sample))
    sae = load(run.file("sae.safetensors", layer))
    x = torch.from_numpy(held_out)
    with torch.inference_mode():
        codes = sae.encode(x)
        by_sae = explained_variance(x, sae.decode(codes))
    active = mean_active(codes.value)
    terms = min(max(1, round(active)), len(vectors))
    adaptive, fixed = room.explained_by_axes(held_out, centre, vectors, terms)
    n = min(room.AXES, len(vectors))
    rows = [
        ("autoencoder", active, by_sae), ("axes, the largest of each position", terms, adaptive),
        ("axes, the first at all positions", terms, fixed),
        (f"axes, the first {n}", n, room.explained_by_axes(held_out, centre, vectors, n)[1]),
    ]
    run.write("explained", pd.DataFrame(rows, columns=["method", "terms", "explained_variance"]), layer, notes={
        "unit": "position", "n": len(held_out), "sample": len(sample), "variance_of_axes": share[:n].tolist(),
    })
    write_array(run.file("axes.npy", layer), vectors[:n].astype(np.float32))
    return {"autoencoder": by_sae, "axes": adaptive}


def alignment(run: Run, layer: int | None, progress: Progress) -> dict[str, Any]:
    """Write the axis nearest to each feature, and rates of alignment with their nulls."""
    from cellprism.features import svd as room
    from cellprism.features.stages import _alive, _atoms

    assert layer is not None
    features = _alive(run, layer)
    atoms, vectors = _atoms(run, layer)[features], np.load(run.file("axes.npy", layer))
    table = room.alignment_table(features, atoms, vectors)
    permutations = run.config.annotation.permutations
    with progress.bar(f"alignment of layer {layer}", permutations, "permutation") as done:
        rates = room.alignment_rates(
            table, run.read("labels", layer)["feature"].to_numpy(), dimensions=vectors.shape[1], n_axes=len(vectors),
            permutations=permutations, rng=np.random.default_rng([run.config.seed, layer, _ALIGNMENT]),
            protocol=run.config.protocol,
        )
        done(permutations)
    notes = {"axes": len(vectors), "thresholds": room.THRESHOLDS, "protocol": run.config.protocol}
    run.write("alignment", table, layer, notes=notes)
    run.write("rates", rates, layer, suffix="_alignment", notes=notes)
    return {"aligned": int((table["cosine"] >= room.THRESHOLDS[run.config.protocol]).sum())}


def tracking(run: Run, _layer: int | None, progress: Progress) -> dict[str, Any]:
    """Write chains of features over the layers, their members, and the share that goes on from each layer."""
    from cellprism.features import tracking as room
    from cellprism.features.stages import _alive, _atoms
    from cellprism.runs.schemas import TABLES, empty

    layers = run.layers
    alive = {at: _alive(run, at) for at in layers}
    best = {}
    with progress.bar("tracking", len(layers), "layer") as done:
        for i, at in enumerate(layers):
            if i + 1 == len(layers):
                run.write("rates", empty(TABLES["rates"]), at, suffix="_tracking")
            else:
                following = layers[i + 1]
                atoms = _atoms(run, at)[alive[at]]
                best[at] = room.best_matches(atoms, _atoms(run, following)[alive[following]])
                rates = room.tracking_rates(best[at], len(alive[following]), atoms.shape[1])
                run.write("rates", rates, at, suffix="_tracking", notes={"next_layer": following})
            done(1)
    chains, members = room.chain_tables(layers, alive, best)
    notes = {
        "threshold": room.THRESHOLD, "match": "mutual best absolute cosine of atoms",
        "kinds": chains["kind"].value_counts().to_dict(),
    }
    run.write("chains", chains, notes=notes)
    run.write("chain_members", members, notes=notes)
    return {"chains": len(chains), "over_all_layers": int((chains["n_layers"] == len(layers)).sum())}


def unlabelled(run: Run, layer: int | None, progress: Progress) -> dict[str, Any]:
    """Write the features without a label, the company they keep, clusters of those that share genes, and rates."""
    import pandas as pd

    from cellprism.features import unlabelled as room
    from cellprism.features.gene_clusters import MAX_PERMUTATIONS, gene_clusters
    from cellprism.features.stages import _alive, _atoms
    from cellprism.features.tracking import best_matches

    assert layer is not None
    alive, labels, members = _alive(run, layer), run.read("labels", layer), run.read("members", layer)
    labelled = labels["feature"].to_numpy()
    atoms = _atoms(run, layer)
    nearest = best_matches(atoms[np.setdiff1d(alive, labelled)], atoms[labelled])
    chained = run.read("chain_members").merge(run.read("chains")[["chain", "n_layers"]], on="chain")
    span = chained[chained["layer"] == layer].set_index("feature")["n_layers"]
    stability = run.read("stability", layer).set_index("feature")["stability"]
    top_genes, settings = run.read("top_genes", layer), run.config.modules
    permutations, rng = run.config.annotation.permutations, np.random.default_rng([run.config.seed, layer, _UNLABELLED])
    table = room.unlabelled_table(
        run.read("features", layer), labels, members, top_genes, span, nearest, stability
    )
    company = room.company_rates(alive, labelled, members, permutations=permutations, rng=rng)
    work = min(permutations, MAX_PERMUTATIONS)
    with progress.bar(f"gene clusters of layer {layer} and null", work, "permutation") as done:
        clusters, home, clustered = gene_clusters(
            top_genes, table["feature"].to_numpy(), seeds=settings.leiden_seeds, min_features=settings.min_features,
            permutations=permutations, rng=rng, done=done,
        )
    notes: dict[str, object] = {"method": "Leiden, modularity, weights Jaccard index", "unit": "gene"}
    run.write("unlabelled", table.assign(gene_cluster=table["feature"].map(home).astype("Int32")), layer)
    run.write("gene_clusters", clusters, layer, notes=notes)
    run.write("rates", pd.concat([company, clustered], ignore_index=True), layer, suffix="_unlabelled")
    return {"unlabelled": len(table), "gene_clusters": len(clusters)}


def _residuals(run: Run, layer: int, part: str) -> np.ndarray:
    """Evenly chosen rows, at most `SAMPLE`, of sampled residuals (bfloat16 bits) as float32; others are not read."""
    bits = np.load(run.file("residuals", layer) / f"{part}.npy", mmap_mode="r").view(np.uint16)
    bits = bits[:: max(1, -(-len(bits) // SAMPLE))]
    return np.asarray((bits.astype(np.uint32) << 16).view(np.float32))


AXES = Stage(
    "axes", axes, per_layer=True,
    inputs=("{layer}/residuals", "{layer}/sae.safetensors"),
    outputs=("{layer}/axes.npy", "{layer}/explained.parquet"),
)
ALIGNMENT = Stage(
    "alignment", alignment, per_layer=True,
    inputs=("{layer}/axes.npy", "{layer}/sae.safetensors", "{layer}/features.parquet", "{layer}/labels.parquet"),
    outputs=("{layer}/alignment.parquet", "{layer}/rates_alignment.parquet"),
    config=("annotation.permutations", "protocol", "seed"),
)
TRACKING = Stage(
    "tracking", tracking,
    inputs=("{layer}/sae.safetensors", "{layer}/features.parquet"),
    outputs=("chains.parquet", "chain_members.parquet", "{layer}/rates_tracking.parquet"),
    version=2,
)
UNLABELLED = Stage(
    "unlabelled", unlabelled, per_layer=True,
    inputs=(
        "{layer}/sae.safetensors", "{layer}/features.parquet", "{layer}/top_genes.parquet", "{layer}/labels.parquet",
        "{layer}/members.parquet", "{layer}/stability.parquet", "chains.parquet", "chain_members.parquet",
    ),
    outputs=("{layer}/unlabelled.parquet", "{layer}/gene_clusters.parquet", "{layer}/rates_unlabelled.parquet"),
    config=("annotation.permutations", "modules.leiden_seeds", "modules.min_features", "seed"),
    version=2,
)
