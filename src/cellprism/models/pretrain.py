"""Train a small rank-token model on one's own cells and save it in Geneformer's format."""

from __future__ import annotations

import json
import math
import pickle
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import sparse

from cellprism.cells.rank_tokens import GeneVocabulary
from cellprism.errors import UserError
from cellprism.models.geneformer import Geneformer
from cellprism.models.pretrain_state import State, fingerprint
from cellprism.runs.files import atomic_path, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.cells.expression import Expression
    from cellprism.cells.tokens import TokenizedCells
    from cellprism.models.base import Batch
    from cellprism.runs.progress import Progress

SPECIAL = ("<pad>", "<mask>", "<cls>", "<eos>")
MASKED_SHARE = 0.15
LONGEST = 2048
"""Tokens that the model reads at most: the highest ranks of a longer cell, as in Geneformer."""
COEXPRESSION_CELLS = 2000
"""Cells that gene embeddings are started from at most: the decomposition's memory and time do not grow beyond."""
SAVE_EVERY = 100
"""Steps after which the state is saved; a kill loses no more."""


@dataclass(frozen=True)
class PretrainConfig:
    """Size and schedule of the model.

    Attributes
    ----------
    n_layers, d_model, n_heads, d_feedforward
        Sizes of the transformer.
    n_components
        Gene embeddings start from so many singular vectors of the scaled log expression; the rest is noise.
    steps, batch_size, learning_rate
        Adam steps, cells per step, peak learning rate (5 % warm-up, then cosine to 0).
    held_out
        Share of cells kept out of training for the reported losses.
    seed
        Seed of everything random.
    """

    n_layers: int = 4
    d_model: int = 128
    n_heads: int = 4
    d_feedforward: int = 256
    n_components: int = 120
    steps: int = 800
    batch_size: int = 16
    learning_rate: float = 2e-3
    held_out: float = 0.1
    seed: int = 0


def pretrain(expression: Expression, out: Path, config: PretrainConfig, progress: Progress) -> dict[str, float]:
    """Train on masked genes and write checkpoint, dictionaries and ``training.json`` to ``out``.

    Killed, the same call goes on from the last state that it saved in ``out``, and ends with the same weights.

    Returns
    -------
    dict
        ``held_out_loss`` and ``gene_frequency_loss``: mean cross-entropy (nats) of masked genes in held-out cells, of
        the model and of always predicting each gene by its frequency; ``held_out_accuracy`` and
        ``gene_frequency_accuracy``: share of such genes that are the first guess, the latter's always being the most
        frequent gene.

    Raises
    ------
    UserError
        ``out`` holds something else, the sizes do not fit together, or there are too few cells.
    """
    if config.d_model % config.n_heads:
        msg = f"the width {config.d_model} cannot be divided among {config.n_heads} heads: choose a multiple."
        raise UserError(msg)
    state = State(out, fingerprint(expression, config))
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    vocabulary = learn_vocabulary(expression)
    model = _new_model(expression, vocabulary, config)
    tokens = model.tokenize(expression)
    held_out, train = np.split(rng.permutation(len(tokens)), [max(1, round(config.held_out * len(tokens)))])
    if len(train) < config.batch_size:
        msg = f"{expression.source} has {len(tokens)} cells, too few to train on: give {2 * config.batch_size} or more."
        raise UserError(msg)
    _fit(model, tokens, train, config, rng, progress, state)
    scores = {**_held_out_scores(model, tokens, held_out, config.seed), **_frequency_scores(tokens, train, held_out)}
    _save(model, vocabulary, out)
    write_json(out / "training.json", {"config": asdict(config), "source": expression.source, **scores})
    state.remove()
    return scores


def learn_vocabulary(expression: Expression) -> GeneVocabulary:
    """Tokens for every expressed gene under its first name, and its median non-zero normalised expression."""
    scale = sparse.diags(1e4 / np.maximum(expression.totals, 1))
    normalised = (scale @ expression.counts.astype(np.float64)).tocsc()
    tokens = {name: number for number, name in enumerate(SPECIAL)}
    medians: dict[str, float] = {}
    for column, names in enumerate(expression.genes):
        values = normalised.data[normalised.indptr[column] : normalised.indptr[column + 1]]
        if len(values) and names[0] not in tokens:
            tokens[names[0]] = len(tokens)
            medians[names[0]] = float(np.median(values))
    aliases = {alias.upper(): names[0] for names in expression.genes if names[0] in medians for alias in names}
    return GeneVocabulary(tokens, medians, aliases, "token_dictionary.pkl")


def _new_model(expression: Expression, vocabulary: GeneVocabulary, config: PretrainConfig) -> Geneformer:
    from transformers import BertConfig, BertForMaskedLM

    longest = int(np.diff(expression.counts.indptr).max()) + 2
    bert = BertForMaskedLM(BertConfig(
        vocab_size=len(vocabulary.tokens), hidden_size=config.d_model, num_hidden_layers=config.n_layers,
        num_attention_heads=config.n_heads, intermediate_size=config.d_feedforward, hidden_act="relu",
        max_position_embeddings=min(LONGEST, max(64, 2 ** math.ceil(math.log2(longest)))), hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, pad_token_id=0,
    ))
    start = coexpression_embeddings(expression, vocabulary, config)
    with torch.no_grad():
        bert.bert.embeddings.word_embeddings.weight[len(SPECIAL) :] = torch.from_numpy(start)
    return Geneformer(bert, vocabulary, name="pretrained", device=torch.device("cpu"))


def coexpression_embeddings(
    expression: Expression, vocabulary: GeneVocabulary, config: PretrainConfig,
) -> np.ndarray:
    """Gene embeddings from the leading singular vectors of log1p(counts per 10,000), each gene scaled to unit variance.

    Shape ``(genes, d_model)`` float32. Genes that vary together start close together; from random embeddings the same
    training learns rank order only. Of more than `COEXPRESSION_CELLS` cells a sample is taken.
    """
    n_cells = len(expression)
    if n_cells > COEXPRESSION_CELLS:
        rows = np.random.default_rng([config.seed, n_cells]).choice(n_cells, COEXPRESSION_CELLS, replace=False)
        expression = expression.take(np.sort(rows))
    column = {names[0]: number for number, names in reversed(list(enumerate(expression.genes)))}
    chosen = [column[gene] for gene in vocabulary.medians]
    log = np.log1p(expression.counts[:, chosen].toarray() * (1e4 / np.maximum(expression.totals, 1))[:, None])
    scaled = (log - log.mean(axis=0)) / np.maximum(log.std(axis=0), 1e-6)
    _, strength, axes = np.linalg.svd(np.clip(scaled, -10, 10), full_matrices=False)
    n = min(config.n_components, config.d_model, len(strength))
    start = np.random.default_rng(config.seed).normal(size=(len(chosen), config.d_model)) * 0.02
    coordinates = axes[:n].T * strength[:n]
    start[:, :n] += 0.1 * coordinates / coordinates.std()
    return start.astype(np.float32)


def _fit(
    model: Geneformer, tokens: TokenizedCells, train: np.ndarray, config: PretrainConfig, rng: np.random.Generator,
    progress: Progress, state: State,
) -> None:
    optimizer = torch.optim.AdamW(model.bert.parameters(), lr=config.learning_rate, weight_decay=0.01, fused=True)
    warm = max(1, config.steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(
        (step + 1) / warm, 0.5 * (1 + math.cos(math.pi * step / config.steps)),
    ))
    parts = {"model": model.bert, "optimizer": optimizer, "schedule": schedule}
    done = state.load(parts, rng)
    model.bert.train()
    with progress.bar("training the model", config.steps, "step") as advance:
        advance(done)
        for step in range(done + 1, config.steps + 1):
            cells = np.sort(rng.choice(train, config.batch_size, replace=False))
            loss = torch.nn.functional.cross_entropy(*_masked_logits(model, model.pad(tokens, cells), rng))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.bert.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            if step % SAVE_EVERY == 0:
                state.save(step, parts, rng)
            advance(1)
    model.bert.eval()


def _masked_logits(
    model: Geneformer, batch: Batch, rng: np.random.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and true tokens of randomly masked genes."""
    hidden = batch.gene & torch.from_numpy(rng.random(tuple(batch.tokens.shape)) < MASKED_SHARE)
    masked = replace(batch, tokens=batch.tokens.masked_fill(hidden, model.vocabulary["<mask>"]))
    h = model.embed(masked)
    for layer in range(model.n_layers):
        h = model.block(layer, h, masked)
    return model.readout(h[hidden], masked), batch.tokens[hidden]


def _held_out_scores(model: Geneformer, tokens: TokenizedCells, cells: np.ndarray, seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    losses, hits = [], []
    with torch.inference_mode():
        for batch in model.batches(tokens, cells, token_budget=8192):
            logits, truth = _masked_logits(model, batch, rng)
            losses.append(torch.nn.functional.cross_entropy(logits, truth, reduction="none"))
            hits.append((logits.argmax(dim=-1) == truth).float())
    return {"held_out_loss": float(torch.cat(losses).mean()), "held_out_accuracy": float(torch.cat(hits).mean())}


def _frequency_scores(tokens: TokenizedCells, train: np.ndarray, held_out: np.ndarray) -> dict[str, float]:
    """The training cells' gene frequencies (one pseudo-count) as a prediction of the held-out cells' genes."""
    cell = tokens.cell
    counts = np.bincount(tokens.gene[np.isin(cell, train)], minlength=len(tokens.genes)) + 1.0
    genes = tokens.gene[np.isin(cell, held_out)]
    return {
        "gene_frequency_loss": float(-np.log(counts / counts.sum())[genes].mean()),
        "gene_frequency_accuracy": float((genes == counts.argmax()).mean()),
    }


def _save(model: Geneformer, vocabulary: GeneVocabulary, out: Path) -> None:
    from transformers.utils import logging

    out.mkdir(parents=True, exist_ok=True)
    logging.disable_progress_bar()
    model.bert.half().save_pretrained(out)
    config: dict[str, Any] = json.loads((out / "config.json").read_text())
    config.pop("_name_or_path", None)
    write_json(out / "config.json", config)
    for name, value in (
        ("token_dictionary", vocabulary.tokens),
        ("gene_median_dictionary", vocabulary.medians),
        ("gene_name_id_dict", {alias: vocabulary.aliases[alias] for alias in sorted(vocabulary.aliases)}),
    ):
        with atomic_path(out / f"{name}.pkl") as temporary:
            temporary.write_bytes(pickle.dumps(value, protocol=4))
