"""A BERT whose wiring is known because its weights were set by hand, its cells, and dictionaries of its features.

Features are orthonormal directions of the residual, none of them along an axis, all of mean 0 so that LayerNorm takes
nothing from them. It divides by a constant: its ``eps`` is far above any variance, or, with a ``level``, a constant
part of every residual makes up nearly all of the variance.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from scipy.linalg import hadamard
from transformers import BertConfig, BertForMaskedLM

from cellprism.codes.stages import ENCODE
from cellprism.features.stages import ANNOTATE, CATALOG
from cellprism.models.stages import TOKENIZE
from cellprism.runs.config import parse_config
from cellprism.runs.directory import create
from cellprism.runs.progress import Silent
from cellprism.runs.stage import run_stages
from cellprism.sae.files import save
from cellprism.sae.stages import TRAIN
from cellprism.sae.topk import SparseAutoencoder

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.runs.directory import Run

SUPPORTER, HELPER, OPPOSER, CALLER, LEFT, RIGHT, DISTRACTOR = SOURCES = range(7)
"""Features that genes bring along. The distractor comes with the supporter and drives nothing."""
TARGET, FICKLE, EVERYWHERE, COPY, SECOND, ECHO, BOTH, EITHER, SUM = range(7, 16)
"""Features that blocks write: the first four block 1, the others block 2."""
N_FEATURES = 16
MOOD_GENE, MOOD, TASTE, LEVEL = range(16, 20)
"""Directions that no dictionary has."""

LAYERS, WIDTH, HEADS = 3, 64, 4
AXES = hadamard(WIDTH)[1:] / WIDTH**0.5
"""A direction for each feature."""
UNITS: dict[int, list[tuple[dict[int, float], float, dict[int, float]]]] = {
    1: [
        ({SUPPORTER: 1}, 0, {TARGET: 0.6}), ({HELPER: 1}, 0, {TARGET: 0.5}), ({OPPOSER: 1}, 0, {TARGET: -0.6}),
        ({LEFT: 1}, 0, {COPY: 1}),
        ({SUPPORTER: 1, MOOD: 2}, -2, {FICKLE: 1}), ({SUPPORTER: 1, MOOD: -2}, -2, {FICKLE: -1}),
    ],
    2: [
        ({TARGET: 1}, 0, {SECOND: -0.5}),
        ({LEFT: 1, RIGHT: 1}, -1, {BOTH: 1, EITHER: -1}),
        ({LEFT: 1}, 0, {EITHER: 1, SUM: 1}), ({RIGHT: 1}, 0, {EITHER: 1, SUM: 1}),
    ],
}
"""Block -> units ``relu(read + bias)`` of its MLP, and what they write."""
CONSTANT = {1: {TARGET: 5, FICKLE: 5, EVERYWHERE: 5}, 2: {SECOND: 8, ECHO: 5}}
"""Block -> what its MLP writes everywhere, so that a feature can be seen to fall."""
LENGTH = 20
"""Genes of a cell, one of them of a mood."""
ATTENTION = {
    0: (0.0, TASTE, MOOD_GENE, MOOD, float(LENGTH)), 1: (2.0, CALLER, CALLER, EVERYWHERE, 2.0),
    2: (0.3, TASTE, EVERYWHERE, ECHO, 1.0),
}
"""Block -> what its first head does: it attends by ``softmax(number * first)``, reads the second, writes the third."""

KEPT = {(feature, feature): 1 for feature in SOURCES}
GATES = {(part, gate): 1 for part in (LEFT, RIGHT) for gate in (BOTH, EITHER, SUM)}
FIRST = {
    (SUPPORTER, TARGET): 1, (HELPER, TARGET): 1, (OPPOSER, TARGET): -1, (CALLER, EVERYWHERE): 1, (LEFT, COPY): 1,
}
EDGES = {
    (0, 1): KEPT | FIRST,
    (0, 2): KEPT | FIRST | GATES
    | {(SUPPORTER, SECOND): -1, (HELPER, SECOND): -1, (OPPOSER, SECOND): 1, (CALLER, ECHO): 1},
    (1, 2): KEPT | {(feature, feature): 1 for feature in range(TARGET, SECOND)} | GATES
    | {(TARGET, SECOND): -1, (EVERYWHERE, ECHO): 1},
}
"""Source and target layer -> (source, target) -> sign. The supporter drives the fickle, too, with a sign cells draw."""

GENES, MOODS = 300, 2
"""Genes with features, and genes of which each cell has one, its mood."""
SHARE, OFF, RANGE = 0.4, -1.0, 0.3
"""Share of the genes that bring a feature, what others have of it, and by how much places in the cell change that."""


@dataclass(frozen=True)
class Genes:
    """What genes ``(GENES, sources)`` and places in a cell ``(LENGTH, sources)`` have of the sources; genes' taste."""

    own: np.ndarray
    place: np.ndarray
    taste: np.ndarray


def genes(rng: np.random.Generator) -> Genes:
    """Values of 0.6 to 1 where a source fires, places included."""
    own = np.where(rng.random((GENES, len(SOURCES))) < SHARE, rng.uniform(0.6, 0.7, (GENES, len(SOURCES))), OFF)
    place = rng.uniform(0, RANGE, (LENGTH, len(SOURCES)))
    same = rng.random(GENES) < 0.95
    own[same, DISTRACTOR] = own[same, SUPPORTER]
    place[:, DISTRACTOR] = place[:, SUPPORTER]
    return Genes(own, place, rng.standard_normal(GENES))


def planted_bert(of: Genes, *, level: float = 0.0) -> BertForMaskedLM:
    """The model of two special tokens, ``GENES`` genes and two moods."""
    special = 2
    bert = BertForMaskedLM(BertConfig(
        vocab_size=special + GENES + MOODS, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        intermediate_size=8, hidden_act="relu", max_position_embeddings=LENGTH, pad_token_id=0,
        layer_norm_eps=1e-12 if level else 2.0**40,
    )).eval()
    with torch.no_grad():
        for name, weight in bert.bert.named_parameters():
            gain = level / WIDTH**0.5 if level else 2.0**20
            weight.fill_(gain if name.endswith("LayerNorm.weight") else 0)
        table = bert.bert.embeddings.word_embeddings.weight
        own = {source: of.own[:, source] for source in SOURCES}
        _add(table[special : special + GENES], own | {TASTE: of.taste})
        _add(table[special + GENES :], dict.fromkeys(SOURCES, OFF) | {MOOD_GENE: np.array([1.0, -1.0])})
        _add(table, {LEVEL: level})
        _add(bert.bert.embeddings.position_embeddings.weight, {source: of.place[:, source] for source in SOURCES})
        for layer, (sharpness, look, read, write, loudness) in ATTENTION.items():
            part = bert.bert.encoder.layer[layer].attention
            _add(part.self.key.weight[0], {look: 1})
            _add(part.self.value.weight[0], {read: 1})
            part.self.query.bias[0] = sharpness * (WIDTH // HEADS) ** 0.5
            _add(part.output.dense.weight[:, 0], {write: loudness})
        for layer, units in UNITS.items():
            up, down = bert.bert.encoder.layer[layer].intermediate.dense, bert.bert.encoder.layer[layer].output.dense
            for unit, (reads, bias, writes) in enumerate(units):
                _add(up.weight[unit], reads)
                up.bias[unit] = bias
                _add(down.weight[:, unit], writes)
            _add(down.bias, CONSTANT[layer])
    return bert


def _add(rows: torch.Tensor, values: dict[int, Any]) -> None:
    """Add the directions, each times a number or a number for each row."""
    for feature, value in values.items():
        rows += torch.from_numpy(np.multiply.outer(value, AXES[feature])).float()


def dictionary() -> SparseAutoencoder:
    """The features as atoms; what is below 0.05 does not fire."""
    sae = SparseAutoencoder(WIDTH, N_FEATURES, N_FEATURES, "batchtopk").requires_grad_(False)
    sae.W_enc.copy_(torch.from_numpy(AXES[:N_FEATURES]))
    sae.W_dec.copy_(sae.W_enc)
    sae.threshold.fill_(0.05)
    return sae


def cells(n: int, rng: np.random.Generator) -> np.ndarray:
    """Genes of ``n`` cells in order, shape ``(n, LENGTH)``; half of the cells are of either mood."""
    found = []
    for cell in range(n):
        mood = [GENES + cell % MOODS]
        found.append(rng.permutation(np.concatenate([rng.choice(GENES, LENGTH - 1, replace=False), mood])))
    return np.stack(found)


def by_hand(of: Genes, cell: np.ndarray) -> list[np.ndarray]:
    """What every position of a cell has of every feature after each layer, as the wiring is meant: a slow oracle."""
    x = np.zeros((LENGTH, N_FEATURES))
    for p, gene in enumerate(cell):
        x[p, list(SOURCES)] = (of.own[gene] if gene < GENES else OFF) + of.place[p]
    first, on = x.copy(), np.maximum(x, 0)
    first[:, TARGET] = 5 + 0.6 * on[:, SUPPORTER] + 0.5 * on[:, HELPER] - 0.6 * on[:, OPPOSER]
    first[:, FICKLE] = 5 + on[:, SUPPORTER] * (1 if GENES in cell else -1)
    weight = np.exp(2 * x[:, CALLER])
    first[:, EVERYWHERE] = 5 + 2 * (weight * x[:, CALLER]).sum() / weight.sum()
    first[:, COPY] = on[:, LEFT]
    second = first.copy()
    second[:, SECOND] = 8 - 0.5 * first[:, TARGET]
    second[:, ECHO] = 5 + first[:, EVERYWHERE].mean()
    second[:, BOTH] = np.maximum(x[:, LEFT] + x[:, RIGHT] - 1, 0)
    second[:, SUM] = on[:, LEFT] + on[:, RIGHT]
    second[:, EITHER] = second[:, SUM] - second[:, BOTH]
    return [x, first, second]


def planted_run(folder: Path, n_cells: int, *, seed: int = 0, level: float = 0.0) -> Run:
    """A run of the model, as far as labels, in ``folder/run``."""
    rng = np.random.default_rng(seed)
    of = genes(rng)
    names = ["<pad>", "<mask>", *(f"G{gene}" for gene in range(GENES + MOODS))]
    planted_bert(of, level=level).save_pretrained(folder / "model")
    for name, value in (
        ("token_dictionary", {name: token for token, name in enumerate(names)}),
        ("gene_median_dictionary", dict.fromkeys(names[2:], 1.0)),
        ("gene_name_id_dict", {name: name for name in names[2:]}),
    ):
        (folder / "model" / f"{name}.pkl").write_bytes(pickle.dumps(value, protocol=4))
    pd.DataFrame({"input_ids": list(cells(n_cells, rng) + 2)}).to_parquet(folder / "cells.parquet")
    terms = [
        "\t".join([f"source {source}", "", *(f"G{gene}" for gene in np.flatnonzero(of.own[:, source] > 0))])
        for source in SOURCES
    ]
    (folder / "terms.gmt").write_text("\n".join(terms))
    run = create(parse_config({
        "out": str(folder / "run"), "cells": {"path": str(folder / "cells.parquet")}, "sae": {"k": N_FEATURES},
        "model": {"path": str(folder / "model"), "dtype": "float32", "device": "cpu"},
        "annotation": {"gene_sets": [str(folder / "terms.gmt")], "permutations": 1},
    }))
    run_stages([TOKENIZE, DICTIONARIES, ENCODE, CATALOG, ANNOTATE], run, Silent())
    return run


DICTIONARIES = replace(
    TRAIN, inputs=("model.json",), outputs=("{layer}/sae.safetensors",), config=(),
    function=lambda run, layer, _: save(dictionary(), run.file("sae.safetensors", layer), {"layer": layer}),
)
