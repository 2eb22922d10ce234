from __future__ import annotations

import pytest
import torch
from transformers import BertConfig, BertModel

from cellprism.models import attention as module
from cellprism.models.attention import attention, tiled_attention, tiles_pay, transformers_attention

CPU = torch.device("cpu")


def slow(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None, *, scale: float,
) -> torch.Tensor:
    """One query at a time."""
    out = torch.zeros(q.shape[0], q.shape[2], q.shape[1], v.shape[-1])
    for cell in range(q.shape[0]):
        seen = torch.ones(k.shape[2], dtype=torch.bool) if mask is None else mask[cell, 0, 0]
        for head in range(q.shape[1]):
            for place in range(q.shape[2]):
                scores = (k[cell, head, seen] @ q[cell, head, place]) * scale
                out[cell, place, head] = scores.softmax(dim=0) @ v[cell, head, seen]
    return out


def example(dtype: torch.dtype = torch.float32) -> tuple[list[torch.Tensor], torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    qkv = [torch.randn(3, 23, 5, 8, generator=generator).to(dtype).transpose(1, 2) for _ in range(3)]
    mask = torch.arange(23) < torch.tensor([23, 7, 16])[:, None]
    return qkv, mask[:, None, None]


@pytest.mark.parametrize(("rows", "scores"), [(512, 2**21), (4, 1), (10, 500)])
@pytest.mark.parametrize("masked", [True, False])
def test_tiles_of_any_size_give_what_one_query_at_a_time_gives(
    monkeypatch: pytest.MonkeyPatch, rows: int, scores: int, masked: bool,
) -> None:
    monkeypatch.setattr(module, "ROWS", rows)
    monkeypatch.setattr(module, "SCORES", scores)
    qkv, mask = example()
    found = tiled_attention(*qkv, mask if masked else None, scale=0.3)
    assert torch.allclose(found, slow(*qkv, mask if masked else None, scale=0.3), rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("matrix_units", [True, False])
def test_both_ways_agree_as_far_as_the_format_goes(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, matrix_units: bool,
) -> None:
    monkeypatch.setattr(module, "has_matrix_units", lambda: matrix_units)
    monkeypatch.setattr(module, "multiplies_bfloat16", lambda: True)
    assert tiles_pay(dtype, CPU) == (dtype == torch.bfloat16 and not matrix_units)
    assert not tiles_pay(dtype, torch.device("cuda"))
    qkv, mask = example(dtype)
    found = attention(*qkv, mask)
    expected = slow(*(x.float() for x in qkv), mask, scale=8**-0.5)
    assert found.dtype == dtype
    assert torch.allclose(found.float(), expected, rtol=0, atol=1e-6 if dtype == torch.float32 else 0.03)


def test_a_model_of_transformers_reads_the_same_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "tiles_pay", lambda *_: True)
    torch.manual_seed(0)
    bert = BertModel(BertConfig(
        vocab_size=40, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
    ), add_pooling_layer=False).eval()
    tokens = torch.randint(0, 40, (3, 11))
    mask = (torch.arange(11) < torch.tensor([11, 4, 8])[:, None]).long()
    found = []
    for name in ("eager", transformers_attention(torch.float32, CPU)):
        bert.set_attn_implementation(name)
        with torch.inference_mode():
            found.append(bert(input_ids=tokens, attention_mask=mask).last_hidden_state[mask.bool()])
    assert name == module.NAME
    assert torch.allclose(*found, rtol=0, atol=1e-5)


def test_no_gradient_is_lost() -> None:
    qkv, mask = example()
    gradients = []
    for way in (tiled_attention, slow):
        leaves = [x.detach().clone().requires_grad_() for x in qkv]
        way(*leaves, mask, scale=0.3).square().sum().backward()
        gradients.append([leaf.grad for leaf in leaves])
    for ours, theirs in zip(*gradients, strict=True):
        assert ours is not None
        assert theirs is not None
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-4)
