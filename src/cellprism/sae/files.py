"""Autoencoder files: safetensors with a JSON header that says everything needed to use them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from cellprism.errors import UserError
from cellprism.runs.files import atomic_path
from cellprism.sae.topk import SparseAutoencoder

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1


def save(sae: SparseAutoencoder, path: Path, facts: dict[str, Any]) -> None:
    """Write ``sae``; ``facts`` (layer, seed, training set, ...) go into the header."""
    header = {
        "format": FORMAT, "architecture": "topk", "k": sae.k, "preprocessing": "(x - centre) / scale", **facts,
    }
    with atomic_path(path) as temporary:
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in sae.state_dict().items()}
        save_file(state, temporary, metadata={"cellprism": json.dumps(header, sort_keys=True)})


def load(path: Path) -> SparseAutoencoder:
    """Read an autoencoder.

    Raises
    ------
    UserError
        The file is missing, truncated, foreign, of a newer format, or its tensors do not fit together.
    """
    try:
        with safe_open(path, framework="pt") as handle:
            header = json.loads((handle.metadata() or {}).get("cellprism", "{}"))
            state = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    except FileNotFoundError:
        msg = f"no autoencoder {path}: the run has not come so far; see `cellprism status`."
        raise UserError(msg) from None
    except SafetensorError as error:
        msg = f"{path} is not a whole safetensors file ({error}): delete it and run again."
        raise UserError(msg) from None
    if header.get("architecture") != "topk" or header.get("format", 0) > FORMAT:
        msg = f"{path} is no TopK autoencoder of format {FORMAT} or older (header: {header}): train it again."
        raise UserError(msg)
    expected = {"W_enc", "W_dec", "b_enc", "centre", "scale"}
    if set(state) != expected or state["W_enc"].shape != state["W_dec"].shape:
        msg = f"{path} should hold {sorted(expected)} of fitting shapes, it holds {sorted(state)}: train it again."
        raise UserError(msg)
    n_features, d_model = state["W_dec"].shape
    sae = SparseAutoencoder(d_model, n_features, int(header["k"]))
    sae.load_state_dict(state)
    return sae.eval()
