"""What a trace will cost, from the codes of the run; the arithmetic is explained in docs/plan.md."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from cellprism.causal.requests import CHANGES, checked_sources, steps
from cellprism.codes.store import CodeStore
from cellprism.errors import UserError
from cellprism.runs.machine import free_memory, in_bytes, in_time, multiplication_rate

if TYPE_CHECKING:
    from cellprism.causal.requests import Trace
    from cellprism.runs.directory import Run

BASE_MEMORY = 1.2e9
"""Bytes of Python with torch and transformers loaded."""
EFFICIENCY = 0.5
"""Share of the machine's matrix-multiplication rate that tracing reaches."""
PASS_SECONDS = 0.005
"""What a pass costs besides multiplying: top-k, files, tests; measured on the two models of docs/circuits.md."""
START_SECONDS = 15
"""Reading the run, and describing the graph at the end."""
CHANGES_SPEED = {"bfloat16": 2.6, "float32": 2.0}
"""How many times as fast as in float32 a pass is whose changes of low rank are multiplied in these formats."""
NUMBER_BYTES = {"bfloat16": 2.0, "float32": 4.0}
"""Bytes of a number in them."""
HEAD = 64
"""Width of a head of attention, whose weights are kept while a cell goes through a layer."""
ENCODED = 2048
"""Edited positions that are encoded together: each takes memory for every feature of a target layer."""
CHANGES_BYTES = 2**29
"""Such changes that go through a layer together; all of them use its clean state, which is computed once."""
BACKWARD = 2.5
"""A pass and its way back to the source cost so many passes."""
WORKING_BYTES = 2**30
"""Effects of one block of sources that are held at a time, and clean states that are kept, each."""
KEPT = 0.5
"""Effects that are kept, in float16, take such a share of the room of work files."""
MOST_SOURCES = 64
"""Sources of a block, at most."""


@dataclass(frozen=True)
class Cost:
    """The work of a trace.

    Attributes
    ----------
    passes
        Edits of one cell, or passes back from a target; each runs the layers after the source.
    edges
        Pairs of a source and a target that are tested.
    operations
        Floating-point operations.
    disk, memory
        Bytes at the peak.
    speed
        How many times as fast as float32 the operations are.
    checked
        Edits that an estimate is compared with.
    """

    passes: int
    edges: int
    operations: float
    disk: float
    memory: float
    speed: float = 1.0
    checked: int = 0

    def times(self, n: int) -> Cost:
        """The work of ``n`` such traces, one after another."""
        return replace(self, passes=n * self.passes, edges=n * self.edges, operations=n * self.operations)

    def describe(self, free_disk: float) -> str:
        """Lines for people, with the time on this machine."""
        seconds = self.operations / (EFFICIENCY * self.speed * multiplication_rate())
        seconds += START_SECONDS + PASS_SECONDS * (self.passes + self.checked)
        of = f"back from targets to the source, and {self.checked:,} edits to compare with" if self.checked else (
            "through the layers after the source: one for every cell and source that fires in it"
        )
        return "\n".join([
            f"passes      {self.passes:>14,}   {of}",
            f"edges       {self.edges:>14,}   to be tested: pairs of source and target",
            f"operations  {self.operations:>14.3g}   floating-point",
            f"time        {in_time(seconds):>14}   on this machine, about",
            f"disk        {in_bytes(self.disk):>14}   of {in_bytes(free_disk)} free",
            f"memory      {in_bytes(self.memory):>14}   of {in_bytes(free_memory())} free",
        ])


def firing_counts(run: Run, layer: int, cells: np.ndarray) -> sparse.csr_matrix:
    """Positions at which each feature of a layer fires in each of ``cells``: int64 ``(len(cells), features)``."""
    store = CodeStore(run, layer)
    counts = sparse.csr_matrix((len(cells), store.n_features), dtype=np.int64)
    for shard in store.shards():
        inside = np.flatnonzero(np.isin(shard.cell, cells))
        fires = shard.codes.csr()[inside] > 0
        row = np.searchsorted(cells, shard.cell[inside])
        member = sparse.csr_matrix((np.ones(len(row), np.int64), (row, np.arange(len(row)))), (len(cells), len(row)))
        counts = counts + member @ fires.astype(np.int64)
    return counts.tocsr()


def source_blocks(trace: Trace, widths: dict[int, int]) -> list[np.ndarray]:
    """The source features in blocks whose effects fit into memory, dense, whatever they turn out to be."""
    per_source = len(trace.cells) * sum(widths.values()) * 8
    size = int(np.clip(WORKING_BYTES // max(per_source, 1), 1, MOST_SOURCES))
    return np.split(trace.features, range(size, len(trace.features), size))


def trace_cost(run: Run, trace: Trace, *, keep_effects: bool = False) -> Cost:
    """Count the work of a trace of ``run``, with the disk of effects that are kept."""
    source, last = trace.request.source, trace.targets[-1]
    model, k = run.model, run.config.sae.k
    d, lengths = model["d_model"], run.read("cells")["n_tokens"].to_numpy()[trace.cells]
    widths = {layer: CodeStore(run, layer).n_features for layer in trace.targets}
    exact = trace.request.method == "ablation"
    counts = firing_counts(run, source, trace.cells)[:, trace.features].tocoo()
    edited = np.ones(counts.nnz, bool) if exact else np.isin(trace.features[counts.col], checked_sources(trace))
    places, tokens = counts.data[edited], lengths[counts.row[edited]]
    blocks = source_blocks(trace, widths)
    encoding = 2.0 * d * sum(widths.values())
    whole = tokens * (last - source - 1) * _block(d, tokens)
    at_last = 4.0 * d * d * tokens + places * (20.0 * d * d + 4.0 * d * tokens)
    work = float((whole + at_last + places * encoding).sum())
    if exact:
        passes, checked = counts.nnz, 0
        stored = np.minimum(2.0 * k * places[:, None], np.array(list(widths.values()))).sum() * 8
    else:
        read = [_read(run, trace, layer) for layer in trace.targets]
        points = max(1, steps(trace.request))
        passes, checked = points * sum(matrix.nnz for matrix in read), int(edited.sum())
        work += points * BACKWARD * sum(
            float((lengths[matrix.tocoo().row] * (layer - source) * _block(d, lengths[matrix.tocoo().row])).sum())
            for layer, matrix in zip(trace.targets, read, strict=True)
        )
        per_cell = sum(matrix.getnnz(axis=1) for matrix in read)
        stored = float((per_cell * counts.tocsr().getnnz(axis=1)).sum() * 8)
    clean = float((lengths * ((last + 1) * _block(d, lengths) + encoding)).sum())
    state = float((lengths * (4.0 * d + 16 * k * len(widths))).sum())
    again = 1 if state < WORKING_BYTES or not exact else len(blocks)
    block, batch = float(stored) / len(blocks), run.config.model.token_budget * 60.0 * d
    products = CHANGES.get(trace.dtype)
    if products:
        work += len(blocks) * float((lengths * (last - source) * _block(d, lengths)).sum())
        longest, number = float(lengths.max()), NUMBER_BYTES[products]
        batch += longest * (64.0 * d + 4.0 * max(widths.values()) + number * longest * d / HEAD) + 1.2 * CHANGES_BYTES
        batch += 12.0 * number * d * d * (last - source) + 12.0 * ENCODED * max(widths.values())
    weights = 48.0 * model["n_layers"] * d * d + 8.0 * d * sum(widths.values())
    return Cost(
        passes=passes, edges=len(trace.features) * read_targets(trace, widths), operations=work + again * clean,
        disk=(block if exact else float(stored)) + (KEPT * float(stored) if keep_effects else 0.0),
        memory=BASE_MEMORY + min(state, WORKING_BYTES) + block + batch + weights,
        speed=CHANGES_SPEED[products] if products else 1.0, checked=checked,
    )


def read_targets(trace: Trace, widths: dict[int, int]) -> int:
    """Targets that are read of each source, fired or not."""
    chosen = trace.target_features
    return sum(widths.values() if chosen is None else map(len, chosen.values()))


def check_fit(run: Run, cost: Cost) -> None:
    """Refuse a trace that cannot fit.

    Raises
    ------
    UserError
        Disk or memory will not do.
    """
    free = shutil.disk_usage(run.path).free
    if cost.disk > free:
        msg = (
            f"the trace needs {in_bytes(cost.disk)} of disk and {run.path} has {in_bytes(free)} free: free some space, "
            "or ask for fewer cells or features."
        )
        raise UserError(msg)
    if cost.memory > free_memory():
        msg = (
            f"the trace needs {in_bytes(cost.memory)} of memory and {in_bytes(free_memory())} are free: ask for fewer "
            "target layers, or lower `model.token_budget` in the run's configuration."
        )
        raise UserError(msg)


def _block(d: int, tokens: np.ndarray) -> np.ndarray:
    """Operations of one block for one of ``tokens`` tokens."""
    return 24.0 * d * d + 4.0 * d * tokens


def _read(run: Run, trace: Trace, layer: int) -> sparse.csr_matrix:
    """In which cells each target feature that is read fires."""
    counts = firing_counts(run, layer, trace.cells)
    return counts if trace.target_features is None else counts[:, trace.target_features[layer]]
