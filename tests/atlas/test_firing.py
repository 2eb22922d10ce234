"""Degrees over several traces beside what is expected of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from cellprism.atlas.firing import HUBS, expected_degrees, firing_columns, hubs
from cellprism.atlas.traces import Trace
from cellprism.runs.schemas import TABLES, write_table

if TYPE_CHECKING:
    from pathlib import Path

LATER = 3
N = 50


@pytest.fixture
def degree() -> np.ndarray:
    """Edges to the features of the later layer, from both traces together."""
    return np.arange(N)[::-1] + 1


def traced(folder: Path, source: int, expected: np.ndarray, q: np.ndarray, *, n_targets: int | None = None) -> Trace:
    """A trace of a layer that says what is expected of the features of a later one."""
    folder.mkdir()
    write_table(folder / "degrees.parquet", TABLES["degrees"], pd.DataFrame({
        "side": "in", "layer": LATER, "feature": np.arange(len(expected)), "degree": 1, "supports": 1,
        "frequency": 0.01, "n_cells": 9, "expected": expected, "residual": 0.0, "z": 0.0, "p": 0.5, "q": q,
    }))
    return Trace(folder, "ablation", 0.0, source, (LATER,), 9, 9, n_targets, "float32", None)


def test_expectations_of_traces_that_read_the_same_layer_add_up(tmp_path: Path, degree: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    expected, q = rng.uniform(0, 9, (2, N)), rng.uniform(0, 1, (2, N))
    traces = [traced(tmp_path / str(i), i, expected[i], q[i]) for i in range(2)]
    found = expected_degrees(traces, "in", {LATER: degree})
    assert list(found) == [LATER]
    table = found[LATER]
    np.testing.assert_allclose(table["expected"], expected[0] + expected[1])
    np.testing.assert_array_equal(table["degree"], degree)
    np.testing.assert_allclose(table["residual"], np.log((1 + degree) / (1 + expected.sum(axis=0))))
    np.testing.assert_allclose(table["q"], np.minimum(1, 2 * q.min(axis=0)))
    assert expected_degrees(traces, "out", {0: degree}) == {}
    alone = expected_degrees(traces[:1], "in", {LATER: degree})[LATER]
    np.testing.assert_allclose(alone["q"], q[0])


def test_where_some_targets_were_read_nothing_is_expected(tmp_path: Path, degree: np.ndarray) -> None:
    whole = traced(tmp_path / "whole", 0, np.full(N, 2.0), np.full(N, 0.5))
    part = traced(tmp_path / "part", 1, np.full(N, 5.0), np.full(N, 1e-9), n_targets=7)
    assert expected_degrees([part], "in", {LATER: degree}) == {}
    assert expected_degrees([whole, part], "in", {LATER: degree}) == {}
    assert list(expected_degrees([whole], "in", {LATER: degree})) == [LATER]


def test_hubs_have_most_edges_or_the_smallest_q(tmp_path: Path, degree: np.ndarray) -> None:
    q = np.ones(N)
    q[N - 4], q[N - 1] = 0.01, 0.001
    table = expected_degrees([traced(tmp_path / "a", 0, np.full(N, 3.0), q)], "in", {LATER: degree})
    rows = hubs({LATER: degree}, table)
    named = {row[1]: row for row in rows}
    assert set(range(HUBS)) <= named.keys()
    assert named[N - 1][2:] == [1, 3.0, pytest.approx(np.log(2 / 4), abs=1e-3), 0.001]
    assert named[N - 4][5] == 0.01
    assert [row[2] for row in rows] == sorted((row[2] for row in rows), reverse=True)
    assert hubs({LATER: np.zeros(N, int)}, {}) == []
    assert hubs({1: degree}, {})[0] == [1, 0, N, None, None, None]


def test_columns_hold_the_table(tmp_path: Path, degree: np.ndarray) -> None:
    table = expected_degrees([traced(tmp_path / "a", 0, np.full(N, 3.0), np.ones(N))], "in", {LATER: degree})[LATER]
    columns = firing_columns(table)
    assert columns.keys() == {"feature", "degree", "expected", "residual", "q", "frequency"}
    np.testing.assert_array_equal(columns["degree"], degree)
    np.testing.assert_allclose(columns["residual"], table["residual"], atol=1e-3)
