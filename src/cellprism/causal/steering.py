"""Scale a feature in early cells and read how far they move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from cellprism.causal.effects import CleanState, clean_state
from cellprism.causal.intervention import Edits, edited, propagate, repeat, scale_features
from cellprism.causal.profiles import Said, join, said

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cellprism.causal.readouts import Readouts
    from cellprism.causal.setting import Site

KEPT = 1 << 30
"""Bytes of clean cells that are kept; others are computed anew."""


@dataclass(frozen=True)
class Steered:
    """What steering one feature does.

    Attributes
    ----------
    effect
        Change of every readout, shape ``(cells, directions, alphas, 4)``.
    change
        Change of what the model says of every gene at the largest alpha along the atom, mean over the cells that have
        one; shape ``(genes,)``, NaN for genes in none.
    """

    effect: np.ndarray
    change: np.ndarray


def dose(edits: Edits, alphas: Sequence[float], directions: torch.Tensor) -> Edits:
    """One edit that doubles a feature as ``directions x alphas`` edits: ``alpha`` times it, along each direction.

    Parameters
    ----------
    edits
        A single edit with ``alpha = 2``.
    directions
        Unit directions, shape ``(m, d_model)``.

    Returns
    -------
    ``m * len(alphas)`` edits, those of a direction together.
    """
    n, count = len(edits.row), len(directions) * len(alphas)
    factor = torch.tensor([alpha - 1 for alpha in alphas], device=edits.strength.device).repeat(len(directions))
    return Edits(
        torch.arange(count, device=edits.row.device).repeat_interleave(n), edits.place.repeat(count),
        (factor[:, None] * edits.strength).flatten(), directions.repeat_interleave(len(alphas), dim=0),
    )


def random_direction(site: Site, rng: np.random.Generator) -> torch.Tensor:
    """A unit direction, shape ``(d_model,)``."""
    drawn = torch.from_numpy(rng.standard_normal(site.model.d_model).astype(np.float32))
    return torch.nn.functional.normalize(drawn, dim=0).to(site.model.device)


class Steerer:
    """Steers cells of a site, and keeps what they are when nobody interferes.

    Parameters
    ----------
    site
        The layer, its autoencoder, the model and its cells.
    readouts
        From other cells.
    alphas
        What activations are multiplied by.
    """

    def __init__(self, site: Site, readouts: Readouts, alphas: Sequence[float]) -> None:
        self.site, self.readouts, self.alphas = site, readouts, tuple(alphas)
        self._genes = site.tokens.genes["token"].to_numpy()
        self._clean: dict[int, tuple[CleanState, Said]] = {}
        self._room = KEPT

    def steer(
        self, feature: int, cells: np.ndarray, *, direction: torch.Tensor | None, own: np.ndarray,
        advance: Callable[[int], None],
    ) -> Steered:
        """Steer some cells by one feature, one cell at a time, all alphas and directions of it together.

        Parameters
        ----------
        cells
            Cells in which the feature fires.
        direction
            Where to go as far in place of the atom, as a control; None: no control.
        own
            The feature's top genes, which are no markers.
        advance
            Is told the passes done.
        """
        sae, readouts = self.site.sae, self.readouts
        wanted = torch.tensor([feature], device=self.site.model.device)
        atom = sae.W_dec.detach()[wanted]
        along = atom if direction is None else torch.cat([atom, direction[None]])
        strongest = int(np.argmax(self.alphas))
        effects, total, count = [], np.zeros(len(self._genes)), np.zeros(len(self._genes), np.int64)
        for cell in map(int, cells):
            state, clean = self._state(cell)
            edits = dose(scale_features(sae, state.source, state.places, wanted, alpha=2), self.alphas, along)
            after = self._after(state, edits)
            change = readouts.values(after, own) - readouts.values(clean, own)
            effects.append(change.reshape(len(along), len(self.alphas), -1))
            genes = after.profile[strongest] - clean.profile[0]
            there = np.isfinite(genes)
            total[there] += genes[there]
            count += there
            advance(len(edits))
        mean = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
        return Steered(np.stack(effects), mean)

    def _state(self, cell: int) -> tuple[CleanState, Said]:
        if cell not in self._clean:
            site = self.site
            state = clean_state(site.model, {site.layer: site.sae}, site.tokens, cell, source=site.layer, targets=[])
            found = state, self._said(state, state.residual[None])
            if state.nbytes() > self._room:
                return found
            self._clean[cell], self._room = found, self._room - state.nbytes()
        return self._clean[cell]

    def _after(self, state: CleanState, edits: Edits) -> Said:
        rows = torch.arange(len(edits), device=edits.row.device)
        parts = rows.split(max(1, self.site.token_budget // len(state.residual)))
        return join([self._said(state, edited(state.residual, edits.take(part))) for part in parts])

    def _said(self, state: CleanState, h: torch.Tensor) -> Said:
        """What the model makes of rows of a cell after the edited layer, ``(B, T, d_model)``."""
        model, last = self.site.model, self.site.model.n_layers - 1
        if state.layer < last:
            h = next(out for _, out in propagate(model, state.batch, h, after=state.layer, layers=[last]))
        return said(model, h, repeat(state.batch, len(h)), self._genes)
