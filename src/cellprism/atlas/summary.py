"""One run on one page: model, cells, quality and rates per layer, findings, and where it all came from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cellprism.atlas.featuremap import map_names
from cellprism.atlas.morecolumns import more_columns
from cellprism.atlas.optional import absences
from cellprism.atlas.packing import clean, number
from cellprism.atlas.public import public
from cellprism.atlas.stories import stories
from cellprism.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from cellprism.atlas.circuits import Degrees
    from cellprism.atlas.dictionaries import Dictionaries
    from cellprism.reader import RunReader


def summary(reader: RunReader, identifier: str, dictionary: Dictionaries, edges: Degrees) -> dict[str, Any]:
    """Content of ``summary.jz`` of the run that the atlas calls ``identifier``; ``edges`` as of `edge_counts`."""
    config = reader.config
    facts = reader.run.model
    findings, told = _findings(reader, dictionary), stories(reader, dictionary)
    return {
        "id": identifier,
        "title": config.title,
        "seed": config.seed,
        "model": {
            "kind": facts["kind"],
            "name": facts["name"],
            "n_layers": facts["n_layers"],
            "d_model": facts["d_model"],
        },
        "absent": absences(reader),
        "cells": _cells(reader, facts),
        "background": {"min_seen": None if reader.run.absent("n_seen") else config.annotation.min_firings},
        "layers": [_layer(reader, layer, dictionary, edges) for layer in reader.layers],
        "findings": findings,
        "stories": told,
        "genes": dictionary.names({gene for row in [*findings, *told] for gene, _ in row["genes"]}),
        "provenance": _provenance(reader),
    }


def _cells(reader: RunReader, facts: dict[str, Any]) -> dict[str, Any]:
    cells = reader.cells()
    unlisted = reader.run.absent("cells") is not None
    return {
        "n_cells": None if unlisted else len(cells),
        "n_positions": facts["n_positions"] if unlisted else int(cells["n_tokens"].sum()),
        "n_genes": len(reader.genes()),
        "source": public(facts["source"]),
        "notes": facts["notes"],
    }


def _layer(reader: RunReader, layer: int, dictionary: Dictionaries, edges: Degrees) -> dict[str, Any]:
    features = reader.features(layer)
    rates, controls = reader.rates(layer), reader.controls()
    return {
        "layer": layer,
        "n_features": len(features),
        "n_alive": int((~features["dead"]).sum()),
        "n_rare": None if features["n_cells"].isna().all() else int(features["rare"].sum()),
        "n_annotated": int(features["label"].notna().sum()),
        "n_modules": len(reader.modules(layer)),
        "metrics": _records(reader.metrics(layer)),
        "rates": _records(rates.drop(columns="layer")),
        "controls": _records(controls[controls["layer"] == layer].drop(columns="layer")),
        "columns": list(more_columns(reader, layer, edges)),
        "map": clean(reader.run.notes("map", layer)),
        "names": map_names(features, dictionary),
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = table.to_dict("records")
    return [{str(k): number(v) if isinstance(v, float) else v for k, v in row.items()} for row in rows]


def _findings(reader: RunReader, dictionary: Dictionaries) -> list[dict[str, Any]]:
    found = reader.findings()
    genes = {layer: _means(reader.top_genes(layer)) for layer in found["layer"].unique()}
    return [
        {
            "layer": int(row["layer"]),
            "feature": int(row["feature"]),
            "term": dictionary.terms[row["source"], row["label"]],
            "q": number(row["q"]),
            "group": dictionary.groups[row["group_key"], row["group_value"]],
            "auroc": number(row["auroc"]),
            "genes": genes[row["layer"]][row["feature"]],
        }
        for row in found.to_dict("records")
    ]


def _means(top: pd.DataFrame) -> dict[int, list[list[Any]]]:
    """``[gene, mean activation]`` of each feature's top genes, in order of rank."""
    means: dict[int, list[list[Any]]] = {}
    top = top.sort_values(["feature", "rank"])
    for feature, gene, mean in zip(top["feature"].tolist(), top["gene"].tolist(), top["mean"].tolist(), strict=True):
        means.setdefault(feature, []).append([gene, number(mean)])
    return means


def _provenance(reader: RunReader) -> dict[str, Any]:
    path = reader.path / "manifest.json"
    if not path.exists():
        msg = f"{reader.path} has no manifest.json: finish the run first; see `cellprism status {reader.path}`."
        raise UserError(msg)
    markers = {p.stem: json.loads(p.read_text()) for p in (reader.path / "stages").glob("*.json")}
    ordered = sorted(markers.items(), key=lambda item: (item[1]["started"], item[0]))
    return {
        "environment": json.loads(path.read_text())["environment"],
        "config": clean(public(reader.config.model_dump(mode="json"))),
        "stages": [
            {"name": name, "started": m["started"], "seconds": m["seconds"], "outputs": m["outputs"]}
            for name, m in ordered
        ],
    }
