"""Residuals of every layer out of a model of Geneformer V2 316M's architecture."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cellprism.benchmarks import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from cellprism.cells.expression import Expression
    from cellprism.cells.tokens import TokenizedCells
    from cellprism.models.geneformer import Geneformer

SIZES = {
    "vocab_size": 20275, "hidden_size": 1152, "num_hidden_layers": 18, "num_attention_heads": 18,
    "intermediate_size": 4608, "max_position_embeddings": 4096, "hidden_act": "relu", "pad_token_id": 0,
}
"""config.json of Geneformer-V2-316M."""
QUICK_LAYERS = 3
"""All layers are alike, so that a few give the same ratios; therefore the vocabulary's logits are left out, too."""
TOKEN_BUDGET = 8192
FILES = {"zheng2017_pbmc_800": 8, "scp1884_gut_1020": 4, "ipsc_cardiomyocyte_315": 2}
"""Short, middling and long cells, and how many of them."""


@dataclass(frozen=True)
class Cost:
    """Shortest times over the turns: seconds on the clock, and seconds of all cores."""

    clock: float
    cores: float


def rows(quick: bool) -> list[Row]:
    """Random weights, because speed does not depend on them; real cells, because it does on their lengths."""
    import torch

    from cellprism.models.attention import transformers_attention
    from cellprism.models.base import pick_device, pick_dtype
    from cellprism.models.geneformer import Geneformer
    from cellprism.models.pretrain import learn_vocabulary

    sizes = {**SIZES, "num_hidden_layers": QUICK_LAYERS} if quick else SIZES
    device = pick_device("auto")
    baseline = random_bert(sizes, "eager").eval().to(device)
    result = []
    for expression, origin in some_cells(quick):
        vocabulary = learn_vocabulary(expression)
        for dtype in dict.fromkeys([pick_dtype("auto", device), torch.float32]):
            own = random_bert(sizes, transformers_attention(dtype, device))
            own.load_state_dict(baseline.state_dict())
            model = Geneformer(own.to(dtype), vocabulary, name="random 316M", device=device)
            result += _compare(baseline, model, model.tokenize(expression), origin, repeats=1 if quick else 2)
    return result


def _compare(
    baseline: Any, model: Geneformer, tokens: TokenizedCells, origin: str, *, repeats: int,
) -> list[Row]:
    import torch

    with torch.inference_mode():
        copied, residuals, forward = _turns([
            lambda: _copy_everything(baseline, model, tokens),
            lambda: _residuals(model, tokens),
            lambda: _forward(model, tokens),
        ], repeats=repeats)
    number_format = str(model.bert.dtype).removeprefix("torch.")
    shape = (
        f"{len(tokens)} cells of {origin}, {len(tokens.gene):,} positions, {model.n_layers} layers of width "
        f"{model.d_model}"
    )
    return [
        Row(
            f"extract: every layer's residuals, {number_format}", shape, "one cell at a time, float32, eager, all "
            "hidden states copied out", copied.clock, residuals.clock,
            f"{len(tokens.gene) / residuals.clock:.0f} positions/s; {copied.cores / residuals.cores:.2f}x in time of "
            "all cores",
        ),
        Row(
            f"extract: against the forward pass alone, {number_format}", shape, "the model's own forward pass of the "
            "same batches, same format", forward.clock, residuals.clock,
            f"{residuals.clock / forward.clock - 1:+.1%} over the forward pass; "
            f"{residuals.cores / forward.cores - 1:+.1%} in time of all cores",
        ),
    ]


def _turns(functions: Sequence[Callable[[], object]], *, repeats: int) -> list[Cost]:
    """As `best_seconds`, with the time of all cores, which a machine's other work changes less."""
    costs = [Cost(float("inf"), float("inf"))] * len(functions)
    for _ in range(repeats):
        for number, function in enumerate(functions):
            clock, cores = time.perf_counter(), time.process_time()
            function()
            clock, cores = time.perf_counter() - clock, time.process_time() - cores
            costs[number] = Cost(min(costs[number].clock, clock), min(costs[number].cores, cores))
    return costs


def some_cells(quick: bool) -> list[tuple[Expression, str]]:
    """Cells of the developers' data if they are there, else those of the demo."""
    from cellprism.cells.expression import read_expression

    folder = Path(os.environ.get("CELLPRISM_SHARED", "../shared"), "data", "cells")
    there = {name: (str(folder / f"{name}.h5ad"), n) for name, n in FILES.items()}
    there = {name: found for name, found in there.items() if Path(found[0]).exists()} or {"the demo": ("demo", 8)}
    chosen = []
    for name, (path, n) in there.items():
        expression = read_expression(path)
        rows = np.random.default_rng(0).choice(len(expression), -(-n // 2) if quick else n, replace=False)
        chosen.append((expression.take(np.sort(rows)), name))
    return chosen


def random_bert(sizes: dict[str, Any], attention: str) -> Any:
    from transformers import BertConfig, BertForMaskedLM

    return BertForMaskedLM(BertConfig(**sizes, attn_implementation=attention))


def _copy_everything(bert: Any, model: Geneformer, tokens: TokenizedCells) -> None:
    """The usual way: one cell at a time, every hidden state kept, then turned into float32 arrays."""
    for cell in range(len(tokens)):
        batch = model.pad(tokens, np.array([cell]))
        states = bert.bert(
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
    """The blocks as `transformers` runs them with PyTorch's attention, without the vocabulary's logits."""
    ours = model.bert.config._attn_implementation
    model.bert.set_attn_implementation("sdpa")
    for batch in model.batches(tokens, np.arange(len(tokens)), token_budget=TOKEN_BUDGET):
        out = model.bert.bert(input_ids=batch.tokens, attention_mask=batch.mask.long()).last_hidden_state
    model.bert.set_attn_implementation(ours)
    out.sum().item()
