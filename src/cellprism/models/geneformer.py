"""Geneformer, and every BERT masked-gene model saved in its format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cellprism.cells.rank_tokens import GeneVocabulary, adopt_tokens, rank_tokens
from cellprism.errors import UserError
from cellprism.models.attention import attention, transformers_attention
from cellprism.models.base import Batch, CellModel, gather, gene_mean, pick_dtype
from cellprism.models.checkpoints import find_checkpoint, weight_files, why_unreadable
from cellprism.models.dictionaries import find_vocabulary
from cellprism.models.differences import Affine, PostNorm

if TYPE_CHECKING:
    from cellprism.cells.expression import Expression
    from cellprism.cells.tokenised import TokenLists
    from cellprism.cells.tokens import TokenizedCells

ENCODER = ("bert.embeddings.", "bert.encoder.")
"""Tensors on the way from tokens to the residual stream: one without a place in the model would change the result."""


class Geneformer(CellModel):
    """A ``transformers.BertForMaskedLM`` over rank tokens.

    Cells start with ``<cls>`` and end with ``<eos>`` if the dictionary has these tokens (V2), else hold genes only.
    """

    def __init__(
        self, bert: Any, vocabulary: GeneVocabulary, *, name: str, device: torch.device, commit: str | None = None,
    ) -> None:
        self.bert = bert.eval().to(device)
        self.genes = vocabulary
        self.name = name
        self.commit = commit
        self.device = device
        self.vocabulary = vocabulary.tokens
        self.n_layers = int(bert.config.num_hidden_layers)
        self.d_model = int(bert.config.hidden_size)
        self.max_length = int(bert.config.max_position_embeddings)
        self._start = [vocabulary.tokens[t] for t in ("<cls>",) if t in vocabulary.tokens]
        self._end = [vocabulary.tokens[t] for t in ("<eos>",) if t in vocabulary.tokens]

    def describe(self) -> dict[str, Any]:
        return {
            "kind": "geneformer", "name": self.name, "n_layers": self.n_layers, "d_model": self.d_model,
            "max_length": self.max_length, "vocabulary": len(self.vocabulary), "dictionary": self.genes.name,
            "dtype": str(self.bert.dtype).removeprefix("torch."), "commit": self.commit,
        }

    def tokenize(self, expression: Expression, *, min_share_mapped: float = 0.0) -> TokenizedCells:
        room = self.max_length - len(self._start) - len(self._end)
        return rank_tokens(expression, self.genes, max_genes=room, min_share_mapped=min_share_mapped)

    def adopt(self, cells: TokenLists) -> TokenizedCells:
        room = self.max_length - len(self._start) - len(self._end)
        return adopt_tokens(cells, self.genes, max_genes=room)

    def pad(self, tokens: TokenizedCells, cells: np.ndarray) -> Batch:
        vocabulary = tokens.genes["token"].to_numpy()
        start, end = len(self._start), len(self._end)
        lengths = tokens.lengths[cells]
        width = start + int(lengths.max()) + end
        padded = np.full((len(cells), width), self.vocabulary["<pad>"], np.int64)
        padded[:, :start] = self._start
        for row, (cell, length) in enumerate(zip(cells, lengths, strict=True)):
            own = tokens.gene[tokens.offsets[cell] : tokens.offsets[cell + 1]]
            padded[row, start : start + length] = vocabulary[own]
            padded[row, start + length : start + length + end] = self._end
        place = np.arange(width)[None, :] - start
        gene = (place >= 0) & (place < lengths[:, None])
        return Batch(
            tokens=torch.from_numpy(padded).to(self.device),
            mask=torch.from_numpy(place < lengths[:, None] + end).to(self.device),
            gene=torch.from_numpy(gene).to(self.device),
            cells=cells,
            padded=bool((lengths != lengths.max()).any()),
        )

    def embed(self, batch: Batch) -> torch.Tensor:
        h: torch.Tensor = self.bert.bert.embeddings(input_ids=batch.tokens)
        return h

    def block(self, layer: int, h: torch.Tensor, batch: Batch) -> torch.Tensor:
        attend = batch.mask[:, None, None, :] if batch.padded else None
        out: torch.Tensor = self.bert.bert.encoder.layer[layer](h, attention_mask=attend)
        return out

    def block_at(self, layer: int, h: torch.Tensor, batch: Batch, places: torch.Tensor) -> torch.Tensor:
        """As `block`, with queries and everything after attention at ``places`` alone."""
        part = self.bert.bert.encoder.layer[layer]
        own, here = part.attention.self, gather(h, places)

        def heads(x: torch.Tensor) -> torch.Tensor:
            return torch.unflatten(x, -1, (own.num_attention_heads, -1)).transpose(1, 2)

        attended = attention(
            heads(own.query(here)), heads(own.key(h)), heads(own.value(h)),
            batch.mask[:, None, None, :] if batch.padded else None,
        )
        joined = part.attention.output(attended.flatten(-2), here)
        out: torch.Tensor = part.output(part.intermediate(joined), joined)
        return out

    def readout(self, h: torch.Tensor, batch: Batch) -> torch.Tensor:
        logits: torch.Tensor = self.bert.cls(h)
        return logits

    def mean_logits(self, h: torch.Tensor, batch: Batch) -> torch.Tensor:
        head = self.bert.cls.predictions
        logits: torch.Tensor = head.decoder(gene_mean(head.transform(h), batch))
        return logits

    def gene_embedding(self, batch: Batch) -> torch.Tensor:
        h: torch.Tensor = self.bert.bert.embeddings.word_embeddings(batch.tokens)
        return h

    def block_module(self, layer: int) -> torch.nn.Module:
        module: torch.nn.Module = self.bert.bert.encoder.layer[layer]
        return module

    def parts(self, layer: int) -> PostNorm:
        part = self.bert.bert.encoder.layer[layer]
        own, joined = part.attention.self, part.attention.output
        linear = (own.query, own.key, own.value, joined.dense, part.intermediate.dense, part.output.dense)
        return PostNorm(
            tuple(Affine(one.weight, one.bias) for one in linear), norm1=joined.LayerNorm, norm2=part.output.LayerNorm,
            activation=part.intermediate.intermediate_act_fn, n_heads=own.num_attention_heads,
        )


def load_geneformer(
    path: str, *, device: torch.device, dictionaries: str | None = None, dtype: str = "auto",
    subfolder: str | None = None, revision: str | None = None,
) -> Geneformer:
    """Load a checkpoint (see `find_checkpoint`) with the dictionaries that come with it or are in ``dictionaries``.

    Raises
    ------
    UserError
        Files are missing or do not fit together.
    """
    checkpoint = find_checkpoint(path, subfolder=subfolder, revision=revision)
    bert = _load_bert(checkpoint.folder, pick_dtype(dtype, device), device)
    vocabulary = find_vocabulary(Path(dictionaries) if dictionaries else checkpoint.root, bert.config.vocab_size)
    return Geneformer(bert, vocabulary, name=checkpoint.name, device=device, commit=checkpoint.commit)


def _load_bert(folder: Path, dtype: torch.dtype, device: torch.device) -> Any:
    from transformers import BertForMaskedLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    if not weight_files(folder):
        msg = f"no model.safetensors or pytorch_model.bin in {folder}: copy the checkpoint's weights there."
        raise UserError(msg)
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        bert, report = BertForMaskedLM.from_pretrained(
            folder, attn_implementation=transformers_attention(dtype, device), dtype=dtype, local_files_only=True,
            weights_only=True, output_loading_info=True, ignore_mismatched_sizes=True,
        )
    except Exception as error:
        msg = f"the checkpoint in {folder} cannot be loaded ({why_unreadable(error, weight_files(folder))})."
        raise UserError(msg) from error
    finally:
        logging.set_verbosity(before)
    _check_whole(report, folder)
    return bert


def _check_whole(report: dict[str, Any], folder: Path) -> None:
    """Raise a `UserError` unless every tensor found its place, and no tensor of the encoder was left over."""
    missing, surplus = sorted(report["missing_keys"]), sorted(report["unexpected_keys"])
    without_place = [name for name in surplus if name.startswith(ENCODER) and not name.endswith("position_ids")]
    faults = [
        *(
            f"{name} is {tuple(stored)}, not {tuple(wanted)}"
            for name, stored, wanted in sorted(report["mismatched_keys"])
        ),
        *(f"they have {name}, for which it has no place" for name in without_place),
        *(f"they lack {name}" for name in missing if name.startswith("bert.")),
    ]
    if faults:
        more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
        msg = f"the weights in {folder} do not fit its config.json ({faults[0]}{more}): copy all files of one model."
        raise UserError(msg)
    if missing:
        msg = (
            f"the checkpoint in {folder} lacks {len(missing)} tensors of a BertForMaskedLM ({missing[0]}, ...): give a "
            "masked language model, not one fine-tuned for another task."
        )
        raise UserError(msg)
