"""The three sparse operations for which PyTorch has no fast form on a CPU, compiled by numba.

Each works on a contiguous span of its output, so that threads can share the work and the result does not depend on how
many there are.
"""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import numba
import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

Function = TypeVar("Function", bound="Callable[..., Any]")


def _compiled(function: Function) -> Function:
    # sums may be taken in another order, so that they go into vectors
    fast: Function = numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})(function)
    return fast


def top_k(pre: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The ``k`` largest positive entries of every row, in no particular order; places that none takes have value 0.

    Parameters
    ----------
    pre
        Shape ``(N, F)``, contiguous float32 or bfloat16 on the CPU. Negative entries need not be cleared.
    k
        At most ``F``.

    Returns
    -------
    value, index
        Shape ``(N, k)``, of the type of ``pre`` and int32. The indices of a row differ, those of value 0 too.
    """
    n = len(pre)
    value = torch.empty((n, k), dtype=pre.dtype)
    index = torch.empty((n, k), dtype=torch.int32)
    # positive floats are ordered as their bits are, and a sign bit makes an integer negative
    integer = torch.int32 if pre.dtype == torch.float32 else torch.int16
    bits, bits_out, index_out = pre.detach().view(integer).numpy(), value.view(integer).numpy(), index.numpy()
    _shared(n, lambda a, b: _top_k(bits[a:b], bits_out[a:b], index_out[a:b]))
    return value, index


def quantise(x: torch.Tensor, factor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """``x * factor`` as int8 and the scale of each row: ``x[n] * factor`` is about ``scale[n] * quantised[n]``.

    Parameters
    ----------
    x, factor
        Shapes ``(N, D)`` and ``(D,)``, contiguous float32 on the CPU.
    """
    out, scale = torch.empty(x.shape, dtype=torch.int8), torch.empty(len(x))
    arrays = x.detach().numpy(), factor.detach().numpy(), out.numpy(), scale.numpy()
    _shared(len(x), lambda a, b: _quantise(arrays[0][a:b], arrays[1], arrays[2][a:b], arrays[3][a:b]))
    return out, scale


def top_k_scaled(
    products: torch.Tensor, row_scale: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor, k: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """`top_k` of ``products[n, f] * row_scale[n] * scale[f] + bias[f]``; ``products`` is int32, ``(N, F)``."""
    n = len(products)
    value, index = torch.empty(n, k), torch.empty((n, k), dtype=torch.int32)
    rows = products.numpy(), row_scale.numpy(), value.view(torch.int32).numpy(), index.numpy()
    columns = scale.numpy(), bias.detach().numpy()
    _shared(n, lambda a, b: _top_k_scaled(rows[0][a:b], rows[1][a:b], rows[2][a:b], rows[3][a:b], *columns))
    return value, index


def dots(x: torch.Tensor, rows: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """``out[n, j] = x[n] . rows[index[n, j]]``, float32 of the shape of ``index``; all contiguous on the CPU."""
    out = torch.empty(index.shape, dtype=torch.float32)
    arrays = x.detach().numpy(), rows.detach().numpy(), index.numpy(), out.numpy()
    _shared(len(x), lambda a, b: _dots(arrays[0][a:b], arrays[1], arrays[2][a:b], arrays[3][a:b]))
    return out


def by_feature(index: torch.Tensor, value: torch.Tensor, n_features: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Sort the firings, pairs with a value above 0, by feature and within a feature by position.

    Returns
    -------
    place
        Flat places in ``index`` of the firings in that order, int32.
    offset
        The firings of feature ``f`` are ``place[offset[f]:offset[f + 1]]``, int32 of length ``n_features + 1``.
    """
    place, offset = _by_feature(index.numpy().ravel(), value.detach().numpy().ravel(), n_features)
    return torch.from_numpy(place), torch.from_numpy(offset)


def _shared(n: int, work: Callable[[int, int], None]) -> None:
    threads = torch.get_num_threads()
    edges = [n * part // threads for part in range(threads + 1)]
    list(_pool(threads).map(work, edges[:-1], edges[1:]))


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


@_compiled
def _top_k(bits: np.ndarray, value: np.ndarray, index: np.ndarray) -> None:
    n, n_features = bits.shape
    k = index.shape[1]
    # entries s, s + n_groups, s + 2 n_groups, ... are a group: maxima of such groups are elementwise maxima of runs
    depth = max(1, n_features // (8 * k))
    n_groups = (n_features + depth - 1) // depth
    largest = np.empty(n_groups, bits.dtype)
    kept = np.empty(n_features, bits.dtype)
    where = np.empty(n_features, np.int32)
    for row in range(n):
        z = bits[row]
        for g in range(n_groups):
            largest[g] = z[g]
        for start in range(n_groups, n_features, n_groups):
            for g in range(min(n_groups, n_features - start)):
                largest[g] = max(largest[g], z[start + g])
        # k groups have a maximum above `low`, so that no entry at or below it can be among the k largest
        low, _ = _bracket(largest, n_groups, k, 12)
        n_kept = 0
        for g in range(n_groups):
            if largest[g] > low:
                for j in range(g, n_features, n_groups):
                    if z[j] > low:
                        kept[n_kept] = z[j]
                        where[n_kept] = j
                        n_kept += 1
        low, high = _bracket(kept, n_kept, k, 64)
        found = 0
        for i in range(n_kept):
            if kept[i] > high:
                value[row, found] = kept[i]
                index[row, found] = where[i]
                found += 1
        for i in range(n_kept):
            if low < kept[i] <= high and found < k:
                value[row, found] = kept[i]
                index[row, found] = where[i]
                found += 1
        free = 0
        for i in range(found, k):
            while z[free] > 0:
                free += 1
            value[row, i] = 0
            index[row, i] = free
            free += 1


@_compiled
def _top_k_scaled(
    products: np.ndarray, row_scale: np.ndarray, value: np.ndarray, index: np.ndarray, scale: np.ndarray,
    bias: np.ndarray,
) -> None:
    n, n_features = products.shape
    pre = np.empty((1, n_features), np.float32)
    for row in range(n):
        for f in range(n_features):
            pre[0, f] = np.float32(products[row, f]) * (row_scale[row] * scale[f]) + bias[f]
        _top_k(pre.view(np.int32), value[row : row + 1], index[row : row + 1])


@_compiled
def _quantise(x: np.ndarray, factor: np.ndarray, out: np.ndarray, scale: np.ndarray) -> None:
    n, d = x.shape
    for row in range(n):
        largest = np.float32(0)
        for c in range(d):
            largest = max(largest, abs(x[row, c] * factor[c]))
        scale[row] = largest / np.float32(127)
        inverse = np.float32(127) / largest if largest > 0 else np.float32(0)
        for c in range(d):
            out[row, c] = np.int8(np.rint(x[row, c] * factor[c] * inverse))


@_compiled
def _bracket(entries: np.ndarray, n: int, k: int, rounds: int) -> tuple[int, int]:
    """Bisect for ``low`` with at least ``k`` entries above it, or 0, and ``high`` with fewer."""
    largest = 0
    for i in range(n):
        largest = max(largest, entries[i])
    low, high = 0, largest
    bound = np.empty(1, entries.dtype)
    for _ in range(rounds):
        if high - low <= 1:
            break
        bound[0] = (low + high) // 2
        middle = bound[0]
        above = 0
        for i in range(n):
            above += entries[i] > middle
        if above >= k:
            low = middle
            if above == k:
                break
        else:
            high = middle
    return low, high


@_compiled
def _dots(x: np.ndarray, rows: np.ndarray, index: np.ndarray, out: np.ndarray) -> None:
    n, k = index.shape
    d = x.shape[1]
    for i in range(n):
        a = x[i]
        for j in range(k):
            b = rows[index[i, j]]
            total = np.float32(0)
            for c in range(d):
                total += a[c] * b[c]
            out[i, j] = total


@_compiled
def _by_feature(index: np.ndarray, value: np.ndarray, n_features: int) -> tuple[np.ndarray, np.ndarray]:
    offset = np.zeros(n_features + 1, np.int32)
    for i in range(len(index)):
        if value[i] > 0:
            offset[index[i] + 1] += 1
    for f in range(n_features):
        offset[f + 1] += offset[f]
    place = np.empty(offset[n_features], np.int32)
    end = offset[:-1].copy()
    for i in range(len(index)):
        if value[i] > 0:
            place[end[index[i]]] = i
            end[index[i]] += 1
    return place, offset
