from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertForMaskedLM

from cellprism.cells.expression import read_expression
from cellprism.cells.tokenised import TokenLists
from cellprism.errors import UserError
from cellprism.models import base, load_model
from cellprism.models.base import gather, pick_dtype
from cellprism.models.checkpoints import find_checkpoint
from cellprism.models.dictionaries import find_vocabulary, read_dictionary
from cellprism.models.geneformer import Geneformer
from cellprism.models.pretrain import learn_vocabulary
from cellprism.models.processor import multiplies_bfloat16

if TYPE_CHECKING:
    from cellprism.cells.expression import Expression
    from cellprism.cells.tokens import TokenizedCells


@pytest.mark.parametrize("special", [True, False], ids=["V2", "V1"])
def test_every_layer_and_the_logits_equal_transformers(small_cells: Expression, special: bool) -> None:
    vocabulary = learn_vocabulary(small_cells)
    if not special:
        del vocabulary.tokens["<cls>"], vocabulary.tokens["<eos>"]
    torch.manual_seed(0)
    sizes = {
        "vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48,
        "max_position_embeddings": 64,
    }
    bert = BertForMaskedLM(BertConfig(**sizes, attn_implementation="eager")).eval()
    ours = BertForMaskedLM(BertConfig(**sizes, attn_implementation="sdpa"))
    ours.load_state_dict(bert.state_dict())
    model = Geneformer(ours, vocabulary, name="toy", device=torch.device("cpu"))
    tokens = model.tokenize(small_cells)
    batch = model.pad(tokens, np.array([3, 11, 7]))
    assert batch.padded
    with torch.inference_mode():
        whole = bert(input_ids=batch.tokens, attention_mask=batch.mask.long(), output_hidden_states=True)
        readout, previous = None, model.embed(batch)
        places = torch.tensor([[1, 4, 9], [2, 3, 5], [0, 8, 7]])
        for layer, h in model.residuals(batch):
            assert torch.allclose(model.block_at(layer, previous, batch, places), gather(h, places), atol=1e-5)
            previous = h
            assert torch.allclose(h[batch.mask], whole.hidden_states[layer + 1][batch.mask], atol=1e-5)
            readout = model.readout(h, batch)
        assert readout is not None
        assert torch.allclose(readout[batch.mask], whole.logits[batch.mask], atol=1e-5)
    row = batch.tokens[0][batch.mask[0]]
    assert (batch.tokens[batch.gene] > 1).all()
    assert (int(row[0]) == vocabulary.tokens.get("<cls>", -1)) == special
    assert int(batch.gene[0].sum()) == tokens.lengths[3]


CONFIGS = ["V1_10M", "12L-30M", "gf-12L-95M-i4096", "V2_104M", "V2_104M_CLcancer", "V2_316M"]


@pytest.mark.parametrize("name", CONFIGS)
def test_every_published_architecture_equals_transformers(shared: Path, name: str) -> None:
    folder = shared / "data" / "geneformer"
    config = BertConfig.from_json_file(folder / "configs" / f"geneformer_{name}_config.json")
    torch.manual_seed(0)
    bert = BertForMaskedLM(config)
    model = Geneformer(bert, find_vocabulary(folder, config.vocab_size), name=name, device=torch.device("cpu"))
    large = config.num_hidden_layers > 12
    tokens = random_tokens(model, lengths=[21] if large else [21, 13, 21], seed=1)
    batches = [np.array([0])] if large else [np.array([0]), np.array([0, 2]), np.array([1, 0])]
    with torch.inference_mode():
        for cells in batches:
            batch = model.pad(tokens, cells)
            assert batch.padded == (cells.tolist() == [1, 0])
            bert.set_attn_implementation("eager")
            whole = bert(input_ids=batch.tokens, attention_mask=batch.mask.long(), output_hidden_states=True)
            bert.set_attn_implementation("sdpa")
            states = [h for _, h in model.residuals(batch)]
            for layer, h in enumerate(states):
                expected = whole.hidden_states[layer + 1][batch.mask]
                assert torch.allclose(h[batch.mask], expected, rtol=0, atol=1e-5), layer
            logits = model.readout(states[-1], batch)
            assert torch.allclose(logits[batch.mask], whole.logits[batch.mask], rtol=0, atol=1e-5)
            start = model.n_layers // 2
            h = states[start].clone()
            for layer in range(start + 1, model.n_layers):
                h = model.block(layer, h, batch)
            assert torch.equal(h, states[-1])


def random_tokens(model: Geneformer, *, lengths: list[int], seed: int) -> TokenizedCells:
    """Cells of random genes of the model's vocabulary."""
    rng = np.random.default_rng(seed)
    ids = [id_ for id_ in model.vocabulary if not id_.startswith("<")]
    lists = [rng.choice([model.vocabulary[id_] for id_ in ids], n, replace=False) for n in lengths]
    return model.adopt(TokenLists(
        ids=np.concatenate(lists), offsets=np.concatenate([[0], np.cumsum(lengths)]),
        names=np.array([str(i) for i in range(len(lengths))]), obs=pd.DataFrame(index=range(len(lengths))), source="x",
    ))


def test_bfloat16_is_near_and_auto_is_what_the_machine_multiplies_fast(small_cells: Expression) -> None:
    exact, rough = (load_model("demo", device="cpu", dtype=name) for name in ("float32", "bfloat16"))
    tokens = exact.tokenize(read_expression("demo").take(np.arange(3)))
    batch = exact.pad(tokens, np.arange(3))
    last = [list(model.residuals(batch))[-1][1][batch.mask] for model in (exact, rough)]
    assert last[1].dtype == torch.bfloat16
    assert torch.nn.functional.cosine_similarity(last[0], last[1].float(), dim=-1).min() > 0.99
    fast = multiplies_bfloat16()
    assert pick_dtype("auto", torch.device("cpu")) == (torch.bfloat16 if fast else torch.float32)
    assert pick_dtype("auto", torch.device("mps")) == torch.float32
    assert pick_dtype("bfloat16", torch.device("cpu")) == torch.bfloat16


def test_weights_come_from_safetensors_or_bin_and_must_be_whole(tmp_path: Path) -> None:
    for path in find_checkpoint("demo").folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    expected = load_model(str(tmp_path), device="cpu").bert.state_dict()
    weights = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"no model\.safetensors or pytorch_model\.bin"):
        load_model(str(tmp_path), device="cpu")
    torch.save(weights, tmp_path / "pytorch_model.bin")
    loaded = load_model(str(tmp_path), device="cpu").bert.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in loaded.items())
    torch.save({**weights, "evil": Path("x")}, tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"pytorch_model\.bin holds more than plain weights, and .* run code"):
        load_model(str(tmp_path), device="cpu")
    encoder_only = {key: value for key, value in weights.items() if not key.startswith("cls.")}
    torch.save(encoder_only, tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"lacks .* tensors of a BertForMaskedLM"):
        load_model(str(tmp_path), device="cpu")


@pytest.mark.parametrize(("change", "words"), [
    ({"hidden_size": 64}, r"is \(128,\), not \(64,\) and \d+ more"),
    ({"vocab_size": 99}, r"embeddings\.weight is \(769, 128\), not \(99, 128\) and 1 more"),
    ({"num_hidden_layers": 3}, r"have bert\.encoder\.layer\.3\..*, for which it has no place and 15 more"),
    ({"num_hidden_layers": 5}, r"lack bert\.encoder\.layer\.4\..* and 15 more"),
])
def test_weights_and_configuration_belong_together(tmp_path: Path, change: dict[str, int], words: str) -> None:
    for path in find_checkpoint("demo").folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(UserError, match=rf"do not fit its config\.json \(.*{words}\): copy all files"):
        load_model(str(tmp_path), device="cpu")


def test_a_device_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cuda", "mps"):
        monkeypatch.setattr(f"torch.{'cuda' if name == 'cuda' else 'backends.mps'}.is_available", lambda: False)
        with pytest.raises(UserError, match=rf"finds no {name} device here: set `model\.device` to auto or cpu"):
            load_model("demo", device=name)
    assert base.pick_device("auto") == torch.device("cpu")


def test_a_cell_is_the_same_alone_and_among_others(small_cells: Expression) -> None:
    model = load_model("demo", device="cpu", dtype="float32")
    tokens = model.tokenize(read_expression("demo").take(np.arange(6)))
    alone = {c: list(model.residuals(model.pad(tokens, np.array([c]))))[-1][1][0, 1:-1] for c in range(6)}
    for batch in model.batches(tokens, np.arange(6), token_budget=1200):
        last = list(model.residuals(batch))[-1][1]
        for row, cell in enumerate(batch.cells):
            assert torch.allclose(last[row][batch.gene[row]], alone[int(cell)], atol=1e-4)


def test_batches_hold_every_cell_once_within_the_budget() -> None:
    model = load_model("demo", device="cpu", dtype="float32")
    tokens = model.tokenize(read_expression("demo").take(np.arange(50)))
    batches = list(model.batches(tokens, np.arange(10, 50), token_budget=1000))
    assert sorted(np.concatenate([b.cells for b in batches])) == list(range(10, 50))
    assert all(b.tokens.numel() <= 1000 for b in batches)


def test_large_batches_pad_little(monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model("demo", device="cpu", dtype="float32")
    tokens = model.tokenize(read_expression("demo").take(np.arange(300)))
    monkeypatch.setitem(base.BUSY, "cpu", 500)
    batches = list(model.batches(tokens, np.arange(300), token_budget=5000))
    assert sorted(np.concatenate([b.cells for b in batches])) == list(range(300))
    assert all(b.tokens.numel() <= 5000 for b in batches)
    widest = [b.tokens.shape[1] for b in batches]
    assert widest == sorted(widest, reverse=True)
    for batch in batches:
        lengths = tokens.lengths[batch.cells] + 2
        enough = int(np.ceil(500 / lengths[0]))
        assert len(lengths) >= enough or batch is batches[-1]
        assert (lengths[enough:] >= 0.95 * lengths[0]).all()


def test_a_dictionary_that_runs_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token_dictionary.pkl"
    path.write_bytes(pickle.dumps({"a": Path("x")}))
    with pytest.raises(UserError, match="pathlib"):
        read_dictionary(path)
    path.write_bytes(pickle.dumps({"a": 1})[:-4])
    with pytest.raises(UserError, match="not a plain dictionary"):
        read_dictionary(path)
    path.write_bytes(b"cnumpy\ndtype\n(I3\nI4\nI5\nI6\nI7\ntR.")
    with pytest.raises(UserError, match="not a plain dictionary"):
        read_dictionary(path)
    path.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(UserError, match="holds a list"):
        read_dictionary(path)
    path.write_bytes(pickle.dumps({"a": np.int16(3), "b": np.float64(0.5)}))
    assert read_dictionary(path) == {"a": 3, "b": 0.5}


def test_the_generation_is_found_by_its_size(shared: Path) -> None:
    folder = shared / "data" / "geneformer"
    assert find_vocabulary(folder, 20275).name == "token_dictionary_gc104M.pkl"
    assert find_vocabulary(folder, 25426).name == "token_dictionary_gc30M.pkl"
    known = find_vocabulary(folder, 20275)
    assert known.identifier(("MS4A1",)) == known.identifier(("ENSG00000156738.7",)) == "ENSG00000156738"
    with pytest.raises(UserError, match="25426"):
        find_vocabulary(folder, 5)
    with pytest.raises(UserError, match=r"no folder .*absent: .*`model\.dictionaries`"):
        find_vocabulary(folder / "absent", 20275)


TOKENS = {"<pad>": 0, "<mask>": 1, "A": 2, "B": 3}


def write_dictionaries(folder: Path, tokens: object, medians: object, suffix: str = "") -> None:
    for name, value in (("token", tokens), ("gene_median", medians)):
        (folder / f"{name}_dictionary{suffix}.pkl").write_bytes(pickle.dumps(value))
    (folder / f"gene_name_id_dict{suffix}.pkl").write_bytes(pickle.dumps({"a": "A"}))


@pytest.mark.parametrize(("tokens", "medians", "words"), [
    ({**TOKENS, "B": 4}, {}, r"token_dictionary\.pkl is not Geneformer's token dictionary \(its numbers have gaps"),
    ({**TOKENS, "B": 2}, {}, "have gaps or repeat"),
    ({**TOKENS, "B": "3"}, {}, "have gaps or repeat"),
    ({"C": 0, "<mask>": 1, "A": 2, "B": 3}, {}, "it has no <pad>"),
    (TOKENS, {"A": 1.0, "B": 0.0}, r"gene_median_dictionary\.pkl has no number above 0 for B \(0\.0\)"),
    (TOKENS, {"A": float("nan"), "B": 1.0}, r"has no number above 0 for A \(nan\)"),
])
def test_dictionaries_that_would_spoil_tokens_are_refused(
    tmp_path: Path, tokens: object, medians: object, words: str,
) -> None:
    write_dictionaries(tmp_path, tokens, medians)
    with pytest.raises(UserError, match=words):
        find_vocabulary(tmp_path, 4)


def test_two_dictionaries_of_one_size_must_be_the_same(tmp_path: Path) -> None:
    write_dictionaries(tmp_path, TOKENS, {"A": 1.0, "B": 2.0, "C": 0.0}, "_gc95M")
    write_dictionaries(tmp_path, TOKENS, {"A": 1.0, "B": 2.0}, "_gc104M")
    known = find_vocabulary(tmp_path, 4)
    assert (known.name, known.medians) == ("token_dictionary_gc104M.pkl", {"A": 1.0, "B": 2.0})
    write_dictionaries(tmp_path, TOKENS, {"A": 1.0, "B": 2.5}, "_gc95M")
    with pytest.raises(UserError, match=r"gc104M\.pkl and .*gc95M\.pkl differ and both have .* 4 entries"):
        find_vocabulary(tmp_path, 4)


def test_missing_and_damaged_checkpoints_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.json"):
        load_model(str(tmp_path))
    with pytest.raises(UserError, match="unknown model kind"):
        load_model("demo", kind="palantir")
    for path in find_checkpoint("demo").folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"short")
    with pytest.raises(UserError, match=r"cannot be loaded .*: copy its files again"):
        load_model(str(tmp_path))
    (tmp_path / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(UserError, match=r"safetensors is a pointer of Git LFS, not the weights: .*`git lfs pull`"):
        load_model(str(tmp_path))
