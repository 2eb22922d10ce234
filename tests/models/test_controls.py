from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from cellprism.cells.expression import read_expression
from cellprism.errors import UserError
from cellprism.models import load_model
from cellprism.models.controls import StaticEmbedding, as_control
from cellprism.models.stages import run_model
from cellprism.runs.config import parse_config
from cellprism.runs.directory import Run

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.models.base import CellModel


def demo_model() -> CellModel:
    return load_model("demo", device="cpu", dtype="float32")


def states(model: CellModel, cells: np.ndarray) -> list[torch.Tensor]:
    tokens = model.tokenize(read_expression("demo").take(cells))
    batch = model.pad(tokens, np.arange(len(cells)))
    return [h[batch.gene] for _, h in model.residuals(batch)]


def test_random_weights_keep_the_embeddings_and_the_values_of_every_tensor() -> None:
    trained, random = demo_model(), as_control(demo_model(), "random_weights", seed=0)
    tokens = trained.tokenize(read_expression("demo").take(np.arange(2)))
    batch = trained.pad(tokens, np.arange(2))
    assert torch.equal(trained.embed(batch), random.embed(batch))
    for layer in range(trained.n_layers):
        pairs = zip(trained.block_module(layer).parameters(), random.block_module(layer).parameters(), strict=True)
        for before, after in pairs:
            assert torch.equal(before.flatten().sort().values, after.flatten().sort().values)
            assert before.dim() == 1 or not torch.equal(before, after)
    first, last = (list(model.residuals(batch))[-1][1][batch.gene] for model in (trained, random))
    cosine = torch.nn.functional.cosine_similarity(first - first.mean(0), last - last.mean(0), dim=-1).mean()
    assert cosine < 0.9


def test_the_seed_decides_the_weights() -> None:
    last = [states(as_control(demo_model(), "random_weights", seed=seed), np.arange(2))[-1] for seed in (1, 1, 2)]
    assert torch.equal(last[0], last[1])
    assert not torch.allclose(last[0], last[2])


def test_a_static_embedding_is_the_genes_whatever_the_cell() -> None:
    model = as_control(demo_model(), "static_embedding", seed=0)
    assert isinstance(model, StaticEmbedding)
    tokens = model.tokenize(read_expression("demo").take(np.arange(3)))
    batch = model.pad(tokens, np.arange(3))
    ((layer, h),) = model.residuals(batch)
    assert (layer, model.n_layers, model.describe()["n_layers"]) == (0, 1, 1)
    for token in batch.tokens[batch.gene].unique()[:20]:
        rows = h[batch.tokens == token]
        assert torch.equal(rows, rows[:1].expand_as(rows))
    with pytest.raises(UserError, match="predicts nothing"):
        model.readout(h, batch)


def test_a_run_names_its_control(tmp_path: Path) -> None:
    config = parse_config({"model": {"control": "static_embedding", "dtype": "float32"}})
    assert run_model(Run(tmp_path, config)).n_layers == 1
