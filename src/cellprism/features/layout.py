"""A map of a layer's features, on which features with similar atoms are near."""

from __future__ import annotations

import warnings

import numpy as np

METRIC = "cosine"
NEIGHBOURS = 15
SMALLEST = 10
"""UMAP needs a few points more than it looks at; below, the map is the first two principal components."""
TRUST_SAMPLE = 2000
ROWS = 1024


def layout(atoms: np.ndarray, *, seed: int) -> tuple[np.ndarray, str]:
    """Coordinates of the atoms, and the method that gave them.

    UMAP (McInnes, Healy and Melville 2018) on cosine distance: the sign of an atom is meaningful, because a feature
    only adds its atom and never subtracts it. The nearest atoms are exact: left alone, UMAP compares each pair in
    Python, or searches approximately where there are many.

    Parameters
    ----------
    atoms
        Unit rows, shape ``(features, dimensions)``.

    Returns
    -------
    float32 ``(features, 2)`` and ``"UMAP"`` or, for fewer than `SMALLEST` features, ``"PCA"``.
    """
    if len(atoms) < SMALLEST:
        centred = atoms - atoms.mean(axis=0) if len(atoms) else atoms
        u, s, _ = np.linalg.svd(centred, full_matrices=False)
        coordinates = np.zeros((len(atoms), 2), np.float32)
        coordinates[:, : min(2, len(s))] = (u * s)[:, :2]
        return coordinates, "PCA"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message="(?s).*tensorflow.*", category=ImportWarning)
        import umap
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="(?s).*[Ss]pectral initiali[sz]ation", category=UserWarning)
        warnings.filterwarnings("ignore", message="Graph is not fully connected", category=UserWarning)
        warnings.filterwarnings("ignore", message="(?s).*transforming new data", category=UserWarning)
        k = min(NEIGHBOURS, len(atoms) - 1)
        model = umap.UMAP(
            n_neighbors=k, metric=METRIC, random_state=seed, n_jobs=1, precomputed_knn=(*nearest(atoms, k), None)
        )
        return np.asarray(model.fit_transform(atoms), dtype=np.float32), "UMAP"


def nearest(atoms: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` atoms at the smallest cosine distance of each, itself first: places and distances, ``(n, k)``."""
    places, distances = [], []
    for start in range(0, len(atoms), ROWS):
        distance = np.maximum(1 - atoms[start : start + ROWS] @ atoms.T, 0.0)
        distance[np.arange(len(distance)), start + np.arange(len(distance))] = -1.0
        place = np.argsort(distance, axis=1, kind="stable")[:, :k]
        places.append(place)
        distances.append(np.maximum(np.take_along_axis(distance, place, axis=1), 0.0))
    return np.concatenate(places), np.concatenate(distances)


def trustworthiness(atoms: np.ndarray, coordinates: np.ndarray, rng: np.random.Generator) -> float | None:
    """How far neighbours on the map are neighbours in the dictionary, from 0 to 1 (Venna and Kaski 2001).

    Among 15 neighbours by cosine distance, on a sample of at most 2,000 features; None where there are too few.
    """
    from sklearn.manifold import trustworthiness as measure

    if len(atoms) > TRUST_SAMPLE:
        chosen = np.sort(rng.choice(len(atoms), TRUST_SAMPLE, replace=False))
        atoms, coordinates = atoms[chosen], coordinates[chosen]
    k = min(NEIGHBOURS, (len(atoms) - 1) // 2)
    if k < 1:
        return None
    return float(measure(atoms, coordinates, n_neighbors=k, metric=METRIC))
