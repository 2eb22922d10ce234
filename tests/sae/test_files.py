from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from cellprism.errors import UserError
from cellprism.sae.files import load, save
from cellprism.sae.topk import SparseAutoencoder

if TYPE_CHECKING:
    from pathlib import Path


def test_files_are_strict(autoencoder, tmp_path: Path) -> None:
    sae, x = autoencoder()
    path = tmp_path / "sae.safetensors"
    save(sae, path, {"layer": 2})
    again = SparseAutoencoder.load(path)
    assert again.k == sae.k
    assert torch.equal(again.encode(x).index, sae.encode(x).index)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="not a whole safetensors file"):
        load(path)
    path.write_bytes(whole.replace(b'\\"architecture\\": \\"topk\\"', b'\\"architecture\\": \\"jump\\"'))
    with pytest.raises(UserError, match="no TopK or BatchTopK autoencoder"):
        load(path)
    with pytest.raises(UserError, match="no autoencoder"):
        load(tmp_path / "absent")


def test_batchtopk_comes_back_as_itself(autoencoder, tmp_path: Path) -> None:
    sae, x = autoencoder(activation="batchtopk")
    path = tmp_path / "sae.safetensors"
    save(sae, path, {})
    with pytest.raises(UserError, match=r"threshold 0\.0, which does not fit"):
        load(path)
    sae.threshold.fill_(0.5)
    save(sae, path, {})
    again = load(path)
    assert again.activation == "batchtopk"
    assert torch.equal(again.encode(x).value, sae.encode(x).value)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'\\"architecture\\": \\"batchtopk\\"', b'\\"architecture\\": \\"topk\\"     '))
    with pytest.raises(UserError, match=r"topk with threshold 0\.5, which does not fit"):
        load(path)


def test_a_missing_or_misshapen_tensor_is_a_sentence(autoencoder, tmp_path: Path) -> None:
    sae, _ = autoencoder()
    path = tmp_path / "sae.safetensors"
    save(sae, path, {})
    with safe_open(path, "pt") as handle:
        header = handle.metadata()
    state = {name: tensor.detach() for name, tensor in sae.state_dict().items()}
    for wrong in ({**state, "b_enc": torch.zeros(3)}, {k: v for k, v in state.items() if k != "gain"}):
        save_file(wrong, path, metadata=header)
        with pytest.raises(UserError, match="do not make an autoencoder"):
            load(path)


def test_format_1_had_no_gain_and_no_threshold(autoencoder, tmp_path: Path) -> None:
    sae, x = autoencoder()
    path = tmp_path / "sae.safetensors"
    state = {name: t.detach() for name, t in sae.state_dict().items() if name not in ("gain", "threshold")}
    save_file(state, path, metadata={"cellprism": '{"format": 1, "architecture": "topk", "k": 5}'})
    assert torch.equal(load(path).encode(x).value, sae.encode(x).value)


def test_atoms_that_are_not_of_unit_norm_are_refused(autoencoder, tmp_path: Path) -> None:
    sae, _ = autoencoder()
    path = tmp_path / "sae.safetensors"
    with torch.no_grad():
        sae.W_dec[7] = 0
        sae.gain[7] = 0
    save(sae, path, {})
    assert not load(path).W_dec[7].any()
    with torch.no_grad():
        sae.W_dec[9] *= 0.5
    save(sae, path, {})
    with pytest.raises(UserError, match=r"atom 9 has norm 0\.500, and atoms have norm 1"):
        load(path)
    with torch.no_grad():
        sae.b_enc[3] = float("nan")
    save(sae, path, {})
    with pytest.raises(UserError, match="holds NaN or infinite numbers"):
        load(path)
