"""Residuals of every layer out of a model of Geneformer V2 316M's architecture."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.benchmarks import Row, best_seconds

if TYPE_CHECKING:
    import torch

    from cellprism.cells.expression import Expression
    from cellprism.cells.tokens import TokenizedCells
    from cellprism.models.geneformer import Geneformer

SIZES = {
    "vocab_size": 20275, "hidden_size": 1152, "num_hidden_layers": 18, "num_attention_heads": 18,
    "intermediate_size": 4608, "max_position_embeddings": 4096, "hidden_act": "relu", "pad_token_id": 0,
}
"""config.json of Geneformer-V2-316M."""
TOKEN_BUDGET = 4096


def rows(quick: bool) -> list[Row]:
    """Random weights, because speed does not depend on them; real cells, because it does on their lengths."""
    import torch

    from cellprism.models.base import pick_device, pick_dtype
    from cellprism.models.geneformer import Geneformer
    from cellprism.models.pretrain import learn_vocabulary

    expression, origin = some_cells(2 if quick else 5)
    vocabulary = learn_vocabulary(expression)
    device = pick_device("auto")
    baseline = random_bert("eager").eval().to(device)
    result = []
    for dtype in dict.fromkeys([pick_dtype("auto", device), torch.bfloat16]):
        own = random_bert("sdpa")
        own.load_state_dict(baseline.state_dict())
        model = Geneformer(own.to(dtype), vocabulary, name="random 316M", device=device)
        result += _compare(baseline, model, model.tokenize(expression), origin, repeats=1 if quick else 2)
    return result


def _compare(
    baseline: Any, model: Geneformer, tokens: TokenizedCells, origin: str, *, repeats: int,
) -> list[Row]:
    import torch

    with torch.inference_mode():
        copied, residuals, forward = best_seconds([
            lambda: _copy_everything(baseline, model, tokens),
            lambda: _residuals(model, tokens),
            lambda: _forward(model, tokens),
        ], repeats=repeats)
    number_format = str(model.bert.dtype).removeprefix("torch.")
    shape = f"{len(tokens)} cells of {origin}, {len(tokens.gene):,} positions, 18 layers of width 1152"
    return [
        Row(
            f"extract: every layer's residuals, {number_format}", shape, "one cell at a time, float32, eager, all "
            "hidden states copied out", copied, residuals, f"{len(tokens.gene) / residuals:.0f} positions/s",
        ),
        Row(
            f"extract: against the forward pass alone, {number_format}", shape, "the model's own forward pass of the "
            "same batches", forward, residuals, f"{residuals / forward - 1:+.1%} over the forward pass",
        ),
    ]


def some_cells(n: int) -> tuple[Expression, str]:
    """Cells with a few hundred to a few thousand genes if the developers' data are there, else those of the demo."""
    from cellprism.cells.expression import read_expression

    path = Path(os.environ.get("CELLPRISM_SHARED", "../shared"), "data", "cells", "zheng2017_pbmc_800.h5ad")
    expression = read_expression(str(path) if path.exists() else "demo")
    chosen = np.random.default_rng(0).choice(expression.counts.shape[0], n, replace=False)
    return expression.take(np.sort(chosen)), path.stem if path.exists() else "the demo"


def random_bert(attention: str) -> Any:
    from transformers import BertConfig, BertForMaskedLM

    return BertForMaskedLM(BertConfig(**SIZES, attn_implementation=attention))


def _copy_everything(bert: Any, model: Geneformer, tokens: TokenizedCells) -> None:
    """The usual way: one cell at a time, every hidden state kept, then turned into float32 arrays."""
    for cell in range(len(tokens)):
        batch = model.pad(tokens, np.array([cell]))
        states = bert(
            input_ids=batch.tokens, attention_mask=batch.mask.long(), output_hidden_states=True,
        ).hidden_states
        for state in states[1:]:
            state[0].float().cpu().numpy().copy()


def _residuals(model: Geneformer, tokens: TokenizedCells) -> None:
    """Ours: what a run does before it encodes."""
    gathered: torch.Tensor
    for batch in model.batches(tokens, np.arange(len(tokens)), token_budget=TOKEN_BUDGET):
        for _, h in model.residuals(batch):
            gathered = h[batch.gene]
    gathered.sum().item()


def _forward(model: Geneformer, tokens: TokenizedCells) -> None:
    """The blocks as `transformers` runs them, without the vocabulary's logits."""
    for batch in model.batches(tokens, np.arange(len(tokens)), token_budget=TOKEN_BUDGET):
        out = model.bert.bert(input_ids=batch.tokens, attention_mask=batch.mask.long()).last_hidden_state
    out.sum().item()
