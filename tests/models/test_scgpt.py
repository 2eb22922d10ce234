"""scGPT against the original.

``data/scgpt_tiny.safetensors`` was written by scGPT's own ``TransformerModel`` (github.com/bowang-lab/scGPT, commit
cebd6fa, PyTorch layers, CPU, evaluation mode) with ``ntoken=40, d_model=16, nhead=4, d_hid=24, nlayers=3, do_mvc=True,
pad_value=-2`` and normally distributed weights. It holds ``weights.*`` (its state dict), one padded batch (``tokens``,
``values``: three cells, pad token 37, ``<cls>`` 38, a value beyond the largest that scGPT embeds), the output of every
transformer layer at that batch (``hidden.0`` to ``hidden.2``) and the expression decoder's output (``expression``).
"""

from __future__ import annotations

import json
import pickle
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import cellprism.models
from cellprism.codes.store import CodeStore
from cellprism.errors import UserError
from cellprism.models import load_model
from cellprism.models.base import Batch, gather
from cellprism.models.controls import as_control
from cellprism.models.scgpt import ScGPT, load_scgpt

if TYPE_CHECKING:
    from cellprism.cells.expression import Expression

ORIGINAL = Path(__file__).parent / "data" / "scgpt_tiny.safetensors"
CPU = torch.device("cpu")
ARGS: dict[str, Any] = {
    "nlayers": 3, "embsize": 16, "nheads": 4, "d_hid": 24, "n_bins": 51, "max_seq_len": 24, "pad_token": "<pad>",
    "pad_value": -2, "input_style": "binned", "input_emb_style": "continuous", "dropout": 0.2,
}
VOCABULARY = {**{f"G{i}": i for i in range(37)}, "<pad>": 37, "<cls>": 38, "<eoc>": 39}


@pytest.fixture(scope="module")
def original() -> dict[str, torch.Tensor]:
    return load_file(ORIGINAL)


@pytest.fixture(scope="module")
def weights(original: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The original's weights under the names that flash-attention gives them, as in the published checkpoints."""
    named = {name.removeprefix("weights."): value for name, value in original.items() if name.startswith("weights.")}
    return {name.replace("in_proj_", "Wqkv."): value for name, value in named.items()}


@pytest.fixture
def folder(tmp_path: Path, weights: dict[str, torch.Tensor]) -> Path:
    return write(tmp_path / "tiny", weights)


def write(
    folder: Path, weights: Any, *, args: dict[str, Any] | None = None, vocabulary: dict[str, Any] | None = None,
) -> Path:
    folder.mkdir(exist_ok=True)
    torch.save(weights, folder / "best_model.pt")
    (folder / "args.json").write_text(json.dumps(ARGS if args is None else args))
    (folder / "vocab.json").write_text(json.dumps(VOCABULARY if vocabulary is None else vocabulary))
    return folder


def load(folder: Path, **options: Any) -> ScGPT:
    return load_scgpt(str(folder), device=CPU, **{"dtype": "float32", **options})


@pytest.mark.parametrize("names", ["Wqkv", "_impl.Wqkv", "in_proj"])
def test_every_layer_and_expression_equal_the_original(
    tmp_path: Path, original: dict[str, torch.Tensor], weights: dict[str, torch.Tensor], names: str,
) -> None:
    spelled = {
        "Wqkv": weights,
        "_impl.Wqkv": {name.replace("self_attn.", "self_attn._impl."): value for name, value in weights.items()},
        "in_proj": {name.replace("Wqkv.", "in_proj_"): value for name, value in weights.items()},
    }[names]
    model = load(write(tmp_path, spelled))
    mask = original["tokens"] != 37
    batch = Batch(original["tokens"], mask, mask, np.arange(3), padded=True, values=original["values"])
    h = torch.empty(0)
    for layer, h in model.residuals(batch):
        assert torch.allclose(h[mask], original[f"hidden.{layer}"][mask], rtol=0, atol=1e-5)
    with torch.inference_mode():
        expression = model.readout(h, batch)
    assert torch.allclose(expression[mask], original["expression"][mask], rtol=0, atol=1e-5)
    assert expression.shape == mask.shape
    assert model.describe()["heads_not_used"] == ["cls_decoder", "mvc_decoder"]


def test_a_batch_starts_with_cls_and_is_padded(folder: Path, small_cells: Expression) -> None:
    model = load(folder)
    tokens = model.tokenize(small_cells)
    assert tokens.value is not None
    assert tokens.lengths.max() == 23
    short = tokens.keep(tokens.lengths < 23)
    cells = np.array([0, int(np.argmin(short.lengths)) or 1])
    batch = model.pad(short, cells)
    assert short.value is not None
    assert batch.values is not None
    for row, cell in enumerate(cells):
        own = slice(short.offsets[cell], short.offsets[cell + 1])
        n = short.lengths[cell]
        pad = batch.tokens.shape[1] - 1 - n
        assert batch.tokens[row].tolist() == [38, *short.token[own], *[37] * pad]
        assert batch.values[row].tolist() == [-2, *short.value[own], *[-2] * pad]
        assert batch.mask[row].tolist() == [True] * (1 + n) + [False] * pad
        assert batch.gene[row].tolist() == [False] + [True] * n + [False] * pad


def test_published_has_no_cls_and_raw_values(folder: Path, small_cells: Expression) -> None:
    model = load(folder, protocol="published")
    tokens = model.tokenize(small_cells)
    batch = model.pad(tokens, np.array([2]))
    assert batch.values is not None
    assert batch.gene.all()
    assert tokens.lengths.max() == 24
    assert batch.values[0].tolist() == np.sort(small_cells.counts[2].toarray()[0, :37])[::-1][:24].tolist()
    assert model.describe()["protocol"] == "published"


def test_a_cell_is_the_same_alone_and_among_others(folder: Path, small_cells: Expression) -> None:
    model = load(folder)
    tokens = model.tokenize(small_cells)
    assert len(set(tokens.lengths)) > 1
    for batch in model.batches(tokens, np.arange(len(tokens)), token_budget=200):
        last = list(model.residuals(batch))[-1][1]
        for row, cell in enumerate(batch.cells):
            alone = list(model.residuals(model.pad(tokens, np.array([cell]))))[-1][1][0, 1:]
            assert torch.allclose(last[row][batch.gene[row]], alone, atol=1e-5)


def test_starting_from_a_cached_layer_equals_the_full_run_bit_for_bit(folder: Path, small_cells: Expression) -> None:
    model = load(folder)
    batch = model.pad(model.tokenize(small_cells), np.arange(5))
    whole = [h for _, h in model.residuals(batch)]
    with torch.inference_mode():
        assert torch.equal(model.block(2, model.block(1, whole[0], batch), batch), whole[2])
        places = torch.tensor([[1, 4, 9], [2, 3, 5], [0, 8, 7], [1, 2, 3], [6, 5, 1]])
        assert torch.allclose(model.block_at(2, whole[1], batch, places), gather(whole[2], places), atol=1e-5)


def test_bfloat16_follows_float32_with_embeddings_kept_exact(folder: Path, small_cells: Expression) -> None:
    exact, rounded = load(folder), load(folder, dtype="bfloat16")
    batch = exact.pad(exact.tokenize(small_cells), np.arange(8))
    assert torch.equal(rounded.embed(batch), exact.embed(batch).bfloat16())
    for (_, h), (_, r) in zip(exact.residuals(batch), rounded.residuals(batch), strict=True):
        assert r.dtype == torch.bfloat16
        assert torch.nn.functional.cosine_similarity(h, r.float(), dim=-1)[batch.mask].min() > 0.99
    assert rounded.describe()["dtype"] == "bfloat16"


def test_half_precision_weights_are_read(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    model = load(write(tmp_path, {name: value.half() for name, value in weights.items()}))
    assert {p.dtype for p in model.network.parameters()} == {torch.float32}


def test_weights_that_do_not_fit_are_named(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    lacking = {name: value for name, value in weights.items() if "layers.1.self_attn.Wqkv" not in name}
    with pytest.raises(UserError, match=r"lacks transformer_encoder\.layers\.1\.self_attn\.in_proj_weight and 1 more"):
        load(write(tmp_path, lacking))
    with pytest.raises(UserError, match=r"layers\.2\..*for which args\.json has no place"):
        load(write(tmp_path, weights, args={**ARGS, "nlayers": 2}))
    with pytest.raises(UserError, match=r"linear1\.weight is \(24, 16\), not \(32, 16\)"):
        load(write(tmp_path, weights, args={**ARGS, "d_hid": 32}))
    with pytest.raises(UserError, match=r"encoder\.embedding\.weight is \(40, 16\), not \(41, 16\)"):
        load(write(tmp_path, weights, vocabulary={**VOCABULARY, "G37": 40}))
    with pytest.raises(UserError, match=r"it has dsbn\.bns\.0\.weight"):
        load(write(tmp_path, {**weights, "dsbn.bns.0.weight": torch.ones(16)}))
    infinite = torch.full((16,), torch.inf)
    with pytest.raises(UserError, match=r"encoder\.enc_norm\.bias in .* holds numbers that are not finite"):
        load(write(tmp_path, {**weights, "encoder.enc_norm.bias": infinite}))
    zero = {**weights, "decoder.zero_logit.0.weight": torch.ones(1), "flag_encoder.weight": torch.ones(2, 16)}
    assert load(write(tmp_path, zero)).heads_not_used == (
        "cls_decoder", "decoder.zero_logit", "flag_encoder", "mvc_decoder",
    )


@pytest.mark.parametrize(("change", "said"), [
    ({"input_emb_style": "category"}, "input_emb_style 'category'"),
    ({"input_style": "log1p"}, "input_style 'log1p'"),
    ({"pre_norm": True}, "pre_norm True"),
    ({"nheads": None}, "not a number"),
    ({"nheads": 5}, "16 does not divide into 5 heads"),
])
def test_other_variants_are_refused(
    tmp_path: Path, weights: dict[str, torch.Tensor], change: dict[str, Any], said: str,
) -> None:
    with pytest.raises(UserError, match=said):
        load(write(tmp_path, weights, args={**ARGS, **change}))


def test_missing_and_damaged_files_are_named(tmp_path: Path, folder: Path, weights: dict[str, torch.Tensor]) -> None:
    with pytest.raises(UserError, match=r"best_model\.pt and no .*args\.json and no .*vocab\.json"):
        load(tmp_path)
    with pytest.raises(UserError, match="no 'n_bins'"):
        load(write(tmp_path, weights, args={key: value for key, value in ARGS.items() if key != "n_bins"}))
    with pytest.raises(UserError, match="it has no <cls>"):
        load(write(tmp_path, weights, vocabulary={"G0": 0, "<pad>": 1}))
    with pytest.raises(UserError, match="gaps or repeat"):
        load(write(tmp_path, weights, vocabulary={**VOCABULARY, "G1": 2}))
    with pytest.raises(UserError, match="does not hold named tensors"):
        load(write(tmp_path, {"state": weights}))
    (folder / "best_model.pt").write_bytes((folder / "best_model.pt").read_bytes()[:-500])
    with pytest.raises(UserError, match="cannot be loaded as plain weights"):
        load(folder)
    (folder / "args.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read as JSON"):
        load(folder)
    (folder / "args.json").write_text("[1]")
    with pytest.raises(UserError, match="holds a list"):
        load(folder)


def test_a_checkpoint_that_runs_code_is_refused(folder: Path) -> None:
    (folder / "best_model.pt").write_bytes(pickle.dumps({"a": Path("x")}))
    with pytest.raises(UserError, match="cannot be loaded as plain weights"):
        load(folder)


def test_the_vocabulary_may_lie_elsewhere(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / "vocab.json").rename(tmp_path / "elsewhere" / "vocab.json")
    with pytest.raises(UserError, match=r"no .*tiny/vocab\.json"):
        load(folder)
    assert load(folder, dictionaries=str(tmp_path / "elsewhere")).vocabulary == VOCABULARY


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry points that pyproject.toml declares, whether or not the package was installed since."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    group = "cellprism.models"
    points = [EntryPoint(name, value, group) for name, value in project["project"]["entry-points"][group].items()]
    monkeypatch.setattr(cellprism.models, "entry_points", lambda *, group: points if points[0].group == group else [])


@pytest.mark.usefixtures("installed")
def test_a_protocol_goes_only_to_readers_that_know_it(folder: Path) -> None:
    assert load_model(str(folder), kind="scgpt", device="cpu").describe()["protocol"] == "calibrated"
    published = load_model(str(folder), kind="scgpt", device="cpu", protocol="published")
    assert published.describe()["protocol"] == "published"
    with pytest.raises(UserError, match=r"kind 'geneformer' have no use for `model\.protocol: published`"):
        load_model("demo", protocol="published")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("protocol", ["calibrated", "published"])
def test_a_run_reads_values_and_reaches_codes(
    tmp_path: Path, folder: Path, small_cells: Expression, protocol: str,
) -> None:
    from cellprism.codes.stages import ENCODE
    from cellprism.pipeline import STAGES
    from cellprism.runs.config import parse_config
    from cellprism.runs.directory import create
    from cellprism.runs.progress import Silent
    from cellprism.runs.stage import run_stages

    write_cells(small_cells, tmp_path / "cells.h5ad")
    run = create(parse_config({
        "out": str(tmp_path / "run"),
        "model": {"kind": "scgpt", "path": str(folder), "device": "cpu", "protocol": protocol},
        "cells": {"path": str(tmp_path / "cells.h5ad"), "min_tokens": 18},
        "sae": {"layers": [0, 2], "k": 4, "steps": 5, "batch_size": 64},
    }))
    assert STAGES[0].external(run.config) == [tmp_path / "cells.h5ad", folder]
    run_stages(STAGES[: STAGES.index(ENCODE) + 1], run, Silent())
    tokens = run.read("cells")["n_tokens"].sum()
    assert np.load(run.file("tokens") / "value.npy").shape == (tokens,)
    assert run.model["protocol"] == protocol
    for layer in (0, 2):
        codes = CodeStore(run, layer)
        assert codes.n_positions == tokens
        assert all((shard.codes.value > 0).any() for shard in codes.shards())


def write_cells(expression: Expression, path: Path) -> None:
    import anndata
    import pandas as pd

    var = pd.DataFrame(index=[names[0] for names in expression.genes])
    obs = expression.obs.set_axis(expression.names)
    anndata.AnnData(expression.counts, obs=obs, var=var).write_h5ad(path)


def test_controls_of_scgpt(folder: Path) -> None:
    model = load_model(str(folder), kind="scgpt", device="cpu")
    tokens = torch.tensor([[38, 3, 5, 3]])
    batch = Batch(
        tokens=tokens, mask=tokens >= 0, gene=tokens < 37, cells=np.array([0]), padded=False,
        values=torch.tensor([[-2.0, 1.0, 7.0, 9.0]]),
    )
    h = as_control(model, "static_embedding", seed=0).embed(batch)
    assert torch.equal(h[0, 1], h[0, 3])
    assert not torch.equal(h[0, 1], h[0, 2])
    before = [h for _, h in model.residuals(batch)]
    after = [h for _, h in as_control(model, "random_weights", seed=0).residuals(batch)]
    assert not torch.allclose(before[-1], after[-1])
