"""Does the dictionary find more than the principal axes of the residual stream?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cellprism.runs.config import Protocol

AXES = 50
THRESHOLDS = {"calibrated": 0.7, "published": 0.5}
"""Absolute cosine from which a feature counts as aligned with an axis, by protocol (paper: 0.7; its code: 0.5)."""


def principal_axes(x: np.ndarray, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Right singular vectors of the centred residuals, all of them, with the share of variance along each.

    Parameters
    ----------
    x
        Residuals, shape ``(positions, d_model)``.
    centre
        What is subtracted, shape ``(d_model,)``.

    Returns
    -------
    Axes as unit rows, strongest first, shape ``(d_model, d_model)``; shares, shape ``(d_model,)``.
    """
    x = x.astype(np.float64) - centre
    values, vectors = np.linalg.eigh(x.T @ x)
    values = np.maximum(values[::-1], 0.0)
    return np.ascontiguousarray(vectors[:, ::-1].T), values / values.sum()


def explained_by_axes(x: np.ndarray, centre: np.ndarray, axes: np.ndarray, n_terms: int) -> tuple[float, float]:
    """Share of the variance of ``x`` explained by ``n_terms`` axes at each position.

    ``1 - sum ||x - x_hat||^2 / sum ||x - mean(x)||^2``, as for autoencoders.

    Returns
    -------
    With the ``n_terms`` largest coefficients of each position, as a sparse code would choose among all axes; and with
    the first ``n_terms`` axes at all positions.
    """
    x = x.astype(np.float64)
    coefficients = (x - centre) @ axes.T
    total = ((x - x.mean(axis=0)) ** 2).sum()
    lost = (coefficients**2).sum()
    chosen = np.partition(coefficients**2, -n_terms, axis=1)[:, -n_terms:].sum()
    first = (coefficients[:, :n_terms] ** 2).sum()
    return float(1 - (lost - chosen) / total), float(1 - (lost - first) / total)


def alignment_table(features: np.ndarray, atoms: np.ndarray, axes: np.ndarray) -> pd.DataFrame:
    """The axis nearest to each atom (table ``alignment``); ``atoms`` and ``axes`` are unit rows."""
    cosine = np.abs(atoms @ axes.T.astype(atoms.dtype))
    axis = cosine.argmax(axis=1)
    return pd.DataFrame({"feature": features, "axis": axis, "cosine": np.minimum(cosine.max(axis=1), 1.0)})


def alignment_rates(
    table: pd.DataFrame, annotated: np.ndarray, *, dimensions: int, n_axes: int, permutations: int,
    rng: np.random.Generator, protocol: Protocol = "calibrated",
) -> pd.DataFrame:
    """Share of live features aligned with an axis, and how many of the aligned and of the rest have a label.

    The share is given by both protocols' thresholds; the others by that of ``protocol``.

    The null of the first are random unit vectors; that of the others, which are given if there are both, labels
    shuffled over the features.
    """
    n = len(table)
    cosine = table["cosine"].to_numpy()
    has_label = np.isin(table["feature"], annotated)
    random = np.stack([_best_of_random(n, dimensions, n_axes, rng) for _ in range(permutations)])
    rows = []
    for name, threshold in THRESHOLDS.items():
        null = (random >= threshold).sum(axis=1) / max(n, 1)
        rows.append(_rate("aligned", (cosine >= threshold).sum() / max(n, 1), n, null, name, DIRECTIONS))
    shuffled = [rng.permutation(has_label) for _ in range(permutations)]
    aligned = cosine >= THRESHOLDS[protocol]
    groups = {"annotated_if_aligned": aligned, "annotated_if_not_aligned": ~aligned}
    for name, members in groups.items() if 0 < aligned.sum() < n else ():
        null = np.array([labels[members].mean() for labels in shuffled])
        rows.append(_rate(name, has_label[members].mean(), int(members.sum()), null, protocol, LABELS))
    return pd.DataFrame(rows)


DIRECTIONS = "random unit vectors; keeps the axes and the dimension"
LABELS = "labels shuffled over the features of the layer; keeps how many are annotated and how many are aligned"


def _best_of_random(n: int, dimensions: int, n_axes: int, rng: np.random.Generator) -> np.ndarray:
    """Largest absolute cosine of random directions with orthonormal axes: any such axes, so the first coordinates."""
    direction = rng.normal(size=(n, dimensions))
    best: np.ndarray = np.abs(direction[:, :n_axes]).max(axis=1) / np.linalg.norm(direction, axis=1)
    return best


def _rate(
    name: str, value: float, n: int, null: np.ndarray, protocol: str, keeps: str,
) -> Mapping[str, object]:
    return {
        "rate": name, "value": value, "n": n, "unit": "feature", "null_mean": null.mean(),
        "null_q95": np.quantile(null, 0.95), "n_permutations": len(null), "null": keeps, "protocol": protocol,
    }
