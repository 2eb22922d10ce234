"""Which features tell groups of cells apart: one mean activation per cell, one group against the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtr

from cellprism.stats.fdr import bh
from cellprism.stats.ranks import Ranks, one_against_rest, ranks

LEVEL = 0.05
MIN_CELLS = 5
"""Cells that a group and its rest need."""
MIN_DONORS = 3
MIN_DONOR_CELLS = 3
"""A donor counts for a group if so many of its cells are in the group and as many in the rest."""
LARGEST = 3
"""Groups of largest AUROC that are stored for each feature whatever their q."""


@dataclass(frozen=True)
class Key:
    """One label column, restricted to the cells that have a value.

    Attributes
    ----------
    name
        Column of obs.
    values
        Its values in order; ``group`` points into them.
    cells
        Cells with a value, shape ``(n,)``.
    group
        Value of each of those cells, shape ``(n,)``.
    donor
        Donor of each of those cells as an integer; empty if the run has no donors.
    tested
        Values large enough to be tested.
    by_donor
        Those of ``tested`` that enough donors have.
    """

    name: str
    values: list[str]
    cells: np.ndarray
    group: np.ndarray
    donor: np.ndarray
    tested: np.ndarray
    by_donor: np.ndarray


def read_keys(labels: pd.DataFrame, donors: pd.Series) -> list[Key]:
    """The label columns of a run and which of their values can be tested.

    Parameters
    ----------
    labels
        Long table with columns cell, key, value.
    donors
        Donor of each cell, missing where unknown.
    """
    keys = []
    for name, frame in labels.dropna(subset="value").groupby("key", sort=True):
        values = sorted(frame["value"].unique())
        group = pd.Categorical(frame["value"], categories=values).codes.astype(np.int64)
        cells = frame["cell"].to_numpy()
        named = donors.reindex(cells)
        donor = pd.factorize(named, sort=True)[0] if named.notna().all() else np.empty(0, np.int64)
        sizes = np.bincount(group, minlength=len(values))
        tested = np.flatnonzero((sizes >= MIN_CELLS) & (len(cells) - sizes >= MIN_CELLS))
        by_donor = np.array([g for g in tested if _usable(group == g, donor).sum() >= MIN_DONORS], dtype=np.int64)
        keys.append(Key(str(name), values, cells, group, donor, tested, by_donor))
    return keys


def cell_types(means: np.ndarray, keys: list[Key]) -> pd.DataFrame:
    """Test every live feature for every value of every label column.

    By cell: AUROC and Wilcoxon rank-sum test of the cells of the group against the rest. By donor, where at least three
    donors have three cells on either side: each donor gives the difference between the means of its two sides, tested
    against 0 with a two-sided one-sample t test over donors (the paired t test); the AUROC compares the donors' means
    in the group with those in the rest. Rank tests over donors cannot reach small p-values with the usual three to ten
    donors. Benjamini-Hochberg over all features and groups of the layer.

    Parameters
    ----------
    means
        Mean activation of each feature in each cell, shape ``(cells, features)``.

    Returns
    -------
    All tests as table ``celltypes``, features ascending, then AUROC descending.
    """
    alive = np.flatnonzero(np.nansum(means, axis=0) > 0)
    parts = []
    for key in keys:
        values = means[np.ix_(key.cells, alive)].astype(np.float64)
        auroc, p, n_units = _test(key, key.group, values, ranks(values))
        for row, g in enumerate(key.tested):
            inside = key.group == g
            floor = 0.01 * values.mean(axis=0) + np.finfo(np.float64).tiny
            parts.append(pd.DataFrame({
                "feature": alive, "key": key.name, "value": key.values[g], "n_units": n_units[row],
                "unit": "donor" if g in key.by_donor else "cell", "auroc": auroc[row],
                "log_ratio": np.log2((values[inside].mean(axis=0) + floor) / (values[~inside].mean(axis=0) + floor)),
                "p": p[row],
            }))
    if not parts:
        columns = ("feature", "key", "value", "n_units", "unit", "auroc", "log_ratio", "p", "q")
        return pd.DataFrame({name: [] for name in columns})
    frame = pd.concat(parts, ignore_index=True)
    frame["q"] = bh(frame["p"].to_numpy())
    return frame.sort_values(
        ["feature", "auroc", "key", "value"], ascending=[True, False, True, True], kind="stable"
    ).reset_index(drop=True)


def stored_tests(frame: pd.DataFrame) -> pd.DataFrame:
    """The tests with q < 0.05 and the `LARGEST` AUROCs of each feature."""
    largest = frame.groupby("feature", sort=False).cumcount() < LARGEST
    return frame[(frame["q"] < LEVEL) | largest].reset_index(drop=True)


def cell_type_rates(
    means: np.ndarray, keys: list[Key], observed: pd.DataFrame, *, permutations: int, rng: np.random.Generator,
) -> pd.DataFrame:
    """Share of live features with a group at q < 0.05, beside its null (table ``rates``).

    In the null the labels are permuted over cells; for groups tested by donor, within donors.
    """
    alive = np.flatnonzero(np.nansum(means, axis=0) > 0)
    prepared = []
    for key in keys:
        values = means[np.ix_(key.cells, alive)].astype(np.float64)
        prepared.append((key, values, ranks(values)))
    null = np.empty(permutations)
    for i in range(permutations):
        p = [_null_p(key, values, ranked, rng) for key, values, ranked in prepared]
        null[i] = _share(np.concatenate([np.empty((0, len(alive))), *p]))
    n_hit = observed.loc[observed["q"] < LEVEL, "feature"].nunique()
    within = " (within donors for groups tested by donor)" if any(len(key.by_donor) for key in keys) else ""
    return pd.DataFrame([{
        "rate": "cell_type", "value": n_hit / max(len(alive), 1), "n": len(alive), "unit": "feature",
        "null_mean": null.mean(), "null_q95": np.quantile(null, 0.95), "n_permutations": permutations,
        "null": f"labels permuted over cells{within}; keeps group sizes and activations", "protocol": "calibrated",
    }])


def _test(key: Key, group: np.ndarray, values: np.ndarray, ranked: Ranks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """AUROC, p (groups, features) and units of the tested groups of a key, with ``group`` as the labels."""
    member = group[:, None] == key.tested
    auroc, p = one_against_rest(ranked, member)
    n_units = member.sum(axis=0)
    for g in key.by_donor:
        row = int(np.flatnonzero(key.tested == g)[0])
        auroc[row], p[row], n_units[row] = _by_donor(group == g, key.donor, values)
    return auroc, p, n_units


def _by_donor(
    inside: np.ndarray, donor: np.ndarray, values: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, int]:
    chosen = np.flatnonzero(_usable(inside, donor))
    group_means = np.stack([values[inside & (donor == d)].mean(axis=0) for d in chosen])
    rest_means = np.stack([values[~inside & (donor == d)].mean(axis=0) for d in chosen])
    n = len(chosen)
    both = ranks(np.concatenate([group_means, rest_means]))
    auroc, _ = one_against_rest(both, np.repeat([True, False], n)[:, None])
    difference = group_means - rest_means
    mean, sd = difference.mean(axis=0), difference.std(axis=0, ddof=1)
    # Equal differences have a standard deviation of rounding error only; such features are silent in these donors.
    varies = sd > 1e-9 * np.abs(difference).max(axis=0)
    t = np.where(varies, mean / np.where(varies, sd, 1.0) * np.sqrt(n), 0.0)
    return auroc[0], np.clip(2 * stdtr(n - 1, -np.abs(t)), np.finfo(np.float64).tiny, 1.0), n


def _usable(inside: np.ndarray, donor: np.ndarray) -> np.ndarray:
    """Whether each donor has enough cells in the group and in the rest."""
    if donor.size == 0:
        return np.zeros(0, dtype=bool)
    n = int(donor.max()) + 1
    smaller = np.minimum(np.bincount(donor[inside], minlength=n), np.bincount(donor[~inside], minlength=n))
    return np.asarray(smaller >= MIN_DONOR_CELLS)


def _null_p(key: Key, values: np.ndarray, ranked: Ranks, rng: np.random.Generator) -> np.ndarray:
    by_cell = ~np.isin(key.tested, key.by_donor)
    free = rng.permutation(key.group)
    p = one_against_rest(ranked, free[:, None] == key.tested)[1]
    if not by_cell.all():
        within = key.group.copy()
        for d in np.unique(key.donor):
            cells = np.flatnonzero(key.donor == d)
            within[cells] = rng.permutation(within[cells])
        for row in np.flatnonzero(~by_cell):
            p[row] = _by_donor(within == key.tested[row], key.donor, values)[1]
    return p


def _share(p: np.ndarray) -> float:
    """Share of columns with an adjusted p below the level, with all of ``p`` as the family."""
    if p.size == 0:
        return 0.0
    return float((bh(p.ravel()).reshape(p.shape) < LEVEL).any(axis=0).mean())
