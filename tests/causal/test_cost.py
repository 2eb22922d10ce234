from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cellprism.causal import blocks as module
from cellprism.causal.blocks import ablated_bytes, firing_counts, source_blocks
from cellprism.causal.cost import check_fit, trace_cost
from cellprism.causal.engine import Engine
from cellprism.causal.requests import TraceRequest, checked_sources, resolve
from cellprism.causal.tracing import trace
from cellprism.causal.workfiles import read_effects
from cellprism.codes.store import CodeStore
from cellprism.errors import UserError

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


def test_effects_that_are_kept_fit_into_what_is_planned(run: Run) -> None:
    asked = resolve(run, ASKED)
    folder = trace(run, ASKED, keep_effects=True)
    with_them, without = (trace_cost(run, asked, keep_effects=kept).disk for kept in (True, False))
    stored = [read_effects(path) for path in (folder / "effects").rglob("*.npz")]
    values = sum(matrix.nnz for one in stored for matrix in one.effect.values())
    assert 0 < 4 * values <= with_them - without


def test_several_traces_take_several_times_the_time_and_no_more_room(run: Run) -> None:
    one = trace_cost(run, resolve(run, ASKED))
    assert one.times(3) == replace(one, passes=3 * one.passes, edges=3 * one.edges, operations=3 * one.operations)
    assert "to be tested" in one.describe(1e12)


def test_blocks_hold_every_source_once_and_what_they_change_fits(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = resolve(run, ASKED)
    folder = trace(run, ASKED, keep_effects=True)
    counts = firing_counts(run, 1, asked.cells)[:, asked.features]
    size = ablated_bytes(counts, run.config.sae.k, [128])
    stored = np.zeros(len(asked.features))
    for path in (folder / "effects").rglob("*.npz"):
        one = read_effects(path)
        stored[np.searchsorted(asked.features, one.source)] += 8 * one.effect[3].getnnz(axis=1)
    assert np.mean(stored <= size) > 0.97 and 0 < stored.sum() < size.sum()  # codes are kept as float16
    assert np.all(size <= 8 * 128 * len(asked.cells))
    monkeypatch.setattr(module, "BLOCK_BYTES", size.max() + size.mean())
    blocks = source_blocks(asked.features, size)
    assert np.array_equal(np.concatenate(blocks), asked.features) and len(blocks) > 3
    of = dict(zip(asked.features.tolist(), size, strict=True))
    sums = [sum(of[f] for f in block.tolist()) for block in blocks]
    assert max(sums) <= module.BLOCK_BYTES
    assert all(total + of[int(after[0])] > module.BLOCK_BYTES for total, after in zip(sums, blocks[1:], strict=False))
    monkeypatch.setattr(module, "BLOCK_BYTES", 1)
    assert {len(block) for block in source_blocks(asked.features, size)} == {1}


def test_memory_that_is_given_goes_to_clean_states_and_must_do(run: Run) -> None:
    asked = resolve(run, ASKED)
    much, little = (trace_cost(run, asked, memory=memory) for memory in (1e12, 1.0))
    assert 0 == little.states < much.states
    assert much.memory - much.states == pytest.approx(little.memory)
    assert len(much.blocks) == 1 or little.operations > much.operations
    kept = sum(Engine(run, asked).state(int(cell)).nbytes() for cell in asked.cells)
    assert kept <= much.states * 1.05
    with pytest.raises(UserError, match="of memory and 1\\.0 B are given"):
        check_fit(run, little, 1.0)
