"""What a run will cost, before anything is spent; the arithmetic is explained in docs/plan.md."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.errors import UserError
from cellprism.models import configured_model
from cellprism.models.base import pick_device
from cellprism.models.sources import sampled_cells
from cellprism.models.stages import chosen_layers, run_sources
from cellprism.runs.files import size
from cellprism.runs.machine import free_device_memory, free_memory, in_bytes, multiplication_rate
from cellprism.sae.batched import CHUNK
from cellprism.sae.fidelity import MOST_CELLS
from cellprism.sae.sample import HELD_OUT_POSITIONS, shared_counts
from cellprism.sae.topk import code_bytes, code_width
from cellprism.sae.train import INITIAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cellprism.runs.config import CellsConfig, Config, SAEConfig
    from cellprism.runs.directory import Run

BASE_MEMORY = 1.2e9
"""Bytes of Python with torch, transformers and the statistics loaded."""
KERNELS = 1.2e9
"""Bytes of code and buffers that PyTorch keeps for every shape of a batch, in bfloat16 on a CPU; measured."""
EFFICIENCY = 0.25
"""Share of the machine's matrix-multiplication rate that the stages reach; top-k and bookkeeping take the rest."""
FIXED_SECONDS = 25.0
"""Start-up, compilation of the layout, tables."""


@dataclass(frozen=True)
class Workload:
    """What decides the cost of a run.

    Attributes
    ----------
    cells, positions, sampled
        Cells, their positions, and how many of these autoencoders are trained on.
    layers
        Layers taken apart, counted from 0.
    model_layers, d_model, vocabulary
        Sizes of the model.
    token_budget, sae
        As in the configuration.
    spliced
        Whether reconstructions are spliced into the model to measure the loss recovered.
    on_device
        Whether all layers are trained at once on a CUDA device, with the model there.
    bytes_per_weight
        Of the model.
    """

    cells: int
    positions: int
    sampled: int
    layers: tuple[int, ...]
    model_layers: int
    d_model: int
    vocabulary: int
    token_budget: int
    sae: SAEConfig
    spliced: bool = True
    on_device: bool = False
    bytes_per_weight: int = 4

    @property
    def n_features(self) -> int:
        return self.sae.expansion * self.d_model

    @property
    def atoms(self) -> int:
        """Numbers in one matrix of a dictionary."""
        return self.n_features * self.d_model

    def disk(self) -> dict[str, float]:
        """Bytes on disk by kind."""
        code, n = code_bytes(self.sae.k, self.n_features, self.sae.activation), len(self.layers)
        return {
            "codes": self.positions * (n * code + 8.0),
            "residual sample, while it runs": n * self.sampled * 2.0 * self.d_model,
            "autoencoders and tables": n * self.n_features * (8.0 * self.sae.seeds * self.d_model + 4000),
        }

    def memory(self) -> float:
        """Bytes of memory at the peak: model, batch and all dictionaries; training; principal axes; or a reduction."""
        first = 12.0 * min(self.sampled, INITIAL) * self.d_model
        steps = 32.0 * self.atoms + 16.0 * self.batch * self.n_features
        training = 2.0 * self.sampled * self.d_model + max(first, steps)
        axes = 48.0 * min(self.sampled, HELD_OUT_POSITIONS) * self.d_model
        reducing = self.n_features * max(48.0 * self.n_features, 30.0 * self.vocabulary, 12.0 * self.cells)
        encoding = 24.0 * len(self.layers) * self.atoms if self.on_device else self._encoding()
        kept = KERNELS if self.bytes_per_weight < 4 and not self.on_device else 0.0
        return BASE_MEMORY + kept + 16.0 * self.positions + max(encoding, training, axes, reducing)

    def device_memory(self) -> float:
        """Bytes of a CUDA device's memory at the peak: encoding, or a step of all layers (see `sae.batched`)."""
        rows, d, width = len(self.layers) * self.batch, self.d_model, self.code_width
        step = rows * (2.5 * self.n_features + 18.0 * d + 60.0 * width) + 5.0 * min(rows, CHUNK) * width * d
        return max(self._encoding(), 46.0 * len(self.layers) * self.atoms + step)

    @property
    def batch(self) -> int:
        return min(self.sae.batch_size, self.sampled)

    @property
    def code_width(self) -> int:
        return code_width(self.sae.k, self.n_features, self.sae.activation)

    def _encoding(self) -> float:
        """Bytes of the model, one batch and all dictionaries."""
        d = self.d_model
        model = self.bytes_per_weight * (12.0 * self.model_layers * d**2 + self.vocabulary * d)
        return model + self.token_budget * (80.0 * d + 8 * self.n_features) + 8.0 * len(self.layers) * self.atoms

    def operations(self) -> float:
        """Floating-point operations: the model's, and one matrix product for a step of training and for encoding.

        The model is run twice over all cells up to the deepest layer taken apart, and over some held-out cells from
        each layer to its end, once with reconstructions and once with means.
        """
        d, depth = self.d_model, self.model_layers
        length = self.positions / self.cells
        block = 24.0 * d * d + 4.0 * d * length
        read = 2 * self.positions * min(max(self.layers) + 1, depth)
        again = depth + 2 * sum(depth - 1 - layer for layer in self.layers)
        spliced = min(MOST_CELLS, self.sae.held_out * self.cells) * length * again if self.spliced else 0.0
        training = 2.0 * self.sae.seeds * self.sae.steps * self.batch * self.atoms
        encoding = 2.0 * self.positions * self.atoms
        return block * (read + spliced) + len(self.layers) * (training + encoding)

    def with_controls(self, controls: Sequence[str]) -> list[Workload]:
        """The work of a run and that of its controls, one after the other."""
        once = replace(self, spliced=False, sae=self.sae.model_copy(update={"seeds": 1}))
        static = replace(once, layers=(0,), model_layers=0)
        return [self, *(static if control == "static_embedding" else once for control in controls)]


def describe(config: Config) -> str:
    """Read the model and the cells; say what disk, memory and time the run will take and what is free."""
    model = configured_model(config.model)
    lengths = [_positions_at_most(source, config.seed, model.max_length) for source in config.cells.sources.values()]
    positions = [int(own.sum()) for own in lengths]
    facts = {**model.describe(), "vocabulary": len(model.vocabulary)}
    work = _workload(config, facts, sum(map(len, lengths)), positions, chosen_layers(config, model.n_layers))
    works = work.with_controls(config.controls)
    disk, free = _disk(works), shutil.disk_usage(_existing_parent(Path(config.out))).free
    operations = sum(one.operations() for one in works)
    minutes = (FIXED_SECONDS + operations / (EFFICIENCY * multiplication_rate())) / 60
    return "\n".join([
        f"{work.positions:,} positions x {len(work.layers)} layers of width {work.d_model}, "
        f"{work.n_features} features each"
        + (f"; and {len(works) - 1} control{'s' if len(works) > 2 else ''}" if len(works) > 1 else ""),
        *(
            f"source  {name:<32} {n:>9,} positions, {share:.0%} of the {work.sampled:,} sampled"
            for (name, share), n in zip(config.cells.shares.items(), positions, strict=True) if name
        ),
        *(f"disk    {name:<32} {in_bytes(n):>9}" for name, n in disk.items()),
        f"disk    {'in all':<32} {in_bytes(sum(disk.values())):>9} of {in_bytes(free)} free",
        f"memory  {'at the peak':<32} {in_bytes(work.memory()):>9} of {in_bytes(free_memory())} free",
        *(
            [f"memory  {'of the GPU, at the peak':<32} {in_bytes(work.device_memory()):>9} of "
             f"{in_bytes(free_device_memory())} free"] if work.on_device else []
        ),
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
    work = _workload(run.config, model, len(cells), positions, run.layers)
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
    if work.on_device and work.device_memory() > free_device_memory():
        msg = (
            f"the run needs {in_bytes(work.device_memory())} of the GPU's memory and {in_bytes(free_device_memory())} "
            "are free: lower `sae.batch_size`, `sae.expansion` or `model.token_budget`, take fewer `sae.layers`, or "
            "set `model.device: cpu`."
        )
        raise UserError(msg)


def _workload(
    config: Config, model: dict[str, Any], cells: int, positions: list[int], layers: Sequence[int],
) -> Workload:
    """``model`` are the facts of `CellModel.describe`, of which models of others may lack some."""
    return Workload(
        cells, sum(positions), _sampled(config, positions), tuple(layers), model["n_layers"], model["d_model"],
        model.get("vocabulary", 0), config.model.token_budget, config.sae,
        on_device=pick_device(config.model.device).type == "cuda",
        bytes_per_weight=2 if model.get("dtype") == "bfloat16" else 4,
    )


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
