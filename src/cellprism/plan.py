"""What a run will cost, before anything is spent; the arithmetic is explained in docs/plan.md."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cellprism.errors import UserError
from cellprism.models import configured_model
from cellprism.models.sources import sampled_cells
from cellprism.models.stages import chosen_layers, run_sources
from cellprism.runs.files import size
from cellprism.runs.machine import free_memory, in_bytes, multiplication_rate
from cellprism.sae.sample import HELD_OUT_POSITIONS, shared_counts
from cellprism.sae.topk import code_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cellprism.runs.config import CellsConfig, Config, SAEConfig
    from cellprism.runs.directory import Run

BASE_MEMORY = 1.2e9
"""Bytes of Python with torch, transformers and the statistics loaded."""
EFFICIENCY = 0.25
"""Share of the machine's matrix-multiplication rate that the stages reach; top-k and bookkeeping take the rest."""
FIXED_SECONDS = 25.0
"""Start-up, compilation of the layout, tables."""


@dataclass(frozen=True)
class Workload:
    """What decides the cost of a run: cells, positions (all, sampled), layers (taken apart, of the model), widths."""

    cells: int
    positions: int
    sampled: int
    layers: int
    model_layers: int
    d_model: int
    vocabulary: int
    token_budget: int
    sae: SAEConfig

    @property
    def n_features(self) -> int:
        return self.sae.expansion * self.d_model

    def disk(self) -> dict[str, float]:
        """Bytes on disk by kind."""
        code = code_bytes(self.sae.k, self.n_features, self.sae.activation)
        return {
            "codes": self.positions * (self.layers * code + 8.0),
            "residual sample, while it runs": self.layers * self.sampled * 2.0 * self.d_model,
            "autoencoders and tables": self.layers * self.n_features * (8.0 * self.sae.seeds * self.d_model + 4000),
        }

    def memory(self) -> float:
        """Bytes of memory at the peak: model, batch and all dictionaries; training; principal axes; or a reduction."""
        atoms = self.n_features * self.d_model
        model = 4.0 * (12 * self.model_layers * self.d_model**2 + self.vocabulary * self.d_model)
        encoding = model + self.token_budget * (80.0 * self.d_model + 8 * self.n_features) + 8.0 * self.layers * atoms
        training = 2.0 * self.sampled * self.d_model + 32.0 * atoms + 16.0 * self.sae.batch_size * self.n_features
        axes = 48.0 * min(self.sampled, HELD_OUT_POSITIONS) * self.d_model
        reducing = self.n_features * max(48.0 * self.n_features, 30.0 * self.vocabulary, 12.0 * self.cells)
        return BASE_MEMORY + 16.0 * self.positions + max(encoding, training, axes, reducing)

    def operations(self) -> float:
        """Floating-point operations: two passes of the model, one matrix product a training step, one encoding."""
        d, features = self.d_model, self.n_features
        block = 24.0 * d * d + 4.0 * d * self.positions / self.cells
        training = 2.0 * self.sae.steps * min(self.sae.batch_size, self.sampled) * d * features
        encoding = 2.0 * self.positions * d * features
        return 2 * self.positions * self.model_layers * block + self.layers * (self.sae.seeds * training + encoding)

    def with_controls(self, controls: Sequence[str]) -> list[Workload]:
        """The work of a run and that of its controls, one after the other."""
        once = replace(self, sae=self.sae.model_copy(update={"seeds": 1}))
        static = replace(once, layers=1, model_layers=0)
        return [self, *(static if control == "static_embedding" else once for control in controls)]


def describe(config: Config) -> str:
    """Read the model and the cells; say what disk, memory and time the run will take and what is free."""
    model = configured_model(config.model)
    lengths = [_positions_at_most(source, config.seed, model.max_length) for source in config.cells.sources.values()]
    positions = [int(own.sum()) for own in lengths]
    work = Workload(
        sum(map(len, lengths)), sum(positions), _sampled(config, positions),
        len(chosen_layers(config, model.n_layers)), model.n_layers, model.d_model, len(model.vocabulary),
        config.model.token_budget, config.sae,
    )
    works = work.with_controls(config.controls)
    disk, free = _disk(works), shutil.disk_usage(_existing_parent(Path(config.out))).free
    operations = sum(one.operations() for one in works)
    minutes = (FIXED_SECONDS + operations / (EFFICIENCY * multiplication_rate())) / 60
    return "\n".join([
        f"{work.positions:,} positions x {work.layers} layers of width {work.d_model}, {work.n_features} features each"
        + (f"; and {len(works) - 1} control{'s' if len(works) > 2 else ''}" if len(works) > 1 else ""),
        *(
            f"source  {name:<32} {n:>9,} positions, {share:.0%} of the {work.sampled:,} sampled"
            for (name, share), n in zip(config.cells.shares.items(), positions, strict=True) if name
        ),
        *(f"disk    {name:<32} {in_bytes(n):>9}" for name, n in disk.items()),
        f"disk    {'in all':<32} {in_bytes(sum(disk.values())):>9} of {in_bytes(free)} free",
        f"memory  {'at the peak':<32} {in_bytes(work.memory()):>9} of {in_bytes(free_memory())} free",
        f"time    {'on this machine, about':<32} {minutes:5.1f} min",
    ])


def check_fit(run: Run) -> None:
    """Refuse what cannot fit, once the cells of ``run`` are tokenised; what is there already is not counted again.

    Raises
    ------
    UserError
        Disk or memory will not do.
    """
    model, cells = run.model, run.read("cells")
    positions = [int(cells["n_tokens"].to_numpy()[own].sum()) for own in run_sources(run)]
    work = Workload(
        len(cells), sum(positions), _sampled(run.config, positions), len(run.layers), model["n_layers"],
        model["d_model"], model.get("vocabulary", 0), run.config.model.token_budget, run.config.sae,
    )
    needs = sum(_disk(work.with_controls(run.config.controls)).values()) - size(run.path)
    free = shutil.disk_usage(run.path).free
    if needs > free:
        msg = (
            f"the run needs {in_bytes(needs)} more disk and {run.path} has {in_bytes(free)} free: free some space, "
            "lower `cells.max_cells` or `sae.positions`, or choose another disk with `--out`."
        )
        raise UserError(msg)
    if work.memory() > free_memory():
        msg = (
            f"the run needs {in_bytes(work.memory())} of memory and {in_bytes(free_memory())} are free: lower "
            "`sae.positions`, `sae.expansion`, `sae.batch_size` or `model.token_budget`."
        )
        raise UserError(msg)


def _disk(works: Sequence[Workload]) -> dict[str, float]:
    """Bytes on disk by kind, summed over ``works``."""
    return {kind: sum(work.disk()[kind] for work in works) for kind in works[0].disk()}


def _positions_at_most(source: CellsConfig, seed: int, max_length: int) -> np.ndarray:
    """Positions of each cell of the run if the model knows all its genes."""
    lengths: np.ndarray = np.minimum(sampled_cells(source, seed).lengths, max_length)
    return lengths


def _sampled(config: Config, positions: list[int]) -> int:
    return sum(shared_counts(positions, list(config.cells.shares.values()), config.sae.positions))


def _existing_parent(path: Path) -> Path:
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
