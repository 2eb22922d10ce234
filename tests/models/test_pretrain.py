from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pytest
import torch

from cellprism.cli import main
from cellprism.errors import UserError
from cellprism.models import load_model
from cellprism.models.checkpoints import find_checkpoint
from cellprism.models.pretrain import (
    PretrainConfig,
    _new_model,
    coexpression_embeddings,
    learn_vocabulary,
    pretrain,
)
from cellprism.runs.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cellprism.cells.expression import Expression

TINY = PretrainConfig(n_layers=2, d_model=32, n_heads=2, d_feedforward=32, n_components=8, steps=40, batch_size=8)


def test_it_learns_saves_in_geneformers_format_and_repeats_itself(small_cells: Expression, tmp_path: Path) -> None:
    losses = [pretrain(small_cells, tmp_path / name, TINY, Silent()) for name in ("one", "two")]
    assert losses[0] == losses[1]
    assert losses[0]["held_out_loss"] < losses[0]["gene_frequency_loss"]
    assert losses[0]["held_out_accuracy"] > losses[0]["gene_frequency_accuracy"] > 0
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two")]
    assert weights[0] == weights[1]
    model = load_model(str(tmp_path / "one"), device="cpu")
    assert (model.n_layers, model.d_model) == (2, 32)
    assert len(model.tokenize(small_cells)) == 40


class Killed(Exception):
    """Stands for a signal."""


class KillAfter(Silent):
    """Kills the training after some steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    @contextmanager
    def bar(self, label: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        def advance(n: int) -> None:
            self.left -= n
            if self.left <= 0:
                raise Killed

        yield advance


def test_a_killed_training_goes_on_to_the_same_weights(
    small_cells: Expression, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cellprism.models.pretrain.SAVE_EVERY", 6)
    short = replace(TINY, steps=24)
    whole = pretrain(small_cells, tmp_path / "whole", short, Silent())
    for steps in (15, 13):
        with pytest.raises(Killed):
            pretrain(small_cells, tmp_path / "killed", short, KillAfter(steps))
    with pytest.raises(UserError, match="unfinished training of other cells or options"):
        pretrain(small_cells, tmp_path / "killed", replace(TINY, seed=5), Silent())
    state = (tmp_path / "killed" / "unfinished.pt").read_bytes()
    (tmp_path / "killed" / "unfinished.pt").write_bytes(state[:500])
    with pytest.raises(UserError, match=r"unfinished\.pt is damaged: delete it"):
        pretrain(small_cells, tmp_path / "killed", short, Silent())
    (tmp_path / "killed" / "unfinished.pt").write_bytes(state)
    torch.manual_seed(77)
    assert pretrain(small_cells, tmp_path / "killed", short, Silent()) == whole
    files = [{p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("whole", "killed")]
    assert files[0] == files[1]


def test_sizes_that_do_not_fit_are_refused(small_cells: Expression, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="width 32 cannot be divided among 5 heads"):
        pretrain(small_cells, tmp_path / "x", replace(TINY, n_heads=5), Silent())


def test_genes_that_vary_together_start_together(small_cells: Expression) -> None:
    vocabulary = learn_vocabulary(small_cells)
    start = torch.from_numpy(coexpression_embeddings(small_cells, vocabulary, TINY))
    cosine = torch.nn.functional.cosine_similarity(start[:, None], start[None], dim=-1)
    assert cosine[:10, :10].mean() > cosine[:10, 20:].abs().mean() + 0.3


def test_many_cells_and_long_cells_are_bounded(small_cells: Expression, monkeypatch: pytest.MonkeyPatch) -> None:
    vocabulary = learn_vocabulary(small_cells)
    whole = coexpression_embeddings(small_cells, vocabulary, TINY)
    monkeypatch.setattr("cellprism.models.pretrain.COEXPRESSION_CELLS", 30)
    sampled = [coexpression_embeddings(small_cells, vocabulary, TINY) for _ in range(2)]
    assert np.array_equal(sampled[0], sampled[1])
    assert sampled[0].shape == whole.shape
    assert not np.array_equal(sampled[0], whole)
    first, second = torch.from_numpy(sampled[0][:2])
    assert torch.nn.functional.cosine_similarity(first, second, dim=0) > 0.3
    monkeypatch.setattr("cellprism.models.pretrain.LONGEST", 32)
    model = _new_model(small_cells, vocabulary, TINY)
    assert model.max_length == 32
    assert model.tokenize(small_cells).lengths.max() == 30


def test_medians_are_those_of_expressed_cells(small_cells: Expression) -> None:
    normalised = small_cells.counts.toarray() / small_cells.totals[:, None] * 1e4
    column = normalised[:, 4]
    assert learn_vocabulary(small_cells).medians["G4"] == pytest.approx(float(np.median(column[column > 0])))


def test_it_does_not_write_over_anything(small_cells: Expression, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(UserError, match="not empty"):
        pretrain(small_cells, tmp_path, TINY, Silent())


def test_the_shipped_model_says_how_it_was_made() -> None:
    facts = json.loads((find_checkpoint("demo").folder / "training.json").read_text())
    assert facts["config"]["seed"] == PretrainConfig().seed
    assert facts["config"]["steps"] == PretrainConfig().steps
    assert facts["held_out_loss"] < 0.8 * facts["gene_frequency_loss"]


def test_the_command_prints_the_loss_beside_that_of_gene_frequencies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    counts = np.random.default_rng(0).poisson(1.0, (40, 30)).astype(np.float32)
    anndata.AnnData(counts).write_h5ad(tmp_path / "mine.h5ad")
    sizes = ["--layers", "1", "--width", "8", "--heads", "2", "--steps", "2", "--seed", "3"]
    files = [str(tmp_path / "mine.h5ad"), str(tmp_path / "m")]
    monkeypatch.setattr(sys, "argv", ["cellprism", "pretrain", *files, *sizes])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code in {0, None}
    facts = json.loads((tmp_path / "m" / "training.json").read_text())
    assert (facts["config"]["seed"], facts["config"]["d_model"]) == (3, 8)
    out = " ".join(capsys.readouterr().out.split())
    assert f"cross-entropy {facts['held_out_loss']:.3f}" in out
    assert f"(gene frequencies: {facts['gene_frequency_loss']:.3f})" in out
