"""What a trace will cost, from the codes of the run; the arithmetic is explained in docs/plan.md."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cellprism.causal.blocks import ablated_bytes, estimated_bytes, firing_counts, source_blocks
from cellprism.causal.requests import CHANGES, PRECISION, checked_sources, steps
from cellprism.codes.store import CodeStore
from cellprism.errors import UserError
from cellprism.models.changed_attention import COLUMNS
from cellprism.runs.machine import free_memory, in_bytes, in_time, multiplication_rate

if TYPE_CHECKING:
    from scipy import sparse

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
CHANGES_SPEED = {"bfloat16": 3.5, "float32": 2.5}
"""How many times as fast as in float32 a pass is whose changes of low rank are multiplied in these formats."""
NUMBER_BYTES = {"bfloat16": 2.0, "float32": 4.0}
"""Bytes of a number in them."""
HEAD = 64
"""Width of a head of attention, whose weights are kept while a cell goes through a layer."""
ENCODED = 2048
"""Edited positions that are encoded together: each takes memory for every feature of a target layer."""
EDITED = 4096
"""Edited positions that go through a layer together, unless one edit has more."""
FEW = 4
"""So many edits of a cell share too little of its clean pass: they are no slower in float32."""
CHANGES_BYTES = 2**29
"""Such changes that go through a layer together; all of them use its clean state, which is computed once."""
BACKWARD = 2.5
"""A pass and its way back to the source cost so many passes."""
STATES_BYTES = 2**32
"""Clean states of cells that are kept for the next block of sources, at most."""
SPARE = 0.9
"""Share of the memory given that is planned with."""
KEPT = 0.5
"""Effects that are kept, in float16, take such a share of the room of work files."""


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
    states
        Bytes of the memory for clean states of cells, which are else computed anew for every block.
    blocks
        The sources that go together.
    fires
        In how many of the cells each source fires.
    shared
        Cells with enough edits to share a clean pass.
    dtype
        Number format of the passes, unless a comparison with float32 speaks against it.
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
    states: float
    blocks: tuple[np.ndarray, ...]
    fires: np.ndarray
    shared: np.ndarray
    dtype: str
    speed: float = 1.0
    checked: int = 0

    def times(self, n: int) -> Cost:
        """The work of ``n`` such traces, one after another."""
        return replace(self, passes=n * self.passes, edges=n * self.edges, operations=n * self.operations)

    def describe(self, free_disk: float, memory: float | None = None) -> str:
        """Lines for people, with the time on this machine; ``memory`` in bytes is what is given, else what is free."""
        room = f"{in_bytes(free_memory())} free" if memory is None else f"{in_bytes(memory)} given"
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
            f"memory      {in_bytes(self.memory):>14}   of {room}",
        ])


def trace_cost(run: Run, trace: Trace, *, keep_effects: bool = False, memory: float | None = None) -> Cost:
    """Count the work of a trace of ``run``, with the disk of effects that are kept.

    ``memory`` in bytes is what the trace may take, by default what is free: it decides how many clean states are kept.
    """
    source, last = trace.request.source, trace.targets[-1]
    model, k = run.model, run.config.sae.k
    d, lengths = model["d_model"], run.read("cells")["n_tokens"].to_numpy()[trace.cells]
    widths = {layer: CodeStore(run, layer).n_features for layer in trace.targets}
    exact = trace.request.method == "ablation"
    firing = firing_counts(run, source, trace.cells)[:, trace.features]
    counts = firing.tocoo()
    edited = np.ones(counts.nnz, bool) if exact else np.isin(trace.features[counts.col], checked_sources(trace))
    places, tokens = counts.data[edited], lengths[counts.row[edited]]
    encoding = 2.0 * d * sum(widths.values())
    whole = tokens * (last - source - 1) * _block(d, tokens)
    at_last = 4.0 * d * d * tokens + places * (20.0 * d * d + 4.0 * d * tokens)
    work = float((whole + at_last + places * encoding).sum())
    if exact:
        passes, checked, sizes = counts.nnz, 0, ablated_bytes(firing, k, widths.values())
    else:
        read = [_read(run, trace, layer) for layer in trace.targets]
        points = max(1, steps(trace.request))
        passes, checked = points * sum(matrix.nnz for matrix in read), int(edited.sum())
        work += points * BACKWARD * sum(
            float((lengths[matrix.tocoo().row] * (layer - source) * _block(d, lengths[matrix.tocoo().row])).sum())
            for layer, matrix in zip(trace.targets, read, strict=True)
        )
        sizes = estimated_bytes(firing, read)
    blocks = source_blocks(trace.features, sizes)
    largest = max(float(sizes[np.isin(trace.features, block)].sum()) for block in blocks)
    clean = float((lengths * ((last + 1) * _block(d, lengths) + encoding)).sum())
    weights = 48.0 * model["n_layers"] * d * d + 8.0 * d * sum(widths.values())
    rest = BASE_MEMORY + largest + weights + run.config.model.token_budget * 60.0 * d
    shared = trace.cells[np.diff(firing.indptr) > FEW]
    dtype = trace.dtype if len(shared) else PRECISION
    products = CHANGES.get(dtype)
    if products:
        work += len(blocks) * float((lengths * (last - source) * _block(d, lengths)).sum())
        rest += _of_changes(d, float(lengths.max()), max(widths.values()), last - source, NUMBER_BYTES[products])
    wanted = float((lengths * (4.0 * d + 12.0 * k * (1 + len(widths)))).sum())
    states = float(np.clip(SPARE * (free_memory() if memory is None else memory) - rest, 0, min(wanted, STATES_BYTES)))
    again = (len(blocks) - 1) * (1 - states / wanted) if exact else 0.0
    return Cost(
        passes=passes, edges=len(trace.features) * read_targets(trace, widths), operations=work + (1 + again) * clean,
        disk=(largest if exact else float(sizes.sum())) + (KEPT * float(sizes.sum()) if keep_effects else 0.0),
        memory=rest + states, states=states, blocks=tuple(blocks),
        fires=firing.getnnz(axis=0), shared=shared, dtype=dtype,
        speed=CHANGES_SPEED[products] if products else 1.0, checked=checked,
    )


def _of_changes(d: int, longest: float, width: int, layers: int, number: float) -> float:
    """Bytes that changes of low rank take for the longest cell, with numbers of so many bytes at unedited positions."""
    clean = longest * (88.0 * d + 8.0 * width + number * longest * d / HEAD)
    moved = longest * d * number * (COLUMNS / HEAD + 12.0)
    edited = 72.0 * d * EDITED + 12.0 * width * ENCODED
    return clean + moved + edited + 1.2 * CHANGES_BYTES + 12.0 * number * d * d * layers


def read_targets(trace: Trace, widths: dict[int, int]) -> int:
    """Targets that are read of each source, fired or not."""
    chosen = trace.target_features
    return sum(widths.values() if chosen is None else map(len, chosen.values()))


def check_fit(run: Run, cost: Cost, memory: float | None = None) -> None:
    """Refuse a trace that cannot fit, into ``memory`` bytes or what is free.

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
    room, are = (free_memory(), "free") if memory is None else (memory, "given")
    if cost.memory > room:
        msg = (
            f"the trace needs {in_bytes(cost.memory)} of memory and {in_bytes(room)} are {are}: ask for fewer "
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
