"""Turn an atlas published as JSON (the sae-biology atlases of Geneformer and scGPT) into a run directory.

What such an atlas does not hold is listed in the run's ``absent.json`` with the reason, and nothing is made up for it.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cellprism.atlas.published_causes import write_patching, write_responses
from cellprism.atlas.published_flow import NO_CHAINS, PART, write_highways, write_persistence
from cellprism.errors import UserError
from cellprism.features.annotate import labels
from cellprism.runs.config import parse_config
from cellprism.runs.directory import Run, create
from cellprism.runs.files import sha256, write_json
from cellprism.runs.manifest import environment, write_manifest
from cellprism.runs.progress import Silent
from cellprism.runs.schemas import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cellprism.runs.progress import Progress

Q = 0.05
ROUNDED_TO_ZERO = 5e-7
"""Published q-values have six decimals; one shown as 0 is below this, and is stored as this bound."""
EDGES = "_edges"
"""Sources whose "p" is the density of a network among the genes: no test, so that they are left out."""
NOTES = (
    "Imported from a published atlas: every number is its authors', none was computed again.",
    "A gene's mean is over the positions where the feature fires; genes have no least number of firings and no bound.",
    "The q of a gene set is Benjamini-Hochberg within one feature, over gene sets that share two genes or more; a q "
    "that was published as 0 stands as 5e-7, below which it was rounded. The effect is log2 of the odds ratio.",
    "A feature's mean activation is the published mean over all positions divided by its frequency.",
    "Rows called pairwise_enrichment are left out: what was printed as their p is the density of a network.",
    "Cell types and tissues are those of other cells than the autoencoders were trained on: one-sided Fisher tests of "
    "the tenth of the cells in which a feature is strongest, cells as units whatever their donor.",
    PART,
)
ABSENT = {
    "cells": "the published atlas does not list its cells",
    "cell_labels": "the published atlas does not list its cells",
    "histograms": "the published atlas does not have the distribution of activations",
    "celltypes": "the published atlas tests cell types by the odds of being among a feature's strongest cells, which "
    "are no AUROC; they stand with each feature, as published",
    "neighbours": "the published atlas has no atoms to compare",
    "edges": "the published atlas has no edges between features",
    "cofiring": "the published atlas does not have the pairs behind its modules",
    "chains": NO_CHAINS,
    "chain_members": NO_CHAINS,
    "codes": "the published atlas does not have the activations",
    "module_terms": "the published atlas counts labels of the first 100 members instead of testing them",
    "n_seen": "the published atlas does not say how often a gene was seen",
    "embedding": "places are a layout of the modules, not an embedding: being near within a module means nothing",
}


def import_atlas(source: Path, out: Path, *, progress: Progress | None = None) -> Path:
    """Write a run directory of a published atlas.

    Parameters
    ----------
    source
        Directory of the atlas's JSON files: ``global_summary.json`` and ``layer_NN_features.json`` at least.
    out
        Run directory to write.
    progress
        Is told how far it has come.

    Returns
    -------
    pathlib.Path
        ``out``.

    Raises
    ------
    UserError
        A file is missing or is not such JSON, or ``out`` holds something else.
    """
    summary = _json(source, "global_summary.json")
    layers = [entry["layer"] for entry in summary["layers"]]
    run = create(parse_config({
        "title": f"Published atlas: {source.resolve().name}", "out": str(out),
        "model": {"kind": "published atlas", "path": str(source)}, "cells": {"path": str(source)}, "controls": [],
    }))
    started = time.time()
    features = {layer: _json(source, f"layer_{layer:02d}_features.json") for layer in layers}
    genes = _write_genes(run, source, features)
    modules = _json(source, "modules.json")
    with (progress or Silent()).bar("layers", len(layers), "layer") as done:
        without = []
        for entry in summary["layers"]:
            layer = entry["layer"]
            path = source / f"layer_{layer:02d}_annotations.json"
            annotated = _json(source, path.name) if path.exists() else None
            if annotated is None:
                without.append(layer)
            _write_layer(run, layer, features[layer], annotated, genes)
            _write_groups(run, layer, _optional(source, f"layer_{layer:02d}_celltypes.json"))
            _write_modules(run, layer, [module for module in modules if module["layer"] == layer])
            _write_map(run, layer, features[layer], _json(source, f"layer_{layer:02d}_positions.json"))
            _write_numbers(run, entry, features[layer])
            done(1)
    write_persistence(run, _optional(source, "cross_layer_tracking.json"))
    lacking = write_highways(run, layers, _optional(source, "cross_layer_graph.json"))
    lacking += [
        {"table": table, "layers": None, "reason": write(run, features, _optional(source, name))}
        for table, write, name in (
            ("patching", write_patching, "causal_patching.json"),
            ("perturbations", write_responses, "perturbation_response.json"),
        )
    ]
    write_json(run.file("absent.json"), [*_absences(without), *lacking])
    name = source.resolve().name
    write_json(run.file("model.json"), {
        "kind": "published atlas", "name": name, "n_layers": len(layers), "d_model": None, "layers": layers,
        "source": str(source), "notes": list(NOTES), "n_positions": _positions(features.values()),
    })
    _mark(run, started)
    return run.path


def _json(source: Path, name: str) -> Any:
    path = source / name
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        msg = f"no {name} in {source}: give the directory with the JSON files of a published atlas."
        raise UserError(msg) from None
    except ValueError:
        msg = f"{path} is not JSON: fetch the published atlas again."
        raise UserError(msg) from None


def _optional(source: Path, name: str) -> Any:
    return _json(source, name) if (source / name).exists() else None


def _write_genes(run: Run, source: Path, features: dict[int, list[dict[str, Any]]]) -> dict[str, int]:
    """Write the genes that any list names, and give their numbers."""
    symbols = {gene["n"] for rows in features.values() for row in rows for gene in row["tg"]}
    for layer in features:
        path = source / f"layer_{layer:02d}_annotations.json"
        if path.exists():
            symbols.update(gene["n"] for row in _json(source, path.name).values() for gene in row["genes"])
    names = sorted(symbols)
    run.write("genes", pd.DataFrame({
        "gene": range(len(names)), "token": None, "id": names, "symbol": names, "n_seen": None,
    }))
    return {name: i for i, name in enumerate(names)}


def _write_layer(
    run: Run, layer: int, rows: list[dict[str, Any]], annotated: dict[str, Any] | None, genes: dict[str, int]
) -> None:
    """Features, top genes, annotations and labels."""
    table = pd.DataFrame(rows)
    run.write("features", pd.DataFrame({
        "feature": table["i"], "n_fired": table["fc"], "frequency": table["f"], "n_cells": None, "n_donors": None,
        "n_genes": None, "mean_value": (table["ma"] / table["f"]).where(table["f"] > 0), "max_value": np.nan,
        "dead": table["d"], "rare": False,
    }), layer)
    lists = {row["i"]: row["tg"] for row in rows} | {int(i): row["genes"] for i, row in (annotated or {}).items()}
    top = [(feature, rank, genes[gene["n"]], gene["n"], gene.get("fc"), gene["a"])
           for feature, own in lists.items() for rank, gene in enumerate(own)]
    frame = pd.DataFrame(top, columns=["feature", "rank", "gene", "symbol", "fired", "mean"])
    frame["fired"] = frame["fired"].astype("Int64")
    run.write("top_genes", frame.assign(seen=None, sd=np.nan, lower=np.nan), layer)
    if annotated is None:
        named = table[(table["to"] != "none") & ~table["to"].str.endswith(EDGES)]
        run.write("labels", pd.DataFrame({
            "feature": named["i"], "source": named["to"], "term": named["lb"], "q": np.nan, "n_terms": named["na"],
        }), layer)
        return
    tests = _tests(annotated)
    run.write("annotations", tests, layer, notes={"protocol": "published", "unit": "gene"})
    run.write("labels", labels(tests, Q), layer)


def _tests(annotated: dict[str, Any]) -> pd.DataFrame:
    rows = []
    for feature, record in annotated.items():
        own = {gene["n"] for gene in record["genes"]}
        rows += [
            (int(feature), a["o"], a["t"], a["n"], len(own), None, " ".join(g for g in a["g"] if g in own),
             np.log2(a["or"]) if a["or"] else np.nan, np.nan, a["p"] or ROUNDED_TO_ZERO)
            for a in record["anns"] if not a["o"].endswith(EDGES)
        ]
    return pd.DataFrame(rows, columns=list(TABLES["annotations"].columns))


def _write_groups(run: Run, layer: int, published: dict[str, Any] | None) -> None:
    """Cell types and tissues of the cells in which a feature is strongest."""
    rows = [
        (int(feature), key, test[name], test.get("n"), np.log2(test["or"]) if test["or"] else np.nan, test["p"])
        for feature, record in (published or {"features": {}})["features"].items()
        for key, tests, name in (("cell_type", record["ct"], "c"), ("tissue", record["ti"], "t")) for test in tests
    ]
    table = pd.DataFrame(rows, columns=list(TABLES["published_groups"].columns))
    table = table.astype({"n_cells": "Int32"}).sort_values(["feature", "q"], kind="stable")
    run.write("published_groups", table, layer)


def _write_modules(run: Run, layer: int, modules: list[dict[str, Any]]) -> None:
    members = [(feature, module["id"]) for module in modules for feature in module["features"]]
    run.write("members", pd.DataFrame(members, columns=["feature", "module"]), layer)
    run.write("modules", pd.DataFrame({
        "module": [module["id"] for module in modules], "n_features": [len(module["features"]) for module in modules],
        "n_edges": None, "stability": np.nan, "source": None, "term": None, "n_members_with_term": None, "p": np.nan,
        "q": np.nan,
    }), layer)


def _write_map(run: Run, layer: int, rows: list[dict[str, Any]], positions: list[list[float]]) -> None:
    places = [(row["i"], *positions[row["i"]]) for row in rows if not row["d"]]
    notes: dict[str, object] = {
        "method": "module layout, not an embedding", "metric": None, "seed": None, "trustworthiness": None,
    }
    run.write("map", pd.DataFrame(places, columns=["feature", "x", "y"]), layer, notes=notes)


def _write_numbers(run: Run, entry: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    layer, alive = entry["layer"], sum(not row["d"] for row in rows)
    run.write("metrics", pd.DataFrame({
        "metric": ["explained_variance"], "value": entry["variance_explained"], "n": None, "unit": "position",
    }), layer)
    run.write("rates", pd.DataFrame({
        "rate": ["annotated"], "value": len(run.read("labels", layer)) / alive, "n": alive, "unit": "feature",
        "null_mean": np.nan, "null_q95": np.nan, "n_permutations": None, "null": "none was published",
        "protocol": "published",
    }), layer, suffix="_annotation")


def _absences(without_annotations: list[int]) -> list[dict[str, Any]]:
    absent: list[dict[str, Any]] = [
        {"table": table, "layers": None, "reason": reason} for table, reason in ABSENT.items()
    ]
    if without_annotations:
        absent.append({
            "table": "annotations", "layers": without_annotations,
            "reason": "the published atlas does not have the tests of this layer, only the label and five genes",
        })
    return absent


def _positions(features: Iterable[list[dict[str, Any]]]) -> int:
    """Positions: firings over frequency, where the frequency, published with six decimals, is largest."""
    most = max((row for rows in features for row in rows), key=lambda row: row["f"])
    return int(np.rint(most["fc"] / most["f"]))


def _mark(run: Run, started: float) -> None:
    """Say in the manifest what was written and when."""
    files = sorted(path for path in run.path.rglob("*.parquet"))
    write_json(run.file("stages") / "import.json", {
        "key": "import", "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(time.time() - started, 3),
        "outputs": {path.relative_to(run.path).as_posix(): sha256(path) for path in files}, "sizes": {}, "inputs": [],
        "facts": {}, "environment": environment(),
    })
    write_manifest(run.path, run.config.seed)
