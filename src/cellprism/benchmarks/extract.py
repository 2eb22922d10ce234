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
FILES = {"zheng2017_pbmc_800": 4, "scp1884_gut_1020": 2, "ipsc_cardiomyocyte_315": 1}
"""Short, middling and long cells, and how many of them: of about as many positions each time."""


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock, and seconds of all cores, which a machine's other work changes less."""

    clock: float
    cores: float


@dataclass(frozen=True)
class Measured:
    """What some cells cost: the usual way, then for each number format all residuals and the forward pass alone."""

    origin: str
    cells: int
    positions: int
    costs: list[Cost]


def rows(quick: bool) -> list[Row]:
    """Random weights, because speed does not depend on them; real cells, because it does on their lengths."""
    import torch

    from cellprism.models.attention import transformers_attention
    from cellprism.models.base import pick_device, pick_dtype
    from cellprism.models.geneformer import Geneformer
    from cellprism.models.pretrain import learn_vocabulary

    sizes = {**SIZES, "num_hidden_layers": QUICK_LAYERS} if quick else SIZES
    device = pick_device("auto")
    formats = list(dict.fromkeys([pick_dtype("auto", device), torch.float32]))
    baseline = random_bert(sizes, "eager").eval().to(device)
    own = {dtype: random_bert(sizes, transformers_attention(dtype, device)) for dtype in formats}
    for dtype, bert in own.items():
        bert.load_state_dict(baseline.state_dict())
        bert.to(dtype)
    measured: list[Measured] = []
    for expression, origin in some_cells(quick):
        vocabulary = learn_vocabulary(expression)
        models = [Geneformer(bert, vocabulary, name="random 316M", device=device) for bert in own.values()]
        tokens = models[0].tokenize(expression)
        if not measured:
            _measure(baseline, models, tokens)  # what comes first pays for memory that all later ones find
        measured.append(Measured(origin, len(tokens), len(tokens.gene), _measure(baseline, models, tokens)))
    if len(measured) > 1:
        measured.append(_together(measured))
    names = [str(dtype).removeprefix("torch.") for dtype in formats]
    layers = f"{sizes['num_hidden_layers']} layers of width {sizes['hidden_size']}"
    return [row for one in measured for row in _rows(one, names, layers)]


def _measure(baseline: Any, models: Sequence[Geneformer], tokens: TokenizedCells) -> list[Cost]:
    """The usual way, then for each model every layer's residuals and its forward pass alone."""
    import torch

    with torch.inference_mode():
        return [
            _cost(_copy_everything, baseline, models[0], tokens),
            *(_cost(function, model, tokens) for model in models for function in (_residuals, _forward)),
        ]


def _together(measured: Sequence[Measured]) -> Measured:
    """All cells, as one piece of work."""
    costs = [
        Cost(sum(one.clock for one in several), sum(one.cores for one in several))
        for several in zip(*(one.costs for one in measured), strict=True)
    ]
    origin = "all of these: " + ", ".join(one.origin for one in measured)
    return Measured(origin, sum(one.cells for one in measured), sum(one.positions for one in measured), costs)


def _rows(measured: Measured, names: Sequence[str], layers: str) -> list[Row]:
    shape = f"{measured.cells} cells of {measured.origin}, {measured.positions:,} positions, {layers}"
    copied, *ours = measured.costs
    rows = []
    for name, residuals, forward in zip(names, ours[::2], ours[1::2], strict=True):
        rows += [
            Row(
                f"extract: every layer's residuals, {name}", shape, "one cell at a time, float32, eager, all hidden "
                "states copied out", copied.clock, residuals.clock,
                f"{measured.positions / residuals.clock:.0f} positions/s; {copied.cores / residuals.cores:.2f}x in "
                "time of all cores",
            ),
            Row(
                f"extract: against the forward pass alone, {name}", shape, "the model's own forward pass of the same "
                "batches, same format", forward.clock, residuals.clock,
                f"{residuals.clock / forward.clock - 1:+.1%} over the forward pass; "
                f"{residuals.cores / forward.cores - 1:+.1%} in time of all cores",
            ),
        ]
    return rows


def _cost(function: Callable[..., None], *arguments: object) -> Cost:
    clock, cores = time.perf_counter(), time.process_time()
    function(*arguments)
    return Cost(time.perf_counter() - clock, time.process_time() - cores)


def some_cells(quick: bool) -> list[tuple[Expression, str]]:
    """Cells and where they come from, short ones alone if ``quick``."""
    from cellprism.cells.expression import read_expression

    chosen = []
    for name, path in cell_files(1 if quick else len(FILES)).items():
        expression = read_expression(path)
        rows = np.random.default_rng(0).choice(len(expression), FILES.get(name, 4), replace=False)
        chosen.append((expression.take(np.sort(rows)), name))
    return chosen


def cell_files(most: int) -> dict[str, str]:
    """The first ``most`` of the developers' files of cells if they are there, else the cells of the demo."""
    folder = Path(os.environ.get("CELLPRISM_SHARED", "../shared"), "data", "cells")
    there = {name: str(folder / f"{name}.h5ad") for name in FILES}
    return dict([one for one in there.items() if Path(one[1]).exists()][:most]) or {"the demo": "demo"}


def random_bert(sizes: dict[str, Any], attention: str) -> Any:
    """The same weights every time."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
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
