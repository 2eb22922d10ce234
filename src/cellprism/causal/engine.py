"""The model, autoencoders and cells of a trace, and the exact effects of its edits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse

from cellprism.causal.attribution import estimated_effects
from cellprism.causal.changes import changed_effects, changing_blocks
from cellprism.causal.cost import FEW
from cellprism.causal.directions import control_directions
from cellprism.causal.effects import CleanState, cell_effects, clean_state
from cellprism.causal.intervention import scale_features
from cellprism.causal.requests import CHANGES, PRECISION, steps
from cellprism.causal.setting import float32_model
from cellprism.causal.workfiles import CellEffects
from cellprism.models.stages import run_tokens
from cellprism.runs.machine import free_device_memory
from cellprism.sae.files import load

if TYPE_CHECKING:
    from cellprism.causal.requests import Trace
    from cellprism.runs.directory import Run
    from cellprism.runs.progress import Progress

CHECKED_CELLS, CHECKED_EDITS = 3, 8
"""Cells, and edits of each, whose effects are also computed in float32 before changes are taken as of low rank."""
TOLERATED = 0.01
"""So much of them may be wrong: about the share of edges that is lost, see `docs/decisions.md`."""
TINY = 1e-12
DEVICE_SHARE = 0.25
"""Clean states may take such a share of a GPU's memory that is free once the model is there."""


class Engine:
    """Everything that a trace of ``run`` computes with, loaded once.

    Parameters
    ----------
    run
        The run.
    trace
        The trace, as resolved.
    states
        Bytes of clean states of cells that are kept, at most.
    """

    def __init__(self, run: Run, trace: Trace, *, states: float = 0.0) -> None:
        self.model = float32_model(run)
        self.tokens = run_tokens(run)
        self.trace = trace
        self.source, self.targets = trace.request.source, trace.targets
        layers = (self.source, *self.targets)
        self.saes = {
            layer: load(run.file("sae.safetensors", layer)).requires_grad_(False).to(self.model.device)
            for layer in layers
        }
        self.token_budget = run.config.model.token_budget
        self.widths = {layer: self.saes[layer].n_features for layer in self.targets}
        self._blocks = None if trace.dtype not in CHANGES else changing_blocks(
            self.model, self.source, max(self.targets), CHANGES[trace.dtype],
        )
        self._directions = control_directions(run, trace)
        self._states: dict[int, CleanState] = {}
        on_gpu = self.model.device.type == "cuda"
        self._room = min(states, DEVICE_SHARE * free_device_memory()) if on_gpu else states

    def state(self, cell: int) -> CleanState:
        """The clean state of a cell, kept as long as there is room for more."""
        if cell not in self._states:
            state = clean_state(
                self.model, self.saes, self.tokens, cell, source=self.source, targets=self.targets,
            )
            if state.nbytes() > self._room:
                return state
            self._states[cell], self._room = state, self._room - state.nbytes()
        return self._states[cell]

    def ablate(self, cell: int, features: np.ndarray) -> CellEffects:
        """Effects of editing those of ``features`` that fire in a cell, one at a time."""
        state = self.state(cell)
        firing = firing_features(state, features)
        if not len(firing):
            return CellEffects(firing, {layer: sparse.csr_matrix((0, w)) for layer, w in self.widths.items()})
        low_rank = self._blocks is not None and len(firing) > FEW
        effects = self._effects(state, firing, alpha=self.trace.request.alpha, low_rank=low_rank)
        return CellEffects(firing, {layer: sparse.csr_matrix(x.cpu().numpy()) for layer, x in effects.items()})

    def hold_to_float32(self, cells: np.ndarray, progress: Progress) -> None:
        """Take float32 passes from here on, where those of a few ``cells`` say that changes are not of low rank."""
        off_by = self.off_by(cells, progress)
        self.trace = replace(self.trace, off_by=off_by)
        if off_by > TOLERATED:
            self.trace, self._blocks = replace(self.trace, dtype=PRECISION), None

    def off_by(self, cells: np.ndarray, progress: Progress) -> float:
        """How much of the effects of a few ablations is wrong with changes of low rank, as a share of their size.

        ``sum |found - exact| / sum |exact|`` in a layer, mean over layers. Of the first, middle and last of ``cells``,
        and of features from the first to the last that fire there. What is no number counts as all wrong.
        """
        some = np.unique(cells[np.linspace(0, len(cells) - 1, CHECKED_CELLS).astype(int)])
        wrong, size = (dict.fromkeys(self.targets, 0.0) for _ in range(2))
        with progress.bar("comparing changes of low rank with float32", len(some), "cell") as compared:
            for state in map(self.state, map(int, some)):
                firing = firing_features(state, self.trace.features)
                few = np.unique(firing[np.linspace(0, len(firing) - 1, CHECKED_EDITS).astype(int)])
                found, exact = (self._effects(state, few, alpha=0.0, low_rank=low) for low in (True, False))
                for layer in self.targets:
                    wrong[layer] += float((found[layer] - exact[layer]).abs().sum())
                    size[layer] += float(exact[layer].abs().sum())
                compared(1)
        shares = np.array([wrong[layer] / max(size[layer], TINY) for layer in self.targets])
        return float(np.nan_to_num(shares, nan=1.0).clip(max=1.0).mean())

    def _effects(
        self, state: CleanState, firing: np.ndarray, *, alpha: float, low_rank: bool,
    ) -> dict[int, torch.Tensor]:
        """Of editing features that fire, one at a time."""
        chosen = torch.from_numpy(firing).to(self.model.device)
        edits = scale_features(self.saes[self.source], state.source, state.places, chosen, alpha=alpha)
        if self._directions is not None:
            rows = self._directions[np.searchsorted(self.trace.features, firing)]
            edits = edits.along(torch.from_numpy(rows).to(self.model.device))
        if low_rank and self._blocks is not None:
            return changed_effects(self._blocks, self.saes, state, edits, token_budget=self.token_budget)
        return cell_effects(self.model, self.saes, state, edits, token_budget=self.token_budget)

    def estimate(self, cell: int, features: np.ndarray) -> CellEffects:
        """Effects of those of ``features`` that fire in a cell, estimated by gradients."""
        state, request = self.state(cell), self.trace.request
        firing = firing_features(state, features)
        effects = estimated_effects(
            self.model, self.saes, state, firing, alpha=request.alpha,
            steps=steps(request), wanted=self.trace.target_features,
            rng=np.random.default_rng([request.seed, 6, cell]),
        )
        return CellEffects(firing, {layer: sparse.csr_matrix(x.cpu().numpy()) for layer, x in effects.items()})

    def passes_back(self, cell: int) -> int:
        """Passes back that `estimate` takes: one for each target that is read and fires in the cell, at each point."""
        wanted = self.trace.target_features
        fired = {layer: torch.unique(c.index[c.value > 0]).cpu() for layer, c in self.state(cell).targets.items()}
        return max(1, steps(self.trace.request)) * sum(
            len(f) if wanted is None else int(np.isin(wanted[layer], f.numpy()).sum()) for layer, f in fired.items()
        )


def firing_features(state: CleanState, features: np.ndarray) -> np.ndarray:
    """Those of the ascending ``features`` that fire in a cell."""
    fired = torch.unique(state.source.index[state.source.value > 0]).cpu().numpy()
    found: np.ndarray = features[np.isin(features, fired)]
    return found
