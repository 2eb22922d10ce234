"""What features do when a gene is perturbed, and whether known targets answer first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.atlas.as_published import perturbed
from cellprism.atlas.columns import pack_columns
from cellprism.atlas.featuremap import rounded
from cellprism.atlas.packing import number, pack_json
from cellprism.atlas.results import called, has_result, records, result, result_layers, result_notes, rounded_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from cellprism.atlas.dictionaries import Dictionaries
    from cellprism.reader import RunReader

FOLDER = "regulation"
Q = 0.05
"""A feature responds below this q."""
TOP = 200
"""Features of a perturbation that are listed; the columns have all."""
SHOWN = 8
"""Perturbations on a feature's page."""
HEAT_FEATURES, HEAT_TARGETS = 40, 60
P_STEP = 100
RESPONSE = ("control", "effect", "low", "high", "t", "p", "q")


def regulation_files(reader: RunReader, dictionary: Dictionaries) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every file under ``regulation/``; see ``docs/atlas-format.md``."""
    index = []
    layers, outdated = result_layers(reader, FOLDER, "perturbations")
    for layer in layers:
        table = result(reader, FOLDER, "perturbations", layer)
        table = table.sort_values(["responding", "target"], ascending=[False, True], ignore_index=True)
        responses = result(reader, FOLDER, "responses", layer)
        parts = dict(iter(responses.sort_values(["p", "feature"]).groupby("target")))
        none = responses.iloc[:0]
        name_of = called(reader, layer, dictionary)
        folder = f"regulation/L{layer:02d}"
        for i, target in enumerate(table["target"]):
            part = parts.get(target, none)
            yield f"{folder}/{i}.bin", pack_columns(_columns(part.sort_values("feature")))
            top = part.head(TOP)
            rows = zip(top["feature"].tolist(), rounded_rows(top, RESPONSE), strict=True)
            yield f"{folder}/{i}.jz", pack_json([[feature, *name_of(feature), *values] for feature, values in rows])
        targets = table["target"].tolist()
        factors = result(reader, FOLDER, "tf_targets", layer).sort_values(["p", "target", "source"])
        yield f"{folder}/all.jz", pack_json({
            "perturbations": records(table), "factors": records(factors),
            "rates": records(result(reader, FOLDER, "rates", layer)),
            "heat": _heat(responses, targets[:HEAT_TARGETS], name_of),
        })
        index.append({
            "layer": layer, "n_perturbations": len(table), "n_factors": len(factors),
            "n_features": int(responses["feature"].nunique()), "n_tests": len(responses),
            "notes": result_notes(reader, FOLDER, "perturbations", layer),
        })
    yield "regulation/index.jz", pack_json({
        "layers": index, "outdated": outdated, "published": perturbed(reader),
    })


def responses_of(reader: RunReader, layer: int) -> dict[int, list[Any]]:
    """Feature to ``[perturbations it was tested in, those it responds to, [[target, effect, low, high, t, q], ...]]``.

    The perturbations are those with the smallest p, `SHOWN` at most.
    """
    if not has_result(reader, FOLDER, "perturbations", layer):
        return {}
    table = result(reader, FOLDER, "responses", layer)
    responding = table[table["q"] < Q].sort_values(["feature", "p", "target"])
    top = responding.groupby("feature").head(SHOWN)
    strongest: dict[int, list[list[Any]]] = {}
    values = rounded_rows(top, ("effect", "low", "high", "t", "q"))
    for feature, target, row in zip(top["feature"].tolist(), top["target"], values, strict=True):
        strongest.setdefault(feature, []).append([target, *row])
    tested, counts = table["feature"].value_counts().sort_index(), responding["feature"].value_counts()
    return {
        feature: [n, int(counts.get(feature, 0)), strongest.get(feature, [])]
        for feature, n in zip(tested.index.tolist(), tested.tolist(), strict=True)
    }


def _columns(part: pd.DataFrame) -> dict[str, np.ndarray]:
    """All features of a perturbation, in few bits: the effect to 8 bits, -log10 of p to 0.01, and who responds."""
    p = np.clip(np.rint(-P_STEP * np.log10(np.maximum(part["p"].to_numpy(float), 1e-300))), 0, 65535)
    return {
        "feature": part["feature"].to_numpy("u4"), "effect": rounded(part["effect"], bits=8),
        "p": np.nan_to_num(p).astype("u2"), "responds": (part["q"] < Q).to_numpy("u1"),
    }


def _heat(responses: pd.DataFrame, targets: list[str], name_of: Any) -> dict[str, Any]:
    """Signed t of the features that respond most strongly, those together that respond most to the same perturbation.

    ``t`` has a row for each perturbation and a number for each feature, None where it was not tested.
    """
    shown = responses[responses["target"].isin(targets)]
    strongest = shown[shown["q"] < Q].groupby("feature")["t"].agg(lambda t: t.abs().max())
    chosen = strongest.sort_values(ascending=False, kind="stable").index[:HEAT_FEATURES].tolist()
    table = shown[shown["feature"].isin(chosen)].pivot_table(index="target", columns="feature", values="t")
    table = table.reindex(index=targets, columns=chosen)
    size = table.abs().fillna(0).to_numpy(float)
    chosen = [chosen[i] for i in np.lexsort((-size.max(axis=0), size.argmax(axis=0)))] if targets else []
    table = table[chosen]
    rows = [[number(value, 3) for value in row] for row in table.to_numpy(float).tolist()]
    return {"targets": targets, "features": [[int(f), *name_of(int(f))] for f in chosen], "t": rows}
