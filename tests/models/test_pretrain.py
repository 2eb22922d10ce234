from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from cellprism.errors import UserError
from cellprism.models import load_model
from cellprism.models.checkpoints import find_checkpoint
from cellprism.models.pretrain import PretrainConfig, coexpression_embeddings, learn_vocabulary, pretrain
from cellprism.runs.progress import Silent

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.cells.expression import Expression

TINY = PretrainConfig(n_layers=2, d_model=32, n_heads=2, d_feedforward=32, n_components=8, steps=60, batch_size=8)


def test_it_learns_saves_in_geneformers_format_and_repeats_itself(small_cells: Expression, tmp_path: Path) -> None:
    losses = [pretrain(small_cells, tmp_path / name, TINY, Silent()) for name in ("one", "two")]
    assert losses[0] == losses[1]
    assert losses[0]["held_out_loss"] < losses[0]["gene_frequency_loss"]
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two")]
    assert weights[0] == weights[1]
    model = load_model(str(tmp_path / "one"), device="cpu")
    assert (model.n_layers, model.d_model) == (2, 32)
    assert len(model.tokenize(small_cells)) == 40


def test_genes_that_vary_together_start_together(small_cells: Expression) -> None:
    vocabulary = learn_vocabulary(small_cells)
    start = torch.from_numpy(coexpression_embeddings(small_cells, vocabulary, TINY))
    cosine = torch.nn.functional.cosine_similarity(start[:, None], start[None], dim=-1)
    assert cosine[:10, :10].mean() > cosine[:10, 20:].abs().mean() + 0.3


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
