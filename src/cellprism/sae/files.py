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

    import torch

FORMAT = 2
"""2 added ``gain`` and ``threshold`` and the architecture ``batchtopk``; format 1 is read."""

NORM_ERROR = 1e-3
"""An atom's norm may be so far from 1."""


def save(sae: SparseAutoencoder, path: Path, facts: dict[str, Any]) -> None:
    """Write ``sae``; ``facts`` (layer, seed, training set, ...) go into the header."""
    header = {
        "format": FORMAT, "architecture": sae.activation, "k": sae.k, "preprocessing": "(x - centre) / scale", **facts,
    }
    with atomic_path(path) as temporary:
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in sae.state_dict().items()}
        save_file(state, temporary, metadata={"cellprism": json.dumps(header, sort_keys=True)})


def load(path: Path) -> SparseAutoencoder:
    """Read an autoencoder.

    Raises
    ------
    UserError
        The file is missing, truncated, foreign, of a newer format, or its tensors do not fit together, are not finite,
        or hold atoms whose norm is not 1.
    """
    header, state = _read(path)
    if header.get("architecture") not in ("topk", "batchtopk") or not 1 <= header.get("format", 0) <= FORMAT:
        msg = f"{path} is no TopK or BatchTopK autoencoder of format 1 to {FORMAT} (header: {header}): train it again."
        raise UserError(msg)
    try:
        n_features, d_model = state["W_dec"].shape
        sae = SparseAutoencoder(d_model, n_features, int(header["k"]), header["architecture"])
        if header["format"] == 1:
            state = {"gain": sae.gain, "threshold": sae.threshold, **state}
        sae.load_state_dict(state)
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        msg = f"the tensors of {path} do not make an autoencoder ({reason}): train it again."
        raise UserError(msg) from None
    if (sae.activation == "batchtopk") != bool(sae.threshold > 0):
        msg = f"{path} is {sae.activation} with threshold {float(sae.threshold)}, which does not fit: train it again."
        raise UserError(msg)
    if not all(tensor.isfinite().all() for tensor in sae.state_dict().values()):
        msg = f"{path} holds NaN or infinite numbers: train it again."
        raise UserError(msg)
    norm = sae.W_dec.detach().norm(dim=1)
    wrong = ((norm - 1).abs() > NORM_ERROR) & (sae.gain != 0)
    if wrong.any():
        first = int(wrong.nonzero()[0])
        msg = f"{path}: atom {first} has norm {float(norm[first]):.3f}, and atoms have norm 1: train it again."
        raise UserError(msg)
    return sae.eval()


def _read(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    try:
        with safe_open(path, framework="pt") as handle:
            header = json.loads((handle.metadata() or {}).get("cellprism", "{}"))
            return header, {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    except FileNotFoundError:
        msg = f"no autoencoder {path}: the run has not come so far; see `cellprism status`."
        raise UserError(msg) from None
    except SafetensorError as error:
        msg = f"{path} is not a whole safetensors file ({error}): delete it and run again."
        raise UserError(msg) from None
