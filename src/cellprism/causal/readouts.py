"""Four ways to see whether a cell has moved from early to late, fitted on cells that are not judged or steered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from cellprism.causal.markers import MarkerFinder
from cellprism.causal.ordering import EARLY, LATE
from cellprism.stats.ranks import auroc, rank_sum, ranks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cellprism.causal.profiles import Said

READOUTS = {
    "state": (
        "cosine of what the model says of all genes to the mean of late cells, less that to the mean of early cells",
        "difference of cosines",
    ),
    "progress": (
        "ridge regression of the order on the mean residual after the last layer", "share of the cells passed",
    ),
    "fate": (
        "logistic regression of late against early cells on the mean residual after the last layer", "log-odds of late",
    ),
    "markers": (
        "what the model says of markers of late cells less that of early cells; markers are found by expression "
        "and none is a top gene of the steered feature",
        "logits, or predicted values",
    ),
}
"""Name -> what it measures, and its unit."""
PERMUTATIONS = 99
PENALTIES = 10.0 ** np.arange(-1, 6)
"""Of the ridge regression; each order gets the one with the least error at cells that are left out one at a time."""
STRENGTH = 0.05
"""Inverse penalty of the logistic regression, on standardised residuals."""


@dataclass(frozen=True)
class Line:
    """A linear readout of the pooled residual: ``pooled @ weight + constant``."""

    weight: np.ndarray
    constant: float

    def __call__(self, pooled: np.ndarray) -> np.ndarray:
        return np.asarray(pooled @ self.weight + self.constant)


@dataclass(frozen=True)
class Readouts:
    """The four readouts.

    Attributes
    ----------
    early, late
        Mean profile of early and of late cells, shape ``(genes,)``; 0 in both for a gene that one of them lacks.
    progress, fate
        Linear in the pooled residual.
    early_markers, late_markers
        Genes of the run.
    """

    early: np.ndarray
    late: np.ndarray
    progress: Line
    fate: Line
    early_markers: np.ndarray
    late_markers: np.ndarray

    def values(self, said: Said, own: np.ndarray | None = None) -> np.ndarray:
        """Each readout of n cells, shape ``(n, 4)`` in the order of `READOUTS`; larger is later.

        Parameters
        ----------
        own
            Genes that are no markers here: the top genes of a steered feature.
        """
        without = np.empty(0, np.int64) if own is None else own
        markers = [np.setdiff1d(genes, without) for genes in (self.late_markers, self.early_markers)]
        late, early = (_mean_of(said.profile[:, genes]) for genes in markers)
        state = cosine(said.profile, self.late) - cosine(said.profile, self.early)
        return np.stack([state, self.progress(said.pooled), self.fate(said.pooled), late - early], axis=1)


class Fitter:
    """Fits readouts to some cells, for several orders of them.

    Parameters
    ----------
    said
        What the model makes of the cells.
    levels
        Their expression, from `expression_levels`.
    """

    def __init__(self, said: Said, levels: np.ndarray) -> None:
        self._said, self._levels = said, levels
        self._centre = said.pooled.mean(axis=0)
        sd = said.pooled.std(axis=0)
        self._scale = np.where(sd > 0, sd, 1.0)
        self._x = (said.pooled - self._centre) / self._scale

    def fit(self, group: np.ndarray, place: np.ndarray) -> Iterator[Readouts]:
        """Fit all readouts to each of several orders.

        Parameters
        ----------
        group, place
            Group and place of each cell as in `Ordering`, shape ``(orders, cells)``.
        """
        from sklearn.linear_model import RidgeCV

        # one decomposition of the cells serves all orders
        ridge = RidgeCV(PENALTIES, alpha_per_target=True).fit(self._x, place.T)
        weights, constants = np.atleast_2d(ridge.coef_), np.atleast_1d(ridge.intercept_)
        for own, weight, constant in zip(group, weights, constants, strict=True):
            yield self._fit(own, self._line(weight, float(constant)))

    def _fit(self, group: np.ndarray, progress: Line) -> Readouts:
        from sklearn.linear_model import LogisticRegression

        ends = np.flatnonzero((group == EARLY) | (group == LATE))
        is_late = group[ends] == LATE
        logistic = LogisticRegression(C=STRENGTH, max_iter=1000).fit(self._x[ends], is_late)
        late_markers, early_markers = MarkerFinder(self._levels[ends]).find(is_late)
        early, late = (_column_means(self._said.profile[group == g]) for g in (EARLY, LATE))
        both = np.isfinite(early) & np.isfinite(late)
        return Readouts(
            np.where(both, early, 0), np.where(both, late, 0), progress,
            self._line(logistic.coef_[0], float(logistic.intercept_[0])), early_markers, late_markers,
        )

    def _line(self, weight: np.ndarray, constant: float) -> Line:
        """A line in standardised residuals as one in residuals."""
        own = weight / self._scale
        return Line(own, constant - float(self._centre @ own))


def judge(values: np.ndarray, group: np.ndarray, place: np.ndarray) -> np.ndarray:
    """How well readouts tell cells in which they were not fitted, shape ``(4,)``.

    Parameters
    ----------
    values
        Shape ``(n, 4)``.

    Returns
    -------
    Of ``progress`` Spearman's correlation with the order over all cells, of the others the AUROC of late against early.
    """
    ends = (group == EARLY) | (group == LATE)
    is_late = (group[ends] == LATE)[:, None]
    quality = auroc(rank_sum(ranks(values[ends]), is_late), is_late)[0]
    own = values[:, 1]
    quality[1] = spearmanr(own, place).statistic if np.ptp(own) > 0 else 0.0
    return np.asarray(quality)


def judged_readouts(
    fitter: Fitter, said: Said, *, fit_order: tuple[np.ndarray, np.ndarray], test_order: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator, advance: Callable[[int], None],
) -> tuple[Readouts, pd.DataFrame]:
    """Fit the readouts, judge them on other cells, and do both with the order permuted among the cells of the fit.

    Parameters
    ----------
    fitter
        Of the cells to fit on.
    said
        What the model makes of the cells to judge on.
    fit_order, test_order
        Group and place of the cells of the fit, and of those to judge on.
    advance
        Is told the permutations done.

    Returns
    -------
    The readouts, and the table ``steering_readouts``.
    """
    shuffles = [rng.permutation(len(fit_order[0])) for _ in range(PERMUTATIONS)]
    fits = fitter.fit(*(np.stack([x, *(x[shuffle] for shuffle in shuffles)]) for x in fit_order))
    fitted = next(fits)
    values = fitted.values(said)
    quality, null = judge(values, *test_order), np.empty((PERMUTATIONS, len(READOUTS)))
    for number, permuted in enumerate(fits):
        null[number] = judge(permuted.values(said), *test_order)
        advance(1)
    group = test_order[0]
    ends = {name: int(sum((order[0] == g).sum() for g in (EARLY, LATE))) for name, order in (
        ("fit", fit_order), ("test", test_order),
    )}
    every = np.arange(len(READOUTS)) == 1
    return fitted, pd.DataFrame({
        "readout": list(READOUTS), "what": [what for what, _ in READOUTS.values()],
        "unit": [unit for _, unit in READOUTS.values()],
        "n_fit": np.where(every, len(fit_order[0]), ends["fit"]), "n_test": np.where(every, len(group), ends["test"]),
        "measure": np.where(every, "Spearman's correlation with the ordering", "AUROC of late against early"),
        "quality": quality, "null_mean": null.mean(axis=0), "null_q95": np.quantile(null, 0.95, axis=0),
        "n_permutations": PERMUTATIONS,
        "span": values[group == LATE].mean(axis=0) - values[group == EARLY].mean(axis=0),
    })


def cosine(profile: np.ndarray, to: np.ndarray) -> np.ndarray:
    """Cosine of each row, over the genes that it has, to the profile ``to (genes,)``; 0 where one of them is 0."""
    there = np.isfinite(profile)
    own = np.where(there, profile, 0.0)
    length = np.sqrt((own**2).sum(axis=1) * (there @ to**2))
    return np.asarray(np.divide(own @ to, length, out=np.zeros(len(own)), where=length > 0))


def _mean_of(profile: np.ndarray) -> np.ndarray:
    """Mean over the genes that a row has, 0 without any."""
    there = np.isfinite(profile)
    return np.asarray(np.where(there, profile, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1))


def _column_means(profile: np.ndarray) -> np.ndarray:
    """Mean over the rows that have a gene; NaN without any."""
    there = np.isfinite(profile)
    n = there.sum(axis=0)
    total = np.where(there, profile, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0))
