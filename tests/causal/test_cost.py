from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cellprism.causal import cost
from cellprism.causal.cost import firing_counts, source_blocks, trace_cost
from cellprism.causal.requests import TraceRequest, checked_sources, resolve
from cellprism.codes.store import CodeStore

if TYPE_CHECKING:
    from cellprism.runs.directory import Run

ASKED = TraceRequest(source=1, targets=(3,), cells=9)


def test_firing_counts_are_those_of_a_loop(run: Run) -> None:
    cells = np.array([2, 5, 23])
    expected = np.zeros((3, 128), int)
    for shard in CodeStore(run, 1).shards():
        for cell, index, value in zip(shard.cell, shard.codes.index, shard.codes.value, strict=True):
            if cell in cells:
                expected[cells.tolist().index(cell), index[value > 0]] += 1
    assert np.array_equal(firing_counts(run, 1, cells).toarray(), expected)


def test_the_work_of_ablation_is_that_of_every_pass(run: Run) -> None:
    trace = resolve(run, ASKED)
    found = trace_cost(run, trace)
    places = firing_counts(run, 1, trace.cells).toarray()[:, trace.features]
    d, f = 128, 128
    work = 0.0
    for row, t in enumerate(run.read("cells")["n_tokens"].to_numpy()[trace.cells]):
        for p in places[row][places[row] > 0]:
            work += t * (24 * d * d + 4 * d * t) + 4 * d * d * t + p * (20 * d * d + 4 * d * t) + 2 * p * d * f
        work += t * (4 * (24 * d * d + 4 * d * t) + 2 * d * f)
    assert found.passes == (places > 0).sum()
    assert found.edges == len(trace.features) * 128
    assert found.operations == pytest.approx(work)


def test_more_targets_cost_estimates_and_not_ablation(run: Run) -> None:
    few = replace(ASKED, method="attribution", target_features="random:4")
    many = replace(ASKED, method="attribution")
    costs = [trace_cost(run, resolve(run, asked)) for asked in (few, many)]
    assert costs[0].passes <= 4 * 9 < costs[1].passes
    assert costs[0].operations < costs[1].operations
    assert costs[0].edges == 4 * len(resolve(run, few).features)
    path = trace_cost(run, resolve(run, replace(few, method="ig")))
    assert path.passes == 5 * costs[0].passes
    assert 2 * costs[0].operations < path.operations < 5 * costs[0].operations


def test_an_estimate_costs_the_ablations_that_it_is_compared_with(run: Run) -> None:
    trace = resolve(run, replace(ASKED, method="attribution", target_features="random:4"))
    places = firing_counts(run, 1, trace.cells).toarray()
    checked = checked_sources(trace)
    assert len(checked) == 16
    assert trace_cost(run, trace).checked == (places[:, checked] > 0).sum()


def test_several_traces_take_several_times_the_time_and_no_more_room(run: Run) -> None:
    one = trace_cost(run, resolve(run, ASKED))
    assert one.times(3) == replace(one, passes=3 * one.passes, edges=3 * one.edges, operations=3 * one.operations)
    assert "to be tested" in one.describe(1e12)


def test_blocks_hold_every_source_once_and_fit(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = resolve(run, ASKED)
    monkeypatch.setattr(cost, "WORKING_BYTES", 5 * 9 * 128 * 8)
    blocks = source_blocks(trace, {3: 128})
    assert np.array_equal(np.concatenate(blocks), trace.features)
    assert {len(block) for block in blocks[:-1]} == {5}
