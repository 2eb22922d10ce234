"""Tracing in a model of Geneformer V2 316M's architecture, with dictionaries of full size."""

from __future__ import annotations

import resource
import sys
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from cellprism.benchmarks import Row, best_seconds
from cellprism.benchmarks.extract import SIZES, TOKEN_BUDGET, cell_files, random_bert

if TYPE_CHECKING:
    import torch

    from cellprism.causal.effects import CleanState
    from cellprism.causal.intervention import Edits
    from cellprism.cells.tokens import TokenizedCells
    from cellprism.models.geneformer import Geneformer
    from cellprism.sae.topk import SparseAutoencoder

SOURCE, TARGETS = 5, tuple(range(6, 18))
"""All later layers, as a trace reads them by default and as the published circuits do."""
K, EXPANSION = 32, 4
LENGTHS = (500, 1000, 2046)
"""Positions of a short cell, of a middling one, and of those of the published map, which fill its model."""
MOST = 200
"""Cells among which the ones of such lengths are looked for."""
FLOAT32 = 8
"""Edits of a cell that are timed in float32, where their number changes nothing for a single one."""
EAGER, OWN = "eager", "sdpa"
"""Attention as the published scripts extract residuals, and as `transformers` has it by default today."""


@dataclass(frozen=True)
class Measured:
    """Seconds that ``n`` edits of one cell take, by attention or number format; and how they are said."""

    shape: str
    note: str
    whole: dict[str, float]
    ours: dict[str, float]


def rows(quick: bool) -> list[Row]:
    """Random weights and dictionaries, real cells; in float32 and in the format that a trace has on this machine."""
    from cellprism.cells.expression import read_expression
    from cellprism.models.base import pick_device
    from cellprism.models.geneformer import Geneformer
    from cellprism.models.pretrain import learn_vocabulary

    cells, arithmetic, bert = [], [], random_bert(SIZES, OWN)
    for (name, path), length in zip(cell_files(1 if quick else len(LENGTHS)).items(), LENGTHS, strict=False):
        expression = read_expression(path)
        expression = expression.take(np.arange(min(MOST, len(expression))))
        model = Geneformer(
            bert, learn_vocabulary(expression), name="random 316M", device=pick_device("auto"),
        )
        tokens = model.tokenize(expression)
        nearest = int(np.abs(tokens.lengths - length).argmin())
        measured, rate = _measure(model, tokens, nearest, name, n=8 if quick else 48)
        cells.append(measured)
        arithmetic.append(rate)
    whole = replace(_sum(cells), shape=f"the {len(cells)} cells together")
    return [row for one in ([whole] if len(cells) > 1 else []) + cells for row in _compared(one)] + arithmetic


def _sum(cells: list[Measured]) -> Measured:
    return Measured("", "", *(
        {key: sum(getattr(cell, part)[key] for cell in cells) for key in getattr(cells[0], part)}
        for part in ("whole", "ours")
    ))


def _compared(cell: Measured) -> list[Row]:
    whole_pass = "one whole pass for each feature and cell, float32, every position encoded, attention"
    return [
        Row(f"trace: effects of a feature in a cell, {name}", cell.shape, f"{whole_pass} {way}", whole, ours, cell.note)
        for name, ours in cell.ours.items() for way, whole in cell.whole.items()
    ]


def _measure(model: Geneformer, tokens: TokenizedCells, cell: int, origin: str, *, n: int) -> tuple[Measured, Row]:
    """What ``n`` edits of one cell take, and a whole pass for each of them; and the rate of arithmetic."""
    from cellprism.causal.changes import changed_effects, changing_blocks
    from cellprism.causal.effects import cell_effects, clean_state
    from cellprism.causal.requests import ELSEWHERE, PRECISION
    from cellprism.models.differences import changes_format

    saes = _dictionaries(model, tokens, cell)
    state = clean_state(model, saes, tokens, cell, source=SOURCE, targets=TARGETS)
    edits = _edits(saes[SOURCE], state, n)
    few = _edits(saes[SOURCE], state, FLOAT32)
    products = changes_format("geneformer", model.d_model, model.device) or "float32"
    blocks = changing_blocks(model, SOURCE, max(TARGETS), products)
    eager, own, forward = best_seconds([
        partial(_whole_pass, model, saes, state, edits, EAGER),
        partial(_whole_pass, model, saes, state, edits, OWN),
        partial(_forward, model, state),
    ], repeats=2)
    exact, changes = best_seconds([
        partial(cell_effects, model, saes, state, few, token_budget=TOKEN_BUDGET),
        partial(changed_effects, blocks, saes, state, edits, token_budget=TOKEN_BUDGET),
    ], repeats=1)
    work, plain = _operations(model, saes, state, few)
    shape = (
        f"a cell of {origin}, {len(state.places):,} positions, {n} features, layer {SOURCE} to the {len(TARGETS)} "
        f"after it, {len(edits.place) / n:.0f} positions edited"
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Measured(
        shape, f"peak memory {peak / 1e9:.1f} GB", {EAGER: eager * n, OWN: own * n},
        {ELSEWHERE.format(products): changes, PRECISION: exact * n / FLOAT32},
    ), Row(
        f"trace: rate of arithmetic, {PRECISION}", shape, "the same number of operations at the rate of the "
        "model's own plain forward pass", forward * work / plain, exact,
        f"{work / exact / 1e9:.0f} of {plain / forward / 1e9:.0f} GFLOP/s",
    )


def _dictionaries(model: Geneformer, tokens: TokenizedCells, cell: int) -> dict[int, SparseAutoencoder]:
    """Untrained ones, on the true centre and scale of the cell."""
    import torch

    from cellprism.sae.topk import SparseAutoencoder

    saes, generator = {}, torch.Generator().manual_seed(0)
    batch = model.pad(tokens, np.array([cell]))
    for layer, h in model.residuals(batch):
        if layer in (SOURCE, *TARGETS):
            sae = SparseAutoencoder(model.d_model, EXPANSION * model.d_model, K).requires_grad_(False)
            sae.initialise(h[batch.gene].cpu(), generator)
            saes[layer] = sae.to(model.device)
    return saes


def _edits(sae: SparseAutoencoder, state: CleanState, n: int) -> Edits:
    """Ablations of features from the rarest to the most frequent in the cell."""
    import torch

    from cellprism.causal.intervention import scale_features

    often = torch.bincount(state.source.index[state.source.value > 0], minlength=sae.n_features)
    firing = often.argsort()[int((often == 0).sum()) :]
    features = firing[torch.linspace(0, len(firing) - 1, n).long().to(firing.device)]
    return scale_features(sae, state.source, state.places, features)


def _whole_pass(
    model: Geneformer, saes: dict[int, SparseAutoencoder], state: CleanState, edits: Edits, attention: str,
) -> dict[int, torch.Tensor]:
    """The usual way, for the middle one of the edits: one cell, every layer, every position encoded densely."""
    import torch

    row = edits.take(torch.tensor([len(edits) // 2], device=edits.row.device))
    codes = {}
    model.bert.set_attn_implementation(attention)
    with torch.inference_mode():
        h = model.embed(state.batch)
        for layer in range(model.n_layers):
            h = model.block(layer, h, state.batch)
            if layer == SOURCE:
                h[0, row.place] += (row.strength[:, None] * row.direction[row.row]).to(h.dtype)
            if layer in TARGETS:
                sae = saes[layer]
                kept = sae.pre_activations(sae.normalise(h[0])).topk(K, dim=1)
                dense = torch.zeros((h.shape[1], sae.n_features), device=h.device)
                codes[layer] = dense.scatter_(1, kept.indices, kept.values)[row.place].mean(dim=0)
    model.bert.set_attn_implementation(OWN)
    return {layer: code.cpu() for layer, code in codes.items()}


def _forward(model: Geneformer, state: CleanState) -> float:
    """The model's own pass over as many copies of the cell as a batch holds."""
    import torch

    n = max(1, TOKEN_BUDGET // len(state.residual))
    with torch.inference_mode():
        out = model.bert.bert(input_ids=state.batch.tokens.expand(n, -1)).last_hidden_state
    return float(out[0, 0, 0])


def _operations(
    model: Geneformer, saes: dict[int, SparseAutoencoder], state: CleanState, edits: Edits,
) -> tuple[float, float]:
    """Floating-point operations of the effects, and of the plain pass."""
    d, t = model.d_model, len(state.residual)
    f = model.bert.config.intermediate_size
    block = 8.0 * d * d + 4.0 * d * f + 4.0 * d * t
    last = 4.0 * d * d * t * len(edits) + (4.0 * d * d + 4.0 * d * f + 4.0 * d * t) * len(edits.place)
    encoding = sum(2.0 * d * saes[layer].n_features for layer in TARGETS) * len(edits.place)
    ours = len(edits) * t * (TARGETS[-1] - SOURCE - 1) * block + last + encoding
    return ours, max(1, TOKEN_BUDGET // t) * t * model.n_layers * block
