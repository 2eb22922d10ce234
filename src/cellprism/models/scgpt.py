"""scGPT, a model of genes and their binned expression, read from the files that its authors publish."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cellprism.cells.binned_tokens import SymbolVocabulary, binned_tokens, raw_value_tokens
from cellprism.errors import UserError
from cellprism.models.base import Batch, CellModel, gather, pick_dtype
from cellprism.models.checkpoints import why_unreadable
from cellprism.models.scgpt_network import Network, Sizes

if TYPE_CHECKING:
    from cellprism.cells.expression import Expression
    from cellprism.cells.tokens import TokenizedCells
    from cellprism.models.differences import PostNorm

FILES = ("best_model.pt", "args.json", "vocab.json")
INPUT_PATH = ("encoder.", "value_encoder.", "transformer_encoder.", "dsbn.", "bn.")
"""Tensors on the way from tokens to the residual stream: one that we have no place for would change the result."""
FLASH_NAMES = (
    (".self_attn._impl.", ".self_attn."),
    (".self_attn.Wqkv.", ".self_attn.in_proj_"),
)
"""What flash-attention's layers call PyTorch's attention weights; the layout, queries then keys then values, is one."""


class ScGPT(CellModel):
    """scGPT's encoder over binned tokens, or over raw values for ``protocol="published"``.

    A cell starts with ``<cls>``, whose value is the padding value, as in scGPT's training; not so as published.
    """

    def __init__(
        self, network: Network, vocabulary: SymbolVocabulary, sizes: Sizes, *, name: str, device: torch.device,
        dtype: torch.dtype = torch.float32, protocol: str = "calibrated", heads_not_used: tuple[str, ...] = (),
    ) -> None:
        self.network = network.eval().to(device)
        network.transformer_encoder.to(dtype)
        network.decoder.to(dtype)
        self.dtype = dtype
        self.layers: Any = network.transformer_encoder["layers"]
        self.genes = vocabulary
        self.sizes = sizes
        self.name = name
        self.device = device
        self.protocol = protocol
        self.heads_not_used = heads_not_used
        self.vocabulary = vocabulary.tokens
        self.n_layers = sizes.n_layers
        self.d_model = sizes.d_model
        self.max_length = sizes.max_length
        self.mask_value = sizes.mask_value
        self._start = [] if protocol == "published" else [vocabulary.tokens["<cls>"]]

    def describe(self) -> dict[str, Any]:
        binned = f"{self.sizes.n_bins} quantile bins of a cell's counts; longer cells: a sample seeded with the name"
        return {
            "kind": "scgpt", "name": self.name, "n_layers": self.n_layers, "d_model": self.d_model,
            "max_length": self.max_length, "vocabulary": len(self.vocabulary), "dictionary": self.genes.name,
            "dtype": str(self.dtype).removeprefix("torch."), "protocol": self.protocol,
            "values": "raw; longer cells: the highest" if self.protocol == "published" else binned,
            "heads_not_used": list(self.heads_not_used),
        }

    def tokenize(self, expression: Expression, *, min_share_mapped: float = 0.0) -> TokenizedCells:
        room = self.max_length - len(self._start)
        if self.protocol == "published":
            return raw_value_tokens(expression, self.genes, max_genes=room, min_share_mapped=min_share_mapped)
        return binned_tokens(
            expression, self.genes, max_genes=room, n_bins=self.sizes.n_bins, min_share_mapped=min_share_mapped,
        )

    def pad(self, tokens: TokenizedCells, cells: np.ndarray) -> Batch:
        assert tokens.value is not None
        vocabulary = tokens.genes["token"].to_numpy()
        start, lengths = len(self._start), tokens.lengths[cells]
        width = start + int(lengths.max())
        padded = np.full((len(cells), width), self.vocabulary[self.sizes.pad_token], np.int64)
        values = np.full((len(cells), width), self.sizes.pad_value, np.float32)
        padded[:, :start] = self._start
        for row, (cell, length) in enumerate(zip(cells, lengths, strict=True)):
            own = slice(tokens.offsets[cell], tokens.offsets[cell + 1])
            padded[row, start : start + length] = vocabulary[tokens.gene[own]]
            values[row, start : start + length] = tokens.value[own]
        place = np.arange(width)[None, :] - start
        mask = place < lengths[:, None]
        return Batch(
            tokens=torch.from_numpy(padded).to(self.device),
            mask=torch.from_numpy(mask).to(self.device),
            gene=torch.from_numpy(mask & (place >= 0)).to(self.device),
            cells=cells,
            padded=not mask.all(),
            values=torch.from_numpy(values).to(self.device),
        )

    def embed(self, batch: Batch) -> torch.Tensor:
        h: torch.Tensor = self.network.encoder(batch.tokens) + self.network.value_encoder(batch.values)
        return h.to(self.dtype)

    def block(self, layer: int, h: torch.Tensor, batch: Batch) -> torch.Tensor:
        out: torch.Tensor = self.layers[layer](h, batch.mask[:, None, None, :] if batch.padded else None)
        return out

    def block_at(self, layer: int, h: torch.Tensor, batch: Batch, places: torch.Tensor) -> torch.Tensor:
        """As `block`, with queries and everything after attention at ``places`` alone."""
        mask = batch.mask[:, None, None, :] if batch.padded else None
        out: torch.Tensor = self.layers[layer](h, mask, gather(h, places))
        return out

    def readout(self, h: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Expression that the model predicts at every position, in bins, shape ``(B, T)``."""
        expression: torch.Tensor = self.network.decoder["fc"](h)[..., 0]
        return expression

    def gene_embedding(self, batch: Batch) -> torch.Tensor:
        h: torch.Tensor = self.network.encoder(batch.tokens)
        return h.to(self.dtype)

    def block_module(self, layer: int) -> torch.nn.Module:
        module: torch.nn.Module = self.layers[layer]
        return module

    def parts(self, layer: int) -> PostNorm:
        parts: PostNorm = self.layers[layer].parts()
        return parts


def load_scgpt(
    path: str, *, device: torch.device, dictionaries: str | None = None, dtype: str = "auto",
    protocol: str = "calibrated",
) -> ScGPT:
    """Load a folder with ``best_model.pt``, ``args.json`` and ``vocab.json`` (the last maybe in ``dictionaries``).

    ``protocol="published"`` feeds raw values instead of bins, without ``<cls>``, as the papers did.

    Raises
    ------
    UserError
        Files are missing, damaged or do not fit together, or the model is of a kind that this reader does not know.
    """
    folder = Path(path)
    paths = [folder / FILES[0], folder / FILES[1], Path(dictionaries or folder) / FILES[2]]
    missing = [str(file) for file in paths if not file.exists()]
    if missing:
        msg = f"no {' and no '.join(missing)}: `model.path` must be a folder with scGPT's {', '.join(FILES)}."
        raise UserError(msg)
    sizes = read_sizes(paths[1])
    vocabulary = read_vocabulary(paths[2], pad_token=sizes.pad_token)
    with torch.device("meta"):
        network = Network(len(vocabulary.tokens), sizes)
    heads = _fill(network, _read_weights(paths[0]), paths[0])
    return ScGPT(
        network, vocabulary, sizes, name=folder.resolve().name, device=device, dtype=pick_dtype(dtype, device),
        protocol=protocol, heads_not_used=heads,
    )


def read_sizes(path: Path) -> Sizes:
    """Read ``args.json`` and refuse variants of scGPT that are not the published encoder.

    Raises
    ------
    UserError
        The file is damaged, lacks a size, or asks for another value encoding, input or norm.
    """
    args = _read_json(path)
    for key, known in {"input_emb_style": "continuous", "input_style": "binned", "pre_norm": False}.items():
        if args.get(key, known) != known:
            msg = f"{path} has {key} {args[key]!r}, and only {known!r} can be read: choose another checkpoint."
            raise UserError(msg)
    try:
        sizes = Sizes(
            n_layers=int(args["nlayers"]), d_model=int(args["embsize"]), n_heads=int(args["nheads"]),
            d_feedforward=int(args["d_hid"]), n_bins=int(args["n_bins"]), max_length=int(args["max_seq_len"]),
            pad_token=str(args["pad_token"]), pad_value=float(args["pad_value"]),
            mask_value=float(args.get("mask_value", -1)),
        )
    except KeyError as error:
        msg = f"{path} has no {error}: copy the file that belongs to the checkpoint."
        raise UserError(msg) from None
    except (TypeError, ValueError) as error:
        msg = f"{path} holds a size that is not a number ({error}): copy the file that belongs to the checkpoint."
        raise UserError(msg) from None
    if sizes.d_model % sizes.n_heads:
        msg = f"{path}: {sizes.d_model} does not divide into {sizes.n_heads} heads: copy the checkpoint's file again."
        raise UserError(msg)
    return sizes


def read_vocabulary(path: Path, *, pad_token: str) -> SymbolVocabulary:
    """Read ``vocab.json``: symbols and special tokens, numbered from 0 without gaps.

    Raises
    ------
    UserError
        The file is damaged, a number is missing or used twice, or a special token is missing.
    """
    tokens = _read_json(path)
    faults = [f"it has no {token}" for token in (pad_token, "<cls>") if token not in tokens]
    if not all(type(token) is int for token in tokens.values()) or set(tokens.values()) != set(range(len(tokens))):
        faults.append("its numbers have gaps or repeat")
    if faults:
        msg = f"{path} is not scGPT's vocabulary ({faults[0]}): copy the file that belongs to the checkpoint."
        raise UserError(msg)
    return SymbolVocabulary(tokens, path.name)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read as JSON ({error}): copy the file that belongs to the checkpoint."
        raise UserError(msg) from None
    if not isinstance(value, dict):
        msg = f"{path} holds a {type(value).__name__}, not names and values: copy the checkpoint's file again."
        raise UserError(msg)
    return value


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        msg = f"{path} cannot be loaded as plain weights ({why_unreadable(error, [path])})."
        raise UserError(msg) from error
    if not isinstance(loaded, dict) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        msg = f"{path} does not hold named tensors: give the state dict that scGPT saves."
        raise UserError(msg)
    weights = {}
    for name, value in loaded.items():
        renamed = str(name)
        for old, new in FLASH_NAMES:
            renamed = renamed.replace(old, new)
        weights[renamed] = value
    return weights


def _fill(network: Network, weights: dict[str, torch.Tensor], path: Path) -> tuple[str, ...]:
    """Give ``network`` its weights, every one; return the parts of the file that it has no use for."""
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in weights]
    unfit = [name for name, value in wanted.items() if name in weights and weights[name].shape != value.shape]
    surplus = [name for name in weights if name not in wanted]
    unknown = [name for name in surplus if name.startswith(INPUT_PATH)]
    faults = [
        *(f"it lacks {name}" for name in missing),
        *(f"{name} is {tuple(weights[name].shape)}, not {tuple(wanted[name].shape)}" for name in unfit),
        *(f"it has {name}, for which args.json has no place" for name in unknown),
    ]
    if faults:
        more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
        msg = f"{path} does not fit args.json and vocab.json ({faults[0]}{more}): copy all files of one checkpoint."
        raise UserError(msg)
    network.load_state_dict({name: weights[name].float() for name in wanted}, assign=True)
    return tuple(sorted({_head(name) for name in surplus}))


def _head(name: str) -> str:
    """The part of the model that a tensor belongs to: ``mvc_decoder``, ``decoder.zero_logit``."""
    parts = name.split(".")
    return ".".join(parts[: 2 if parts[0] == "decoder" else 1])
