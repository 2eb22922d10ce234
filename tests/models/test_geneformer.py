from __future__ import annotations

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
    with pytest.raises(UserError, match="cannot be loaded"):
        load_model(str(tmp_path), device="cpu")
    encoder_only = {key: value for key, value in weights.items() if not key.startswith("cls.")}
    torch.save(encoder_only, tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"lacks .* tensors of a BertForMaskedLM"):
        load_model(str(tmp_path), device="cpu")


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


def test_missing_and_damaged_checkpoints_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.json"):
        load_model(str(tmp_path))
    with pytest.raises(UserError, match="unknown model kind"):
        load_model("demo", kind="palantir")
    for path in find_checkpoint("demo").folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"short")
    with pytest.raises(UserError, match="cannot be loaded"):
        load_model(str(tmp_path))
