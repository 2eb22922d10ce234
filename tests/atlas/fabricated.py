"""A complete run directory made of random numbers: small, written in a second, with every case that an atlas meets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from tests.atlas.fabricated_ablation import write_ablation
from tests.atlas.fabricated_results import write_regulation, write_steering

from cellprism.causal.requests import FORMAT, run_key
from cellprism.runs.config import parse_config
from cellprism.runs.directory import Run, create
from cellprism.runs.files import write_array
from cellprism.runs.manifest import write_manifest
from cellprism.runs.schemas import TABLES, empty, write_table

if TYPE_CHECKING:
    from pathlib import Path

LAYERS = (0, 2)
N_FEATURES = 70
N_CELLS = 40
N_GENES = 300
DEAD, RARE, BARE = 3, 5, 69
"""A feature that never fires, one that is rare, and one that fires but has no label, group, module or neighbour."""
NAMED = ("CD3D", "MS4A1", "GNLY", "LYZ", "HLA-DRA", "PPBP")
TERMS = tuple((f"library {i % 3}", f"term {i} (α–β)") for i in range(12))
GROUPS = (("batch", "one"), ("batch", "two"), ("cell type", "B cell"), ("cell type", "NK, \"natural\" <killer>"),
          ("cell type", "T cell"))


def write_run(
    path: Path, *, title: str = "Fabricated", seed: int = 0, n_features: int = N_FEATURES, traced: bool = True,
    n_genes: int = N_GENES,
) -> Path:
    """Write the run, with all that is found by editing features if ``traced``, and return its path.

    Genes beyond the first 300 have names as irregular as real ones, and are a top gene of no feature.
    """
    raw = {"title": title, "out": str(path), "seed": seed, "cells": {"path": "/secret/place/cells.h5ad"}}
    run = create(parse_config(raw))
    rng = np.random.default_rng(seed)
    model = {
        "kind": "geneformer", "name": "tiny", "n_layers": 3, "d_model": 16, "layers": list(LAYERS),
        "source": "/secret/place/cells.h5ad", "notes": ["counts recovered from normalised values"],
    }
    run.file("model.json").write_text(json.dumps(model))
    symbols = [*NAMED, *(f"GENE{i}" for i in range(N_GENES - len(NAMED)))]
    _cells(run, rng)
    more = np.random.default_rng(1).choice(np.arange(N_GENES, 300_000), n_genes - N_GENES, replace=False)
    ids = [*range(N_GENES), *np.sort(more)]
    _write(run, "genes", {
        "gene": np.arange(n_genes), "token": np.arange(n_genes) + 2, "id": [f"ENSG{i:011d}" for i in ids],
        "symbol": [*symbols, *_irregular(n_genes - N_GENES)],
        "n_seen": [*rng.integers(1, 40, N_GENES), *np.random.default_rng(2).integers(1, 9000, n_genes - N_GENES)],
    })
    positions = _positions(run, rng)
    for layer in LAYERS:
        _layer(run, layer, rng, symbols, n_features)
        _codes(run, layer, rng, positions, n_features)
    _flow(run, rng, n_features)
    _write(run, "controls", {
        "layer": list(LAYERS), "rate": "annotated", "value": 0.4, "n": 69, "unit": "feature", "null_mean": 0.05,
        "null_q95": 0.08, "control": "static_embedding", "control_layer": 0, "control_value": 0.3, "control_n": 60,
        "control_null_mean": 0.05, "control_null_q95": 0.08, "protocol": "calibrated",
    })
    write_array(run.file("tokens") / "gene.npy", np.arange(9))
    for layer in LAYERS:
        run.file("sae.safetensors", layer).write_bytes(bytes(9))
    if traced:
        _traces(run, rng, n_features)
        write_ablation(run, np.random.default_rng([seed, 1]), terms=TERMS, n_features=n_features)
        for layer in LAYERS:
            write_steering(run, layer, n_features, algebraic=layer == LAYERS[-1], seed=seed)
        write_regulation(run, LAYERS[-1], n_features, seed=seed)
    (path / "stages").mkdir()
    for i, name in enumerate(["tokens", "catalog.00", "catalog.02"]):
        outputs = {} if name == "tokens" else {f"layers/{name[-2:]}/features.parquet": "ab" * 32}
        marker = {"key": "k", "started": f"2026-01-01T00:00:0{i}Z", "seconds": 1.5, "outputs": outputs,
                  "sizes": {}, "inputs": [], "facts": {}, "environment": {}}
        (path / "stages" / f"{name}.json").write_text(json.dumps(marker))
    write_manifest(path, seed)
    return path


def _irregular(n: int) -> list[str]:
    """Names of two to four letters and a number."""
    rng = np.random.default_rng(3)
    letters, lengths, numbers = rng.integers(65, 91, (n, 4)), rng.integers(2, 5, n), rng.integers(1, 100, n)
    return [f"{bytes(row[:k].tolist()).decode()}{i}" for row, k, i in zip(letters, lengths, numbers, strict=True)]


def _cells(run: Run, rng: np.random.Generator) -> None:
    cells = np.arange(N_CELLS)
    run.write("cells", pd.DataFrame({
        "cell": cells, "name": [f"cell-{i}" for i in cells], "total": rng.integers(500, 900, N_CELLS).astype(float),
        "n_expressed": 60, "n_mapped": 50, "n_tokens": 50, "donor": None,
    }))
    kinds = [GROUPS[2:][i % 3][1] for i in cells]
    batches = [GROUPS[i % 2][1] for i in cells]
    _write(run, "cell_labels", {
        "cell": np.tile(cells, 2), "key": ["cell type"] * N_CELLS + ["batch"] * N_CELLS, "value": kinds + batches,
    })


def _layer(run: Run, layer: int, rng: np.random.Generator, symbols: list[str], n: int) -> None:
    features = np.arange(n)
    fired = rng.integers(20, 400, n)
    fired[DEAD], fired[RARE] = 0, 6
    alive = features[fired > 0]
    _write(run, "features", {
        "feature": features, "n_fired": fired, "frequency": fired / (N_CELLS * 50), "n_cells": np.minimum(fired, 40),
        "n_donors": None,
        "n_genes": np.minimum(fired, 30), "mean_value": np.where(fired > 0, 1.25, np.nan),
        "max_value": np.where(fired > 0, rng.uniform(2, 9, n), 0), "dead": fired == 0,
        "rare": (fired > 0) & (fired < 10),
    }, layer)
    genes = {f: rng.choice(N_GENES, 8, replace=False) for f in alive}
    top = pd.DataFrame([(f, rank, gene, symbols[gene]) for f in alive for rank, gene in enumerate(genes[f])],
                       columns=["feature", "rank", "gene", "symbol"])
    mean = np.tile(np.linspace(3, 1, 8), len(alive)) + rng.uniform(0, 0.1, len(top))
    run.write("top_genes", top.assign(seen=30, fired=20, mean=mean, sd=0.5, lower=mean - 0.2), layer)
    _write(run, "histograms", {
        "feature": np.repeat(alive, 24), "bin": np.tile(np.arange(24), len(alive)),
        "count": rng.integers(0, 50, 24 * len(alive)),
    }, layer)
    _annotations(run, layer, rng, genes, symbols)
    _groups_and_modules(run, layer, rng, alive)
    x, y = rng.normal(0, 3, (2, len(alive)))
    _write(run, "map", {"feature": alive, "x": x, "y": y}, layer,
           {"method": "UMAP", "metric": "cosine", "seed": 0, "trustworthiness": 0.93})
    rows = [(f, kind, rank, at, (f + step) % n, 0.9 - rank / 10, 0.4)
            for f in alive if f != BARE
            for kind, at in (("atom", layer), ("cofiring", layer), ("next", 2 - layer))
            for rank, step in enumerate((7, 11))]
    run.write("neighbours", pd.DataFrame(rows, columns=list(TABLES["neighbours"].columns)), layer)
    _write(run, "metrics", {"metric": ["explained_variance", "l0"], "value": [0.9, 32.0], "n": [2000, 2000],
                            "unit": "position"}, layer)
    _more(run, layer, rng, alive)
    for suffix, rate in (("_annotation", "annotated"), ("_modules", "cofiring_pairs"), ("_celltypes", "grouped")):
        run.write("rates", pd.DataFrame({
            "rate": [rate], "value": 0.4, "n": 69, "unit": "feature", "null_mean": 0.05, "null_q95": 0.08,
            "n_permutations": 20, "null": "genes shuffled between features", "protocol": "calibrated",
        }), layer, suffix=suffix)


def _more(run: Run, layer: int, rng: np.random.Generator, alive: np.ndarray) -> None:
    n = len(alive)
    gene = rng.uniform(0, 0.9, n)
    cell = rng.uniform(0, 1 - gene)
    _write(run, "variance", {"feature": alive, "gene": gene, "cell": cell, "rest": 1 - gene - cell,
                             "static": gene >= 0.8}, layer)
    _write(run, "alignment", {"feature": alive, "axis": alive % 7, "cosine": rng.uniform(0, 1, n)}, layer)
    _write(run, "string_density", {
        "feature": alive, "n_genes": 8, "n_in_network": 6, "edges": alive % 9, "expected": 2.5, "effect": 0.5,
        "p": 0.01, "q": 0.02,
    }, layer)
    _write(run, "stability", {
        "feature": alive, "n_seeds": 3, "cosine": 0.8, "same_atom": (alive % 4) / 3, "jaccard": 0.5,
        "null_jaccard": 0.1, "stability": (alive % 4) / 6,
    }, layer)
    bare = alive[alive % 3 == 0]
    _write(run, "unlabelled", {
        "feature": bare, "rank": np.arange(len(bare)), "n_layers": 1 + bare % 2,
        "reliability": rng.uniform(0, 1, len(bare)),
        "stability": rng.uniform(0, 1, len(bare)), "gene_cluster": pd.array([None] * len(bare), "Int32"),
        "module": pd.array([None] * len(bare), "Int32"), "labelled_in_module": 0, "nearest": 1,
        "nearest_term": TERMS[0][1], "cosine": 0.4,
    }, layer)


def _annotations(
    run: Run, layer: int, rng: np.random.Generator, genes: dict[int, np.ndarray], symbols: list[str]
) -> None:
    rows, labels = [], []
    for feature, own in genes.items():
        chosen = rng.choice(len(TERMS), 4, replace=False)
        p = np.sort(rng.uniform(1e-12, 1e-4, 4)) if feature % 3 and feature != BARE else np.full(4, 0.6)
        q = np.minimum(p * 20, 1.0)
        for term, one_p, one_q in zip(chosen, p, q, strict=True):
            overlap = [symbols[g] for g in own[:3]]
            rows.append((feature, *TERMS[term], 3, 8, 40, " ".join(overlap), 2.5, one_p, one_q))
        if q[0] < 0.05:
            labels.append((feature, *TERMS[chosen[0]], q[0], 4))
    for name, content in (("annotations", rows), ("labels", labels)):
        run.write(name, pd.DataFrame(content, columns=list(TABLES[name].columns)), layer)


def _groups_and_modules(run: Run, layer: int, rng: np.random.Generator, alive: np.ndarray) -> None:
    rows = []
    for feature in alive:
        significant = feature % 4 != 0 and feature != BARE
        for key, value in GROUPS:
            p = rng.uniform(0, 1e-3) if significant else 0.5
            rows.append((feature, key, value, 13, "cell", rng.uniform(0.3, 1), rng.normal(), p, min(1.0, 3 * p)))
    run.write("celltypes", pd.DataFrame(rows, columns=list(TABLES["celltypes"].columns)), layer)
    members = alive[(alive % 5 < 2) & (alive != BARE)]
    _write(run, "members", {"feature": members, "module": members % 5}, layer)
    sizes = [int((members % 5 == m).sum()) for m in (0, 1)]
    run.write("modules", pd.DataFrame({
        "module": [0, 1], "n_features": sizes, "n_edges": [40, 20], "stability": [0.9, np.nan],
        "source": [TERMS[0][0], None], "term": [TERMS[0][1], None], "n_members_with_term": pd.array([5, None], "Int32"),
        "p": [1e-6, np.nan], "q": [1e-5, np.nan],
    }), layer)
    run.write("cofiring", pd.DataFrame({
        "a": members[:-1], "b": members[1:], "count": 60, "pmi": 3.2, "p": 1e-8, "q": 1e-6,
    }), layer)


def _flow(run: Run, rng: np.random.Generator, n: int) -> None:
    """Every third feature goes on as the next one; every other fires with three of the later layer."""
    first, later = LAYERS
    alive = [f for f in range(n) if f != DEAD]
    on = {f: (f + 1) % n for f in alive if f % 3 == 0 and (f + 1) % n != DEAD}
    members = [(chain, first, f, np.nan) for chain, f in enumerate(alive)]
    chain_of = {f: chain for chain, f in enumerate(alive)}
    members += [(chain_of[f], later, to, 0.7 + f / 1000) for f, to in on.items()]
    new = [f for f in alive if f not in on.values()]
    members += [(len(alive) + i, later, f, np.nan) for i, f in enumerate(new)]
    frame = pd.DataFrame(members, columns=list(TABLES["chain_members"].columns)).sort_values(["chain", "layer"])
    run.write("chain_members", frame)
    run.write("chains", frame.groupby("chain").agg(
        first_layer=("layer", "min"), last_layer=("layer", "max"), n_layers=("layer", "size"),
        mean_cosine=("cosine", "mean"),
    ).reset_index().assign(kind="moderate"))
    rows = [(f, later, to, 50 + f, rng.uniform(3, 9), 1e-9, 1e-7)
            for f in alive[::2] for to in rng.choice(alive, 3, replace=False)]
    run.write("highways", pd.DataFrame(rows, columns=list(TABLES["highways"].columns)), first)
    run.write("highways", empty(TABLES["highways"]), later)


def _traces(run: Run, rng: np.random.Generator, n: int) -> None:
    """A trace of the first layer, a shorter one, one by another method, a control, and one that is not done."""
    first, later = LAYERS
    for name, method, control, sources, done in (
        ("00-ablation", "ablation", "none", range(n), True), ("00-ablation-top5", "ablation", "none", range(5), True),
        ("00-ig", "ig", "none", range(9), True), ("00-ablation-random0", "ablation", "random", range(n), True),
        ("01-ablation", "ablation", "none", range(n), False),
    ):
        folder = run.file("causal") / name
        folder.mkdir(parents=True)
        about = {"format": FORMAT, "source": first, "targets": [later], "method": method, "alpha": 0.0,
                 "asked": {"source": first, "method": method, "cells": N_CELLS, "control": control, "seed": 7},
                 "control": control, "replicate": 0, "key": run_key(run, LAYERS),
                 "features": list(sources), "cells": list(range(N_CELLS)), "target_features": None,
                 "dtype": "float32, low rank in bfloat16 elsewhere", "off_by": 0.002}
        (folder / "trace.json").write_text(json.dumps(about))
        if done:
            (folder / "facts.json").write_text("{}")
        pairs = [(s, t) for s in sources if s != DEAD for t in np.sort(rng.choice(n, s % 7, replace=False))]
        g = rng.choice([-1, 1], len(pairs)) * rng.uniform(0.5, 4, len(pairs))
        write_table(folder / "edges.parquet", TABLES["edges"], pd.DataFrame({
            "source": [s for s, _ in pairs], "target_layer": later, "target": [t for _, t in pairs], "effect": g / 9,
            "sd": 0.1, "g": g, "agreement": rng.uniform(0.7, 1, len(pairs)), "n_cells": 30, "n_nonzero": 25, "p": 1e-5,
            "q": 10 ** rng.uniform(-6, -1.4, len(pairs)), "sign": np.where(g < 0, 1, -1), "published": False,
            "replicated": rng.random(len(pairs)) < 0.5,
        }))
        _summaries(folder, [s for s, _ in pairs], [t for _, t in pairs])
        if control == "none":
            _controls(folder)
        if method == "ig":
            _table(folder, "agreement", {
                "target_layer": later, "sources": [9], "pairs": 300, "spearman": 0.75, "edges": 40,
                "estimated_edges": 50, "same_sign": 1.0, "recall": 0.8, "precision": 0.6,
            })


def _summaries(folder: Path, sources: list[int], targets: list[int]) -> None:
    """The tables that say how sure the edges of a trace are."""
    first, later = LAYERS
    own, theirs = (pd.Series(ends, dtype=int).value_counts().sort_index() for ends in (sources, targets))
    _table(folder, "sources", {
        "source": own.index, "target_layer": later, "n_cells": 30, "live": 60, "edges": own.to_numpy(), "supports": 1,
        "passing": own.to_numpy(), "null_passing": 0.1, "published": 1, "published_negative": 1,
    })
    _table(folder, "fdr", {
        "rule": ["calibrated", "thresholds", "calibrated:half", "published"], "g": [0.5, 1.0, 0.5, 0.5],
        "agreement": [0.7, 0.8, 0.7, 0.7], "edges": [len(sources), 9, 80, 70], "null_mean": [1.5, 0.5, 8.0, 30.0],
        "null_low": 0.0, "null_high": 3.0, "fdr": [0.01, 0.05, 0.1, 0.43], "fdr_low": 0.0, "fdr_high": 0.1,
        "n_permutations": 100,
    })
    null = {"p": 0.01, "n_permutations": 100, "null": "signs of cells flipped"}
    _table(folder, "trace_rates", {
        "rate": ["supports", "found_again", "supports", "size_kept", "edge_rate"],
        "target_layer": [-1, -1, -1, -1, later], "value": [0.6, 0.6, 0.8, 0.9, 0.1], "n": len(sources),
        "unit": ["edge", "effect", "edge", "effect", "live test"], "null_mean": [0.5, 0.5, 0.85, 0.0, 0.001],
        "null_q05": 0.4, "null_q95": 0.6, **null,
        "protocol": ["calibrated", "calibrated", "published", "calibrated", "calibrated"],
    })
    write_table(folder / "trace_rates_graph.parquet", TABLES["trace_rates"], pd.DataFrame({
        "rate": ["out_degree_by_frequency", "in_degree_by_frequency", "edges_sharing_a_term"],
        "target_layer": [-1, later, later], "value": [0.8, 0.7, 0.3], "n": 60, "unit": ["feature", "feature", "edge"],
        "null_mean": [0.0, 0.0, 0.15], "null_q05": -0.1, "null_q95": 0.2, **null, "protocol": "calibrated",
    }))
    degrees = [
        pd.DataFrame({"side": side, "layer": layer, "feature": counts.index, "degree": counts.to_numpy()})
        for side, layer, counts in (("out", first, own), ("in", later, theirs))
    ]
    whole = pd.concat(degrees, ignore_index=True).assign(supports=1, frequency=0.01, n_cells=30, expected=2.5)
    hub = whole["degree"] == 3
    _table(folder, "degrees", {
        **whole, "residual": np.log1p(whole["degree"]) - np.log1p(2.5), "z": 0.2, "p": 0.4,
        "q": np.where(hub, 0.001, 0.9),
    })


def _controls(folder: Path) -> None:
    """The same edits along other directions."""
    _table(folder, "direction_controls", {
        "control": ["none", "random", "feature"], "replicate": 0, "target_layer": LAYERS[1], "sources": 60,
        "edges": [200, 220, 190], "supports": 90, "passing": 200, "null_passing": 2.0, "published": 100,
        "more": [0, 20, 30], "fewer": [0, 35, 25], "p": [np.nan, 0.03, 0.6],
    })


def _table(folder: Path, name: str, columns: dict[str, object]) -> None:
    write_table(folder / f"{name}.parquet", TABLES[name], pd.DataFrame(columns))


def _positions(run: Run, rng: np.random.Generator) -> list[int]:
    """Two shards of whole cells with 50 genes each."""
    lengths = []
    for number, cells in enumerate(np.array_split(np.arange(N_CELLS, dtype=np.int32), 2)):
        genes = np.concatenate([rng.choice(N_GENES, 50, replace=False) for _ in cells]).astype(np.int32)
        write_array(run.file("positions") / f"cell.{number:05d}.npy", np.repeat(cells, 50))
        write_array(run.file("positions") / f"gene.{number:05d}.npy", genes)
        lengths.append(len(genes))
    return lengths


def _codes(run: Run, layer: int, rng: np.random.Generator, lengths: list[int], n_features: int) -> None:
    folder = run.file("codes", layer)
    write_array(folder / "n_features.npy", np.array(n_features))
    for number, length in enumerate(lengths):
        index = np.array([rng.choice(n_features, 4, replace=False) for _ in range(length)], np.uint16)
        write_array(folder / f"index.{number:05d}.npy", index)
        write_array(folder / f"value.{number:05d}.npy", rng.uniform(0, 2, index.shape).astype(np.float16))


def _write(
    run: Run, name: str, columns: dict[str, object], layer: int | None = None, notes: dict[str, object] | None = None
) -> None:
    run.write(name, pd.DataFrame(columns), layer, notes=notes)
