from __future__ import annotations

import numpy as np
import pytest

from cellprism.features.svd import alignment_rates, alignment_table, explained_by_axes, principal_axes


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_axes_are_the_singular_vectors() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 8)) * np.arange(1, 9) + 5
    axes, share = principal_axes(x, x.mean(axis=0))
    _, values, vectors = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    assert np.allclose(np.abs((axes * vectors).sum(axis=1)), 1)
    assert np.allclose(share, values**2 / (values**2).sum())
    assert (np.diff(share) < 0).all()


def test_explained_variance_equals_the_reconstruction() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 6)) * np.arange(1, 7)
    axes, _ = principal_axes(x, x.mean(axis=0))
    adaptive, fixed = explained_by_axes(x, x.mean(axis=0), axes, 2)
    centred = x - x.mean(axis=0)
    coefficients = centred @ axes.T
    kept = np.zeros_like(coefficients)
    for row, c in zip(kept, coefficients, strict=True):
        best = np.argsort(-np.abs(c))[:2]
        row[best] = c[best]
    total = (centred**2).sum()
    assert adaptive == pytest.approx(1 - ((centred - kept @ axes) ** 2).sum() / total)
    assert fixed == pytest.approx(1 - ((centred - coefficients[:, :2] @ axes[:2]) ** 2).sum() / total)
    assert explained_by_axes(x, x.mean(axis=0), axes, 6) == pytest.approx((1, 1))
    assert adaptive > fixed


def test_planted_alignment_and_null() -> None:
    rng = np.random.default_rng(2)
    axes = np.linalg.qr(rng.normal(size=(100, 100)))[0][:20]
    atoms = unit(rng.normal(size=(200, 100)))
    atoms[:30] = unit(-axes[np.arange(30) % 20] + 0.05 * rng.normal(size=(30, 100)))
    table = alignment_table(np.arange(200), atoms, axes)
    assert (table["cosine"][:30] > 0.7).all()
    assert table["axis"][:30].tolist() == [i % 20 for i in range(30)]
    rates = alignment_rates(table, np.arange(25), dimensions=100, n_axes=20, permutations=50, rng=rng)
    by = rates.set_index(["rate", "protocol"])
    assert by.loc[("aligned", "calibrated"), "value"] == 0.15
    assert by.loc[("aligned", "published"), "value"] >= 0.15
    assert by.loc[("aligned", "calibrated"), "null_q95"] == 0
    labelled = by.loc[("annotated_if_aligned", "calibrated")]
    assert (labelled["value"], labelled["n"]) == (pytest.approx(25 / 30), 30)
    assert labelled["null_q95"] < 0.35
    assert by.loc[("annotated_if_not_aligned", "calibrated"), "value"] == 0
    published = alignment_rates(
        table, np.arange(25), dimensions=100, n_axes=20, permutations=5, rng=rng, protocol="published",
    ).set_index(["rate", "protocol"])
    n_aligned = (table["cosine"] >= 0.5).sum()
    assert published.loc[("annotated_if_aligned", "published"), "n"] == n_aligned
    random = alignment_table(np.arange(200), unit(rng.normal(size=(200, 100))), axes)
    null = alignment_rates(random, np.arange(0), dimensions=100, n_axes=20, permutations=50, rng=rng).iloc[0]
    assert null["value"] <= null["null_q95"]
