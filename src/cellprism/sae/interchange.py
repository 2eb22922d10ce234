"""Autoencoders from and for elsewhere: SAELens' folders, and the files of the published atlases."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from cellprism.errors import UserError
from cellprism.runs.files import atomic_path, write_json
from cellprism.sae.topk import SparseAutoencoder

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS, CONFIG = "sae_weights.safetensors", "cfg.json"
SAELENS_SETTINGS = {"normalize_activations": "none", "reshape_activations": "none"}


def export_saelens(sae: SparseAutoencoder, folder: Path, metadata: dict[str, Any] | None = None) -> None:
    """Write a TopK autoencoder as SAELens does: ``cfg.json`` and ``sae_weights.safetensors`` with ``W_enc (d, F)``.

    Centre, scale and gain are folded into the weights: the input is the raw residual, activations are equal to ours up
    to the gain (1 for what cellprism trained), reconstructions are equal.

    Parameters
    ----------
    sae
        The autoencoder.
    folder
        Made if it is not there.
    metadata
        What SAELens keeps under ``metadata``, such as ``model_name`` and ``hook_name``.

    Raises
    ------
    UserError
        The autoencoder is BatchTopK, for which SAELens has no equal.
    """
    if sae.activation != "topk":
        msg = f"a {sae.activation} autoencoder cannot be written for SAELens: export one with `sae.activation: topk`."
        raise UserError(msg)
    weights = {
        "W_enc": (sae.W_enc / sae.scale).T,
        "b_enc": sae.b_enc,
        "W_dec": sae.W_dec * (sae.gain * sae.scale)[:, None],
        "b_dec": sae.centre,
    }
    with atomic_path(folder / WEIGHTS) as temporary:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}, temporary)
    write_json(folder / CONFIG, {
        "architecture": "topk", "d_in": sae.d_model, "d_sae": sae.n_features, "k": sae.k, "dtype": "float32",
        "device": "cpu", "apply_b_dec_to_input": True, "rescale_acts_by_decoder_norm": False, **SAELENS_SETTINGS,
        "metadata": metadata or {},
    })


def import_saelens(folder: Path) -> SparseAutoencoder:
    """Read a TopK autoencoder that SAELens has written.

    Raises
    ------
    UserError
        Files are missing or damaged, or the autoencoder does something that ours cannot do.
    """
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        weights = {name: tensor.float() for name, tensor in load_file(folder / WEIGHTS).items()}
        k = config["k"] if "k" in config else config["activation_fn_kwargs"]["k"]
        w_enc, b_enc, w_dec, b_dec = (weights.pop(name) for name in ("W_enc", "b_enc", "W_dec", "b_dec"))
    except (OSError, SafetensorError, json.JSONDecodeError, KeyError) as error:
        msg = f"{folder} does not hold a TopK autoencoder of SAELens ({error}): it needs {CONFIG} and {WEIGHTS}."
        raise UserError(msg) from None
    asked = {"architecture": "topk", **SAELENS_SETTINGS}
    other = [f"{name} {config[name]!r}" for name, value in asked.items() if config.get(name, value) != value]
    if other or weights:
        what = ", ".join([*other, *weights])
        msg = f"{folder} has {what}, which cellprism cannot reproduce: import a plain TopK autoencoder."
        raise UserError(msg)
    encoder = w_enc.T
    if config.get("rescale_acts_by_decoder_norm", False):
        norm = w_dec.norm(dim=1)
        encoder, b_enc, w_dec = encoder * norm[:, None], b_enc * norm, w_dec / norm[:, None]
    if not config.get("apply_b_dec_to_input", True):
        b_enc = b_enc + encoder @ b_dec
    return _from_weights(encoder, b_enc, w_dec, b_dec, int(k), str(folder))


def import_reference(path: Path, mean: Path | None = None) -> SparseAutoencoder:
    """Read ``sae_final.pt`` and ``activation_mean.npy`` of the published atlases (Biodyn-AI/bio-sae).

    Their decoder is normalised along the wrong axis, so that its atoms have norms of about 0.5 that differ. Atoms are
    brought to unit norm and values rescaled; features are still chosen by the pre-activations they were chosen by. A
    reconstruction is the published one plus the mean, which the published code leaves to its caller.

    Parameters
    ----------
    path
        ``sae_final.pt``; only tensors and numbers are unpickled.
    mean
        ``activation_mean.npy``; default: beside ``path``.

    Raises
    ------
    UserError
        A file is missing, holds something else, or the two do not fit.
    """
    mean = mean or path.with_name("activation_mean.npy")
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        state = {name: tensor.float() for name, tensor in saved["model_state_dict"].items()}
        encoder, decoder = state["W_enc.weight"], state["W_dec.weight"].T
        centre, bias = torch.from_numpy(np.load(mean, allow_pickle=False)).float(), state["W_dec.bias"]
        # they encode x - mean and add the bias of the decoder: ours encodes x - (mean + bias)
        b_enc = state["W_enc.bias"] + encoder @ bias
        return _from_weights(encoder, b_enc, decoder, centre + bias, int(saved["k"]), str(path))
    except (OSError, pickle.UnpicklingError, KeyError, TypeError, ValueError, RuntimeError, EOFError) as error:
        reason = " ".join(str(error).split())[:200]
        msg = f"{path} with {mean.name} is not an autoencoder of the published atlases ({reason}): copy both again."
        raise UserError(msg) from None


def _from_weights(
    encoder: torch.Tensor, b_enc: torch.Tensor, decoder: torch.Tensor, centre: torch.Tensor, k: int, source: str,
) -> SparseAutoencoder:
    """An autoencoder that encodes ``x - centre`` by ``encoder (F, d)`` and adds rows of ``decoder (F, d)`` to it."""
    n_features, d_model = decoder.shape
    if encoder.shape != decoder.shape or b_enc.shape != (n_features,) or centre.shape != (d_model,):
        msg = f"the weights of {source} have shapes that do not fit together: copy the file again."
        raise UserError(msg)
    norm = decoder.norm(dim=1)
    scale = norm.mean()
    sae = SparseAutoencoder(d_model, n_features, k)
    sae.load_state_dict({
        "W_enc": encoder * scale, "b_enc": b_enc, "W_dec": decoder / norm.clamp_min(1e-12)[:, None],
        "centre": centre, "scale": scale, "gain": norm / scale, "threshold": torch.zeros(()),
    })
    return sae.eval()
