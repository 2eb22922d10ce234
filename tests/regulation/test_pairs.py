"""Pairs of genes predicted from edges: against a loop over edges, in planted worlds, and beside the margins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from tests.regulation.conftest import KNOCKED_OUT
from tests.regulation.test_screen import request

import cellprism
from cellprism.causal.requests import TraceRequest
from cellprism.causal.tracing import trace
from cellprism.regulation.pairs import GENES, measured_pairs, pair_rate, predicted_pairs
from cellprism.regulation.perturb_run import perturb_run
from cellprism.regulation.responses import Response

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.runs.directory import Run

SOURCE = 0


def test_predictions_are_those_of_a_loop_over_edges(run: Run, screen_file: Path) -> None:
    assert predicted_pairs(run, SOURCE).empty
    trace(run, TraceRequest(SOURCE, targets=(1,), features="random:3", cells=16))
    reader = cellprism.open_run(run.path)
    edges = reader.edges()
    assert len(edges)
    top = {
        layer: table[table["rank"] < GENES].groupby("feature")["symbol"].apply(list)
        for layer, table in ((layer, reader.top_genes(layer)) for layer in (0, 1))
    }
    sums: dict[tuple[str, str], list[float]] = {}
    for edge in edges.itertuples():
        for a in top[SOURCE].get(edge.source, []):
            for b in top[edge.target_layer].get(edge.target, []):
                if a != b:
                    own = sums.setdefault((a.upper(), b.upper()), [0.0, 0.0, 0])
                    own[0] -= edge.sign * abs(edge.g)
                    own[1] += abs(edge.g)
                    own[2] += 1
    found = predicted_pairs(run, SOURCE)
    assert len(found) == len(sums)
    for row in found.itertuples():
        change, size, n = sums[row.target, row.gene]
        assert (row.predicted, row.n_edges) == (pytest.approx(change / size), n)
    pairs = perturb_run(run, request(screen_file, layer=SOURCE)).gene_pairs
    pd.testing.assert_frame_equal(pairs.sort_index(axis=1), reader.gene_pairs(SOURCE).sort_index(axis=1),
                                  check_dtype=False)
    assert set(pairs["target"]) <= {KNOCKED_OUT, "CD79A"}


def response_of(t: np.ndarray) -> Response:
    n = len(t)
    p = np.where(np.abs(t) > 2, 0.01, 0.5)
    return Response(np.arange(n), np.zeros(n), t, t - 1, t + 1, t, p, 4, 9, 10.0)


@pytest.mark.parametrize(("right", "above"), [(0.9, True), (0.5, False)])
def test_signs_are_held_against_what_the_margins_give(right: float, above: bool) -> None:
    """Nine changes in ten are negative, and so are the predictions: most signs agree whatever is known."""
    rng = np.random.default_rng(0)
    names, genes = [f"P{i}" for i in range(6)], np.array([f"G{i}" for i in range(80)])
    t = np.where(rng.random((6, 80)) < 0.1, 3.0, -3.0) * np.where(rng.random((6, 80)) < 0.8, 1, 0.3)
    known = rng.random((6, 80)) < (right - 0.5) * 2
    sign = np.where(known, np.sign(t), np.where(rng.random((6, 80)) < 0.1, 1, -1))
    predicted = pd.DataFrame({
        "target": np.repeat(names, 80), "gene": np.tile(genes, 6), "predicted": 0.5 * sign.ravel(), "n_edges": 1,
    })
    pairs = measured_pairs(predicted, names, genes, [response_of(row) for row in t])
    assert len(pairs) == 480
    (rate,) = pair_rate(pairs, rng)
    assert rate["n"] == (np.abs(t) > 2).sum()
    assert rate["value"] > 0.75
    a, b = (sign[np.abs(t) > 2] > 0).mean(), (t[np.abs(t) > 2] > 0).mean()
    assert rate["null_mean"] == pytest.approx(a * b + (1 - a) * (1 - b), abs=0.01)
    assert (rate["value"] > rate["null_q95"]) == above
    assert pair_rate(pairs[:0], rng) == []
