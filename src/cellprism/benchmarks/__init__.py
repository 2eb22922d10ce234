"""Claims of speed, each measured against a baseline that is timed in the same run.

A benchmark is a module of this package with a function ``rows(quick)`` that gives a list of `Row`, or of `Budget`
where the claim is a limit; its name is the module's.
``quick`` asks for the smallest sizes at which the comparison still means something.
"""

from __future__ import annotations

import pkgutil
import platform
import time
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellprism.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes
    ----------
    name
        What is measured, e.g. ``extract: 316M, all layers``.
    shape
        The sizes.
    baseline
        What it is compared with.
    baseline_s, ours_s
        Seconds for the same work.
    note
        What the reader must know to judge it, such as the number format.
    """

    name: str
    shape: str
    baseline: str
    baseline_s: float
    ours_s: float
    note: str = ""

    @property
    def ratio(self) -> float:
        """How many times faster than the baseline."""
        return self.baseline_s / self.ours_s

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.ratio}

    def lines(self) -> list[str]:
        """The row as it is printed."""
        found = [f"{self.name} ({self.shape})"]
        found.append(f"  {self.ours_s:9.3f} s, {self.ratio:.2f}x as fast as {self.baseline} ({self.baseline_s:.3f} s)")
        return [*found, f"  {self.note}"] if self.note else found


@dataclass(frozen=True)
class Budget:
    """A measured size or time beside what it may be at most.

    Attributes
    ----------
    name
        What is measured.
    shape
        The sizes.
    budget, measured
        The most that is allowed, and what was found.
    unit
        Of both; empty for a count.
    note
        What the reader must know to judge it.
    """

    name: str
    shape: str
    budget: float
    measured: float
    unit: str
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "within": self.measured <= self.budget}

    def lines(self) -> list[str]:
        """The row as it is printed."""
        verdict = "within" if self.measured <= self.budget else "OVER"
        found = f"{self.measured:9.4g} {self.unit:2} of {self.budget:g}  {verdict:6}  {self.name} ({self.shape})"
        return [found, f"  {self.note}"] if self.note else [found]


def benchmark_names() -> list[str]:
    """The benchmarks that are there."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def run_benchmark(name: str, *, quick: bool) -> list[Row | Budget]:
    """Measure.

    Raises
    ------
    UserError
        There is no such benchmark.
    """
    if name not in benchmark_names():
        msg = f"no benchmark {name!r}: there are {', '.join(benchmark_names())}."
        raise UserError(msg)
    rows: list[Row | Budget] = import_module(f"{__name__}.{name}").rows(quick)
    return rows


def best_seconds(functions: Sequence[Callable[[], object]], *, repeats: int) -> list[float]:
    """Shortest time of each function over ``repeats`` turns; in every turn each is called once, one after another.

    Taking turns, so that a machine that is busy for a while slows them all, and the shortest, because what else a
    machine does can only add.
    """
    best = [float("inf")] * len(functions)
    for _ in range(repeats):
        for number, function in enumerate(functions):
            started = time.perf_counter()
            function()
            best[number] = min(best[number], time.perf_counter() - started)
    return best


def machine() -> str:
    """The machine and torch, in one line, for the record."""
    import torch

    from cellprism.models.processor import bfloat16_units

    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    name = names[0] if names else platform.machine()
    return f"{name}, {torch.get_num_threads()} threads, {bfloat16_units()}{gpu}, torch {torch.__version__}"
