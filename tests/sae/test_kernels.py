from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cellprism.sae.kernels import by_feature, dots, top_k


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 9), st.integers(1, 150), st.floats(0.01, 1), st.integers(0, 2**31), st.sampled_from([0, 0.5, 1]),
    st.sampled_from([torch.float32, torch.bfloat16]),
)
def test_top_k_equals_sorting(
    n: int, n_features: int, share: float, seed: int, step: float, dtype: torch.dtype,
) -> None:
    k = max(1, int(share * n_features))
    pre = torch.randn(n, n_features, generator=torch.Generator().manual_seed(seed))
    pre = (pre if step == 0 else (pre / step).round() * step).to(dtype)
    value, index = top_k(pre, k)
    assert torch.equal(value.sort(dim=1, descending=True).values, pre.relu().topk(k, dim=1).values)
    assert all(len(set(row)) == k for row in index.tolist())
    assert torch.equal(pre.gather(1, index.long()).relu(), value)


def test_top_k_of_rows_without_a_positive_entry() -> None:
    pre = torch.stack([-torch.ones(70), torch.zeros(70), torch.full((70,), -0.0)])
    value, index = top_k(pre, 9)
    assert not value.any()
    assert all(len(set(row)) == 9 for row in index.tolist())


def test_top_k_of_wide_rows() -> None:
    pre = torch.randn(50, 4608, generator=torch.Generator().manual_seed(0))
    value, index = top_k(pre, 32)
    assert torch.equal(value.sort(dim=1, descending=True).values, pre.topk(32, dim=1).values)
    assert torch.equal(pre.gather(1, index.long()), value)


def test_dots_are_dot_products() -> None:
    generator = torch.Generator().manual_seed(0)
    x, rows = torch.randn(30, 17, generator=generator), torch.randn(40, 17, generator=generator)
    index = torch.randint(0, 40, (30, 6), generator=generator, dtype=torch.int32)
    assert torch.allclose(dots(x, rows, index), (x @ rows.T).gather(1, index.long()), atol=1e-5)


@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_changes_nothing(threads: int) -> None:
    pre = torch.randn(101, 300, generator=torch.Generator().manual_seed(0))
    expected = top_k(pre, 8)
    torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for a, b in zip(top_k(pre, 8), expected, strict=True))


def test_firings_by_feature() -> None:
    generator = torch.Generator().manual_seed(0)
    index = torch.rand(50, 12, generator=generator).topk(4, dim=1).indices.int()
    value = torch.randn(50, 4, generator=generator).relu()
    place, offset = by_feature(index, value, 13)
    for feature in range(13):
        own = place[offset[feature] : offset[feature + 1]].tolist()
        assert own == ((index.flatten() == feature) & (value.flatten() > 0)).nonzero().flatten().tolist()
    assert offset[13] == len(place) == (value > 0).sum()
