"""What a published atlas says of patched features and of responses to perturbations, and of which layer they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from cellprism.runs.schemas import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cellprism.runs.directory import Run

ROUNDING = 6e-5
"""Frequencies of patched features have four decimals."""
NO_LAYER = "the published file does not say of which layer its features are, and they fit none alone"
AS_PUBLISHED = (
    "the published numbers ask for the feature's own top genes, which were not hidden; they stand apart, as published"
)
NO_TEST = "the published responses are differences of means over positions, untested; they stand apart, as published"

Features = dict[int, list[dict[str, Any]]]


def write_patching(run: Run, features: Features, published: dict[str, Any] | None) -> str:
    """Write ``published_patching`` of the layer whose frequencies are those of the file.

    Returns
    -------
    Why the run has no table ``patching``.
    """
    if published is None:
        return "the published atlas has no patched features"
    rows = published["features"]
    layer = published.get("layer", _only(features, lambda own: all(
        row["i"] in own and "af" in row and abs(own[row["i"]]["f"] - row["af"]) < ROUNDING for row in rows
    )))
    if layer is None:
        return NO_LAYER
    run.write("published_patching", pd.DataFrame({
        "feature": [row["i"] for row in rows], "term": [row.get("lb") for row in rows],
        **{name: [row[short] for row in rows] for name, short in (("own", "td"), ("other", "od"), ("ratio", "sr"))},
    }), layer)
    return AS_PUBLISHED


def write_responses(run: Run, features: Features, published: dict[str, Any] | None) -> str:
    """Write ``published_responses`` of the layer of which just those features have no label that the file calls so.

    Returns
    -------
    Why the run has no table ``perturbations``.
    """
    if published is None:
        return "the published atlas has no responses to perturbations"
    targets = published["targets"]
    named = [(row["i"], row["lb"] != "unlabeled") for target in targets for row in target["top"]]
    layer = published.get("layer", _only(features, lambda own: all(
        feature in own and (own[feature]["na"] > 0) == labelled for feature, labelled in named
    )))
    if layer is None:
        return NO_LAYER
    rows = [
        (target["gene"], target["tf"], target["nk"], target["nr"], target["ns"], row.get("i"), row.get("es"))
        for target in targets for row in target["top"] or [{}]
    ]
    table = pd.DataFrame(rows, columns=list(TABLES["published_responses"].columns)).astype({"feature": "Int32"})
    run.write("published_responses", table, layer)
    return NO_TEST


def _only(features: Features, fits: Callable[[dict[int, dict[str, Any]]], bool]) -> int | None:
    """The layer whose features, by number, fit, if there is just one."""
    found = [layer for layer, rows in features.items() if fits(_by_number(rows))]
    return found[0] if len(found) == 1 else None


def _by_number(rows: Iterable[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    return {row["i"]: row for row in rows}
