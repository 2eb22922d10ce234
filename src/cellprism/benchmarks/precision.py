"""Which number format still gives the edges of a trace: an effect is a small difference of two passes."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cellprism.benchmarks import Budget
from cellprism.benchmarks.extract import SIZES, TOKEN_BUDGET, random_bert
from cellprism.causal.intervention import clean_cell, scale_features
from cellprism.causal.requests import CHANGES
from cellprism.models.geneformer import Geneformer
from cellprism.runs.config import SAEConfig
from cellprism.sae.topk import SparseAutoencoder, TopKCodes

if TYPE_CHECKING:
    import pandas as pd

    from cellprism.causal.calibration import SourceEffects
    from cellprism.cells.rank_tokens import GeneVocabulary
    from cellprism.cells.tokens import TokenizedCells
    from cellprism.models.base import Batch

MOST = 1.0
"""Percent of the edges that a format may lose, add or turn round."""
SMALL, LARGE = (0, 1, 2, 3), (14, 15, 17)
"""Source and targets in the demo's model, and in Geneformer V2 316M's architecture."""
PAIR = ["source", "target_layer", "target"]


class Mixed(Geneformer):
    """Products in bfloat16, everything else, above all the residual stream, in float32."""

    def block(self, layer: int, h: torch.Tensor, batch: Batch) -> torch.Tensor:
        with torch.autocast(h.device.type, torch.bfloat16):
            return super().block(layer, h, batch)

    def block_at(self, layer: int, h: torch.Tensor, batch: Batch, places: torch.Tensor) -> torch.Tensor:
        with torch.autocast(h.device.type, torch.bfloat16):
            return super().block_at(layer, h, batch, places)


class Wide(SparseAutoencoder):
    """Encodes in float64, which the ordinary one does not."""

    def normalise(self, x: torch.Tensor) -> torch.Tensor:
        return (x.double() - self.centre) / self.scale

    def encode(self, x: torch.Tensor) -> TopKCodes:
        value, index = self.pre_activations(self.normalise(x)).topk(self.k, dim=1)
        return TopKCodes(index, value)


FORMATS: dict[str, tuple[type[Geneformer], torch.dtype]] = {
    "float64": (Geneformer, torch.float64), "float32": (Geneformer, torch.float32),
    **dict.fromkeys(CHANGES, (Geneformer, torch.float32)),
    "bfloat16 products, float32 residual": (Mixed, torch.float32), "bfloat16": (Geneformer, torch.bfloat16),
}


@dataclass(frozen=True)
class World:
    """What is traced in every format: a float32 model, its cells, dictionaries, layers and source features."""

    bert: Any
    vocabulary: GeneVocabulary
    tokens: TokenizedCells
    saes: dict[int, SparseAutoencoder]
    layers: tuple[int, ...]
    sources: np.ndarray

    def model(self, name: str) -> Geneformer:
        """The model in one of `FORMATS`, with the attention that a run in that format has."""
        from cellprism.models.attention import transformers_attention

        kind, dtype = FORMATS[name]
        bert = copy.deepcopy(self.bert).to(dtype)
        bert.set_attn_implementation(transformers_attention(dtype, bert.device))
        return kind(bert, self.vocabulary, name=name, device=bert.device)


@dataclass(frozen=True)
class Traced:
    """What one format gives: effects and edges of the sources, and passes in a second."""

    effects: list[SourceEffects]
    edges: pd.DataFrame
    rate: float


def rows(quick: bool) -> list[Budget]:
    """The demo's trained model against float64, and random weights of full size against float32; the demo's cells."""
    small = _small_world(*((12, 4, 60) if quick else (40, 12, 300)))
    large = _large_world(*((12, 2, 20) if quick else (28, 6, 60)))
    return [
        *_compare(small, "demo", ["float64", "float32", *CHANGES, "bfloat16 products, float32 residual", "bfloat16"]),
        *_compare(large, "316M", ["float32", *CHANGES, "bfloat16 products, float32 residual", "bfloat16"]),
    ]


def different(found: Traced, exact: Traced) -> tuple[float, str]:
    """Percent of the exact edges that are lost or turned round, or of the found ones that are new, if that is more.

    Where neither has an edge: percent of the exact effects with another sign.
    """
    both = found.edges.merge(exact.edges, on=PAIR, suffixes=("", "_exact"))
    turned = int((both["sign"] != both["sign_exact"]).sum())
    lost, added = len(exact.edges) - len(both), len(found.edges) - len(both)
    pairs = [
        (a.effect[layer].mean(axis=0), b.effect[layer].mean(axis=0))
        for a, b in zip(found.effects, exact.effects, strict=True) for layer in b.effect
    ]
    mean, true = (np.concatenate(part) for part in zip(*pairs, strict=True))
    alive = int(((mean != 0) & (true == 0)).sum())
    signs = 100 * float((np.sign(mean) != np.sign(true))[true != 0].mean())
    share = 100 * max((lost + turned) / max(len(exact.edges), 1), added / max(len(found.edges), 1))
    share = share if len(exact.edges) + len(found.edges) else signs
    return share, (
        f"{len(exact.edges):,} edges: {lost} lost, {added} added, {turned} with the other sign; {signs:.1f} % of "
        f"the mean effects have another sign, they are off by "
        f"{np.linalg.norm(mean - true) / np.linalg.norm(true):.1e} of their size; {alive:,} targets respond that "
        f"should not; {found.rate:.1f} against {exact.rate:.1f} passes/s"
    )


def _compare(world: World, name: str, formats: list[str]) -> list[Budget]:
    exact = _traced(world, formats[0])
    source, *targets = world.layers
    shape = (
        f"{name}, layer {source} to {', '.join(map(str, targets))}, {len(world.sources)} sources, {len(world.tokens)} "
        f"cells of {world.tokens.lengths.mean():.0f} positions"
    )
    found = []
    for other in formats[1:]:
        share, note = different(_traced(world, other), exact)
        found.append(Budget(f"precision: edges of {formats[0]} not kept by {other}", shape, MOST, share, "%", note))
    return found


def _traced(world: World, name: str) -> Traced:
    from scipy import sparse

    from cellprism.causal.calibration import SourceEffects, calibrate
    from cellprism.causal.changes import changed_effects, changing_blocks
    from cellprism.causal.effects import cell_effects, clean_state
    from cellprism.causal.engine import firing_features
    from cellprism.causal.finish import finish
    from cellprism.causal.workfiles import CellEffects, by_source

    model, saes = world.model(name), world.saes
    if name == "float64":
        saes = {layer: _wide(sae) for layer, sae in saes.items()}
    source, *targets = world.layers
    effects_by = partial(cell_effects, model)
    if name in CHANGES:
        effects_by = partial(changed_effects, changing_blocks(model, source, max(targets), CHANGES[name]))
    files, seconds, passes = {}, 0.0, 0
    for cell in range(len(world.tokens)):
        state = clean_state(model, saes, world.tokens, cell, source=source, targets=targets)
        firing = firing_features(state, world.sources)
        chosen = torch.from_numpy(firing).to(model.device)
        edits = scale_features(saes[source], state.source, state.places, chosen)
        started = time.perf_counter()
        effects = effects_by(saes, state, edits, token_budget=TOKEN_BUDGET)
        files[cell] = CellEffects(firing, {k: sparse.csr_matrix(x.cpu().numpy()) for k, x in effects.items()})
        seconds, passes = seconds + time.perf_counter() - started, passes + len(firing)
    effects_of = [SourceEffects(*one) for one in by_source(files, world.sources)]
    return Traced(effects_of, finish([calibrate(one) for one in effects_of])["edges"], passes / seconds)


def _small_world(n_cells: int, n_sources: int, steps: int) -> World:
    from cellprism.models import load_model

    model: Any = load_model("demo", dtype="float32")
    config = SAEConfig(k=16, steps=steps, batch_size=1024)
    return _world(model, model.tokenize(_cells(n_cells)), SMALL, n_sources, config)


def _large_world(n_cells: int, n_sources: int, steps: int) -> World:
    """Random weights: what a single feature changes is less in them than in a trained model."""
    from cellprism.models.base import pick_device
    from cellprism.models.pretrain import learn_vocabulary

    expression, device = _cells(n_cells), pick_device("auto")
    model = Geneformer(random_bert(SIZES, "sdpa"), learn_vocabulary(expression), name="random 316M", device=device)
    return _world(model, model.tokenize(expression), LARGE, n_sources, SAEConfig(steps=steps, batch_size=1024))


def _cells(n: int) -> Any:
    from cellprism.cells.expression import read_expression

    expression = read_expression("demo")
    return expression.take(np.sort(np.random.default_rng(0).choice(len(expression), n, replace=False)))


def _residuals(model: Geneformer, tokens: TokenizedCells, layers: tuple[int, ...]) -> dict[int, torch.Tensor]:
    """Residuals of all gene positions after each of ``layers``, on the CPU."""
    kept: dict[int, list[torch.Tensor]] = {layer: [] for layer in layers}
    for batch in model.batches(tokens, np.arange(len(tokens)), token_budget=TOKEN_BUDGET):
        for layer, h in model.residuals(batch):
            if layer in kept:
                kept[layer].append(h[batch.gene].cpu())
    return {layer: torch.cat(parts) for layer, parts in kept.items()}


def _world(
    model: Geneformer, tokens: TokenizedCells, layers: tuple[int, ...], n_sources: int, config: SAEConfig,
) -> World:
    """Dictionaries are trained on the spot; sources are drawn from the features that fire in ten cells or more."""
    from cellprism.sae.train import train

    saes = {
        layer: train(x, x[:512], config, seed=layer, advance=lambda _: None).sae.requires_grad_(False).to(model.device)
        for layer, x in _residuals(model, tokens, layers).items()
    }
    fires = np.zeros(saes[layers[0]].n_features, np.int64)
    for cell in range(len(tokens)):
        clean = clean_cell(model, tokens, cell, layers=layers[:1])
        codes = saes[layers[0]].encode(clean.residual[layers[0]][clean.places])
        fires[torch.unique(codes.index[codes.value > 0]).cpu().numpy()] += 1
    chosen = np.random.default_rng(0).permutation(np.flatnonzero(fires >= 10))[:n_sources]
    return World(model.bert, model.genes, tokens, saes, layers, np.sort(chosen))


def _wide(sae: SparseAutoencoder) -> Wide:
    wide = Wide(sae.d_model, sae.n_features, sae.k).requires_grad_(False)
    wide.load_state_dict(sae.state_dict())
    return wide.double().to(sae.W_dec.device)
