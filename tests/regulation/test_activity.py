"""What is kept of the codes of a screen: against every code, held densely."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from tests.regulation.test_screen import read, request

from cellprism.causal.work import Work
from cellprism.models.stages import run_model
from cellprism.regulation import activity as room
from cellprism.regulation.activity import screen_activity
from cellprism.runs.progress import Silent
from cellprism.sae.files import load

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.regulation.activity import Activity
    from cellprism.regulation.screen import Screen
    from cellprism.runs.directory import Run

LAYER = 1


def encoded(run: Run, screen: Screen, folder: Path) -> Activity:
    return screen_activity(run, run_model(run), screen, LAYER, work=Work(folder, {}), progress=Silent())


def dense(run: Run, screen: Screen) -> np.ndarray:
    """Activation at every position, ``(positions, F)``, cell after cell, one cell at a time."""
    model, sae = run_model(run), load(run.file("sae.safetensors", LAYER))
    rows = []
    for cell in range(len(screen.tokens)):
        batch = model.pad(screen.tokens, np.array([cell]))
        h = next(h for layer, h in model.residuals(batch) if layer == LAYER)
        with torch.inference_mode():
            codes = sae.encode(h[batch.gene])
        rows.append(torch.zeros(len(codes.value), sae.n_features).scatter_(1, codes.index, codes.value).numpy())
    return np.concatenate(rows)


def test_sums_are_those_of_all_codes(run: Run, screen_file: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(room, "cell_chunks", lambda tokens: np.array_split(np.arange(len(tokens)), 3))
    screen = read(run, request(screen_file, cells=12))
    found = encoded(run, screen, tmp_path / "work")
    z, tokens = dense(run, screen), screen.tokens
    cell, control = tokens.cell, screen.arm[tokens.cell] == 0
    close = {"rtol": 2e-3, "atol": 2e-3}
    total = np.stack([z[cell == c].sum(axis=0) for c in range(len(tokens))])
    np.testing.assert_allclose(found.total.toarray(), total, **close)
    np.testing.assert_allclose(found.squares, (z[control] ** 2).sum(axis=0), **close)
    for gene in range(0, len(tokens.genes), 37):
        np.testing.assert_allclose(
            found.by_gene[[gene]].toarray()[0], z[control & (tokens.gene == gene)].sum(axis=0), **close,
        )
    for arm in (1, 2):
        own, cells = screen.own_gene(arm), screen.of(arm)
        means = found.cell_means(cells, without=own).toarray()
        for place, c in enumerate(cells):
            kept = z[(cell == c) & (tokens.gene != own)]
            np.testing.assert_allclose(means[place], kept.mean(axis=0), **close)
    assert len(found.own_gene) > 10
    whole = found.cell_means(np.array([3, 1])).toarray()
    np.testing.assert_allclose(whole, total[[3, 1]] / tokens.lengths[[3, 1], None], **close)


def test_blocks_that_are_there_are_not_encoded_again(run: Run, screen_file: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(room, "cell_chunks", lambda tokens: np.array_split(np.arange(len(tokens)), 3))
    screen = read(run, request(screen_file, cells=12))
    whole = encoded(run, screen, tmp_path / "whole")
    encode, calls = room._encode, []

    def once_too_often(*args: object):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return encode(*args)

    monkeypatch.setattr(room, "_encode", once_too_often)
    with pytest.raises(KeyboardInterrupt):
        encoded(run, screen, tmp_path / "work")
    again = encoded(run, screen, tmp_path / "work")
    assert len(calls) == 4
    for name in ("total", "own", "by_gene"):
        one, other = getattr(whole, name), getattr(again, name)
        assert (one != other).nnz == 0
    np.testing.assert_array_equal(whole.squares, again.squares)
