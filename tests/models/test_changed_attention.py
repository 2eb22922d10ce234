"""Changes of attention against two attentions, in float64."""

from __future__ import annotations

import pytest
import torch

from cellprism.models import changed_attention, low_rank
from cellprism.models.changed_attention import CellAttention, Edited
from cellprism.models.low_rank import LowRank

T, D, HEADS, RANK = 50, 24, 3, 4
PLACE = torch.tensor([3, 4, 31])
OTHERS = [t for t in range(T) if t not in PLACE]


def attention(mixed: torch.Tensor) -> torch.Tensor:
    query, key, value = (x.unflatten(-1, (HEADS, -1)).transpose(0, 1) for x in mixed.double().chunk(3, dim=-1))
    weights = ((D // HEADS) ** -0.5 * query @ key.mT).softmax(dim=-1)
    return (weights @ value).transpose(0, 1).flatten(-2)


def changed(size: float, *, edit: float = 1.0) -> tuple[torch.Tensor, list[Edited], LowRank, torch.Tensor]:
    """Clean queries, keys and values, those of two edits, their changes elsewhere, and the exact changes."""
    generator = torch.Generator().manual_seed(0)
    mixed = torch.randn(T, 3 * D, generator=generator)
    coefficients = torch.randn(2, T, RANK, generator=generator)
    coefficients[:, PLACE] = 0
    moved = LowRank(coefficients, size * torch.randn(2, RANK, 3 * D, generator=generator))
    edited = [Edited(edit * torch.randn(3, 3 * D, generator=generator), PLACE) for _ in range(2)]
    new = mixed + moved.dense(slice(None))
    for i, one in enumerate(edited):
        new[i, PLACE] = mixed[PLACE] + one.change
    return mixed, edited, moved, torch.stack([attention(one) - attention(mixed) for one in new])


@pytest.mark.parametrize(("size", "rounding"), [(1e-4, 1e-3), (3e-3, 0.05), (0.3, 1e-4)])
def test_it_is_the_difference_of_two_attentions(
    monkeypatch: pytest.MonkeyPatch, size: float, rounding: float,
) -> None:
    """Weights that change little do so in proportion; others exactly."""
    monkeypatch.setitem(low_rank.CACHED, "cpu", 8 * HEADS * T)
    mixed, edited, moved, exact = changed(size, edit=size)
    block = CellAttention(mixed, HEADS, torch.float32)
    assert torch.allclose(block.out, attention(mixed).float(), atol=1e-6)
    for found, right in zip(block.changes_elsewhere(edited, moved), exact, strict=True):
        assert (found - right)[OTHERS].norm() < rounding * right[OTHERS].norm()
        assert not found[PLACE].any()
    for one, shift, right in zip(edited, moved.split(1), exact, strict=True):
        assert torch.allclose(block.change_at(one, shift), right[PLACE].float(), atol=2e-6 * max(1, size))


def test_before_anything_else_has_changed_it_is_exact() -> None:
    mixed, edited, _, exact = changed(0.0)
    for dtype in (torch.float32, torch.bfloat16):
        block = CellAttention(mixed, HEADS, dtype)
        found = torch.stack(list(block.changes_elsewhere(edited, None)))
        assert torch.allclose(found[:, OTHERS].float(), exact[:, OTHERS].float(), rtol=0.01, atol=2e-6)
        assert torch.allclose(block.change_at(edited[0], None), exact[0, PLACE].float(), atol=2e-6)


def test_a_key_that_takes_all_weight_overflows_nothing() -> None:
    mixed, edited, moved, _ = changed(1e-3)
    edited[0].change[0, D : 2 * D] = 1e4
    large = LowRank(moved.coefficients, 1e5 * moved.directions)
    for shift in (moved, large):
        found = next(CellAttention(mixed, HEADS, torch.float32).changes_elsewhere(edited, shift))
        assert found.isfinite().all()


def test_a_key_that_loses_all_weight_leaves_no_noise() -> None:
    """A position that attended to it alone has no more to go by than float32 can say."""
    mixed, edited, moved, _ = changed(1e-3, edit=1e-3)
    mixed[PLACE[0], D : 2 * D] = 1e3 * mixed[OTHERS[0], :D]
    edited[0].change[0, D : 2 * D] = -1e3 * mixed[OTHERS[0], :D]
    found = next(CellAttention(mixed, HEADS, torch.float32).changes_elsewhere(edited, moved))
    assert found.isfinite().all()
    assert found[OTHERS].abs().max() < 20 * mixed.abs().max(dim=0).values[2 * D :].max()


def test_rounding_is_a_part_of_the_change(monkeypatch: pytest.MonkeyPatch) -> None:
    mixed, edited, moved, exact = changed(1e-3, edit=1e-3)
    moved = LowRank(moved.coefficients.bfloat16(), moved.directions.bfloat16())
    for small in (changed_attention.SMALL, 0.0):
        monkeypatch.setattr(changed_attention, "SMALL", small)
        found = next(CellAttention(mixed, HEADS, torch.bfloat16).changes_elsewhere(edited, moved))
        assert (found - exact[0])[OTHERS].norm() < 0.02 * exact[0][OTHERS].norm()
