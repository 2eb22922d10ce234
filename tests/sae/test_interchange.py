"""What other projects' files do, written again in numpy, and what we make of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from cellprism.errors import UserError
from cellprism.sae.interchange import export_saelens, import_reference, import_saelens

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.sae.topk import SparseAutoencoder


def top_k_relu(pre: np.ndarray, k: int) -> np.ndarray:
    kept = np.zeros_like(pre)
    best = np.argsort(-pre, axis=1)[:, :k]
    np.put_along_axis(kept, best, np.maximum(np.take_along_axis(pre, best, axis=1), 0), axis=1)
    return kept


def saelens_forward(folder: Path, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SAELens' TopK: input minus ``b_dec``, encoder, top-k, ReLU, decoder, plus ``b_dec``."""
    config, w = json.loads((folder / "cfg.json").read_text()), load_file(folder / "sae_weights.safetensors")
    norm = np.linalg.norm(w["W_dec"], axis=1) if config.get("rescale_acts_by_decoder_norm") else 1.0
    shifted = x - w["b_dec"] if config.get("apply_b_dec_to_input", True) else x
    acts = top_k_relu((shifted @ w["W_enc"] + w["b_enc"]) * norm, config["k"])
    return acts, (acts / norm) @ w["W_dec"] + w["b_dec"]


def ours(sae: SparseAutoencoder, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with torch.inference_mode():
        codes = sae.encode(torch.from_numpy(x))
        dense = torch.zeros(len(x), sae.n_features).scatter(1, codes.index, codes.value)
        return dense.numpy(), sae.decode(codes).numpy()


def close(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.abs(a - b).max() < 1e-5 * np.abs(b).max())


def foreign(rng: np.random.Generator, d: int = 12, n: int = 40) -> dict[str, np.ndarray]:
    """Weights as another project may have trained them: atoms of unequal norm."""
    w_dec = rng.normal(size=(n, d)) * rng.uniform(0.2, 1.5, size=(n, 1))
    w_enc, b_enc, b_dec = rng.normal(size=(d, n)), rng.normal(size=n), rng.normal(size=d)
    weights = {"W_enc": w_enc, "b_enc": b_enc, "W_dec": w_dec, "b_dec": b_dec}
    return {name: array.astype(np.float32) for name, array in weights.items()}


def write_saelens(folder: Path, weights: dict[str, np.ndarray], **settings: object) -> None:
    folder.mkdir(exist_ok=True)
    save_file(weights, folder / "sae_weights.safetensors")
    (folder / "cfg.json").write_text(json.dumps({"architecture": "topk", "k": 5, "d_in": 12, "d_sae": 40, **settings}))


def test_export_does_in_saelens_what_it_does_here_and_comes_back(autoencoder, tmp_path: Path) -> None:
    sae, x = autoencoder()
    x = x.numpy()
    export_saelens(sae, tmp_path, {"hook_name": "layer 3"})
    acts, reconstructed = ours(sae, x)
    theirs = saelens_forward(tmp_path, x)
    assert close(theirs[0], acts)
    assert close(theirs[1], reconstructed)
    again = import_saelens(tmp_path)
    assert torch.allclose(again.gain, torch.ones(40), atol=1e-5)
    assert close(ours(again, x)[0], acts)
    assert json.loads((tmp_path / "cfg.json").read_text())["metadata"] == {"hook_name": "layer 3"}


@pytest.mark.parametrize("settings", [
    {}, {"apply_b_dec_to_input": False}, {"rescale_acts_by_decoder_norm": True},
    {"apply_b_dec_to_input": False, "rescale_acts_by_decoder_norm": True},
])
def test_import_from_saelens_reconstructs_the_same_with_unit_atoms(tmp_path: Path, settings: dict[str, bool]) -> None:
    rng = np.random.default_rng(0)
    write_saelens(tmp_path, foreign(rng), **settings)
    x = rng.normal(size=(100, 12)).astype(np.float32)
    sae = import_saelens(tmp_path)
    acts, reconstructed = saelens_forward(tmp_path, x)
    found = ours(sae, x)
    assert close(found[1], reconstructed)
    assert np.array_equal(found[0] > 0, acts > 0)
    assert torch.allclose(sae.W_dec.norm(dim=1), torch.ones(40), atol=1e-5)
    export_saelens(sae, tmp_path / "again")
    assert close(saelens_forward(tmp_path / "again", x)[1], reconstructed)


def test_what_cannot_be_reproduced_is_refused(autoencoder, tmp_path: Path) -> None:
    weights = foreign(np.random.default_rng(0))
    for settings in ({"architecture": "jumprelu"}, {"normalize_activations": "layer_norm"}):
        write_saelens(tmp_path, weights, **settings)
        with pytest.raises(UserError, match="cannot reproduce"):
            import_saelens(tmp_path)
    write_saelens(tmp_path, {**weights, "log_threshold": weights["b_enc"]})
    with pytest.raises(UserError, match="log_threshold, which cellprism cannot reproduce"):
        import_saelens(tmp_path)
    write_saelens(tmp_path, {**weights, "b_enc": weights["b_dec"]})
    with pytest.raises(UserError, match="do not fit together"):
        import_saelens(tmp_path)
    with pytest.raises(UserError, match="does not hold a TopK autoencoder of SAELens"):
        import_saelens(tmp_path / "absent")
    with pytest.raises(UserError, match="cannot be written for SAELens"):
        export_saelens(autoencoder(activation="batchtopk")[0], tmp_path)


@pytest.fixture
def published(tmp_path: Path) -> tuple[Path, dict[str, np.ndarray], np.ndarray]:
    """Files as the published code saves them: residual dimensions of the decoder have unit norm, atoms have not."""
    rng = np.random.default_rng(1)
    weights = foreign(rng)
    weights["W_dec"] /= np.linalg.norm(weights["W_dec"], axis=0, keepdims=True)
    mean = rng.normal(size=12).astype(np.float32) * 10
    names = {"W_enc.weight": "W_enc", "W_enc.bias": "b_enc", "W_dec.weight": "W_dec", "W_dec.bias": "b_dec"}
    state = {theirs: torch.from_numpy(weights[name].T.copy()) for theirs, name in names.items()}
    torch.save({"model_state_dict": state, "d_model": 12, "n_features": 40, "k": 5}, tmp_path / "sae_final.pt")
    np.save(tmp_path / "activation_mean.npy", mean)
    return tmp_path / "sae_final.pt", weights, mean


def test_published_autoencoders_choose_and_reconstruct_as_they_did(published) -> None:
    path, w, mean = published
    x = (np.random.default_rng(2).normal(size=(200, 12)) * 2 + mean).astype(np.float32)
    acts = top_k_relu((x - mean) @ w["W_enc"] + w["b_enc"], 5)
    sae = import_reference(path)
    values, reconstructed = ours(sae, x)
    assert close(reconstructed, acts @ w["W_dec"] + w["b_dec"] + mean)
    assert np.array_equal(values > 0, acts > 0)
    norms = np.linalg.norm(w["W_dec"], axis=1)
    assert norms.max() / norms.min() > 3
    assert close(values * float(sae.scale), acts * norms)
    by_rescaled = top_k_relu(((x - mean) @ w["W_enc"] + w["b_enc"]) * norms, 5)
    assert not np.array_equal(by_rescaled > 0, acts > 0)


def test_other_files_are_refused(published, tmp_path: Path) -> None:
    path, _, mean = published
    np.save(tmp_path / "activation_mean.npy", mean[:5])
    with pytest.raises(UserError, match="not an autoencoder of the published atlases"):
        import_reference(path)
    with pytest.raises(UserError, match="not an autoencoder of the published atlases"):
        import_reference(path, tmp_path / "absent.npy")
    torch.save({"weights": 1}, path)
    with pytest.raises(UserError, match="not an autoencoder of the published atlases"):
        import_reference(path)
