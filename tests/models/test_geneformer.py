from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

from cellprism.cells.expression import read_expression
from cellprism.errors import UserError
from cellprism.models import load_model
from cellprism.models.checkpoints import find_checkpoint
from cellprism.models.dictionaries import find_vocabulary, read_dictionary
from cellprism.models.geneformer import Geneformer
from cellprism.models.pretrain import learn_vocabulary

if TYPE_CHECKING:
    from cellprism.cells.expression import Expression


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
        readout = None
        for layer, h in model.residuals(batch):
            assert torch.allclose(h[batch.mask], whole.hidden_states[layer + 1][batch.mask], atol=1e-5)
            readout = model.readout(h, batch)
        assert readout is not None
        assert torch.allclose(readout[batch.mask], whole.logits[batch.mask], atol=1e-5)
    row = batch.tokens[0][batch.mask[0]]
    assert (batch.tokens[batch.gene] > 1).all()
    assert (int(row[0]) == vocabulary.tokens.get("<cls>", -1)) == special
    assert int(batch.gene[0].sum()) == tokens.lengths[3]


def test_a_cell_is_the_same_alone_and_among_others(small_cells: Expression) -> None:
    model = load_model("demo", device="cpu")
    tokens = model.tokenize(read_expression("demo").take(np.arange(6)))
    alone = {c: list(model.residuals(model.pad(tokens, np.array([c]))))[-1][1][0, 1:-1] for c in range(6)}
    for batch in model.batches(tokens, np.arange(6), token_budget=1200):
        last = list(model.residuals(batch))[-1][1]
        for row, cell in enumerate(batch.cells):
            assert torch.allclose(last[row][batch.gene[row]], alone[int(cell)], atol=1e-4)


def test_batches_hold_every_cell_once_within_the_budget() -> None:
    model = load_model("demo", device="cpu")
    tokens = model.tokenize(read_expression("demo").take(np.arange(50)))
    batches = list(model.batches(tokens, np.arange(10, 50), token_budget=1000))
    assert sorted(np.concatenate([b.cells for b in batches])) == list(range(10, 50))
    assert all(b.tokens.numel() <= 1000 for b in batches)


def test_a_dictionary_that_runs_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token_dictionary.pkl"
    path.write_bytes(pickle.dumps({"a": Path("x")}))
    with pytest.raises(UserError, match="pathlib"):
        read_dictionary(path)
    path.write_bytes(pickle.dumps({"a": 1})[:-4])
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
