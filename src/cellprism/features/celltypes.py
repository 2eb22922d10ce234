"""Which features tell groups of cells apart: one mean activation per cell, one group against the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtr

from cellprism.stats.fdr import bh
from cellprism.stats.ranks import Ranks, auroc, rank_sum, ranks, stratified

LEVEL = 0.05
MIN_CELLS = 5
"""Cells that a group and its rest need."""
MIN_DONORS = 3
MIN_DONOR_CELLS = 3
"""A donor counts for a group if so many of its cells are in the group and as many in the rest."""
TOP_CELLS = 10
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


@dataclass(frozen=True)
class Ranked:
    """Mean activations of a key's cells, their ranks, and ranks within donors where groups are tested by donor."""

    values: np.ndarray
    overall: Ranks
    within: list[tuple[np.ndarray, Ranks]]


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

    By cell: AUROC and Wilcoxon rank-sum test of the cells of the group against the rest.

    By donor, where at least three donors have three cells on either side: the donors must agree, by a paired t test of
    each donor's mean in the group against its mean in the rest, and the cells within donors must differ, by the
    rank-sum test stratified by donor; p is the larger of the two. The t test alone fails for features that are silent
    in most cells, where a small group is likely to be silent in every donor; rank tests over donors cannot reach small
    p-values with the usual three to ten donors. The AUROC compares the donors' means in the group with those in the
    rest.

    All tests are two-sided; Benjamini-Hochberg over all live features and groups of the layer.

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
        ranked = _rank(key, means[np.ix_(key.cells, alive)].astype(np.float64))
        values = ranked.values
        area, p, n_units = _test(key, ranked)
        for row, g in enumerate(key.tested):
            inside = key.group == g
            floor = 0.01 * values.mean(axis=0) + np.finfo(np.float64).tiny
            parts.append(pd.DataFrame({
                "feature": alive, "key": key.name, "value": key.values[g], "n_units": n_units[row],
                "unit": "donor" if g in key.by_donor else "cell", "auroc": area[row],
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


def top_cells(means: np.ndarray) -> pd.DataFrame:
    """The `TOP_CELLS` cells of largest mean activation of each feature, of those above 0 (table ``top_cells``)."""
    means = np.nan_to_num(means)
    order = np.argsort(-means, axis=0, kind="stable")[:TOP_CELLS].T
    value = np.take_along_axis(means.T, order, axis=1)
    feature, rank = np.nonzero(value > 0)
    return pd.DataFrame({
        "feature": feature, "rank": rank, "cell": order[feature, rank], "mean": value[feature, rank].astype(float),
    })


def cell_type_rates(
    means: np.ndarray, keys: list[Key], observed: pd.DataFrame, *, permutations: int, rng: np.random.Generator,
) -> pd.DataFrame:
    """Share of live features with a group at q < 0.05, beside its null (table ``rates``).

    In the null the labels are permuted over cells; for groups tested by donor, within donors.
    """
    alive = np.flatnonzero(np.nansum(means, axis=0) > 0)
    p: list[list[np.ndarray]] = [[np.empty((0, len(alive)))] for _ in range(permutations)]
    for key in keys:
        ranked = _rank(key, means[np.ix_(key.cells, alive)].astype(np.float64))
        for of_permutation in p:
            of_permutation.append(_null_p(key, ranked, rng))
    null = np.array([_share(np.concatenate(parts)) for parts in p])
    n_hit = observed.loc[observed["q"] < LEVEL, "feature"].nunique()
    within = " (within donors for groups tested by donor)" if any(len(key.by_donor) for key in keys) else ""
    return pd.DataFrame([{
        "rate": "cell_type", "value": n_hit / max(len(alive), 1), "n": len(alive), "unit": "feature",
        "null_mean": null.mean(), "null_q95": np.quantile(null, 0.95), "n_permutations": permutations,
        "null": f"labels permuted over cells{within}; keeps group sizes and activations", "protocol": "calibrated",
    }])


def _rank(key: Key, values: np.ndarray) -> Ranked:
    cells = [np.flatnonzero(key.donor == d) for d in np.unique(key.donor)] if len(key.by_donor) else []
    return Ranked(values, ranks(values), [(of_donor, ranks(values[of_donor])) for of_donor in cells])


def _test(key: Key, ranked: Ranked) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """AUROC, p (groups, features) and units of the tested groups of a key."""
    member = key.group[:, None] == key.tested
    summed = rank_sum(ranked.overall, member)
    area, p, n_units = auroc(summed, member), summed.p(), member.sum(axis=0)
    for row in np.flatnonzero(np.isin(key.tested, key.by_donor)):
        area[row], p[row], n_units[row] = _by_donor(key, member[:, row], ranked)
    return area, p, n_units


def _by_donor(key: Key, inside: np.ndarray, ranked: Ranked) -> tuple[np.ndarray, np.ndarray, int]:
    strata = [ranked.within[d] for d in np.flatnonzero(_usable(inside, key.donor))]
    values = ranked.values
    group_means = np.stack([values[cells[inside[cells]]].mean(axis=0) for cells, _ in strata])
    rest_means = np.stack([values[cells[~inside[cells]]].mean(axis=0) for cells, _ in strata])
    n = len(strata)
    either = np.repeat([True, False], n)[:, None]
    area = auroc(rank_sum(ranks(np.concatenate([group_means, rest_means])), either), either)[0]
    parts = [rank_sum(within, inside[cells, None]) for cells, within in strata]
    p_cells = stratified(parts, [len(cells) for cells, _ in strata]).p()[0]
    return area, np.maximum(_paired_t(group_means - rest_means), p_cells), n


def _paired_t(difference: np.ndarray) -> np.ndarray:
    """Two-sided p of the mean of each column of ``difference`` (donors, features) against 0."""
    n = len(difference)
    mean, sd = difference.mean(axis=0), difference.std(axis=0, ddof=1)
    # Differences that are equal up to rounding come from features that are silent in these donors.
    varies = sd > 1e-9 * np.abs(difference).max(axis=0)
    t = np.where(varies, mean / np.where(varies, sd, 1.0) * np.sqrt(n), 0.0)
    return np.asarray(np.clip(2 * stdtr(n - 1, -np.abs(t)), np.finfo(np.float64).tiny, 1.0))


def _usable(inside: np.ndarray, donor: np.ndarray) -> np.ndarray:
    """Whether each donor has enough cells in the group and in the rest."""
    if donor.size == 0:
        return np.zeros(0, dtype=bool)
    n = int(donor.max()) + 1
    smaller = np.minimum(np.bincount(donor[inside], minlength=n), np.bincount(donor[~inside], minlength=n))
    return np.asarray(smaller >= MIN_DONOR_CELLS)


def _null_p(key: Key, ranked: Ranked, rng: np.random.Generator) -> np.ndarray:
    p = rank_sum(ranked.overall, rng.permutation(key.group)[:, None] == key.tested).p()
    group = key.group.copy()
    for cells, _ in ranked.within:
        group[cells] = rng.permutation(group[cells])
    for row in np.flatnonzero(np.isin(key.tested, key.by_donor)):
        p[row] = _by_donor(key, group == key.tested[row], ranked)[1]
    return p


def _share(p: np.ndarray) -> float:
    """Share of columns with an adjusted p below the level, with all of ``p`` as the family."""
    if p.size == 0:
        return 0.0
    return float((bh(p.ravel()).reshape(p.shape) < LEVEL).any(axis=0).mean())
