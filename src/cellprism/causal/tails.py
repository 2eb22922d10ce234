"""Is the tail of a degree distribution a power law, or is something else at least as likely?"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import zeta
from scipy.stats import chi2

from cellprism.stats.permutation import permutation_p

ALPHA = (1.05, 10.0)
LEAST_TAIL = 50
"""Degrees that a tail must have."""
BOOTSTRAPS = 200
ALTERNATIVES = ("lognormal", "exponential", "stretched_exponential")
_STEPS, _TERMS = 40, 1000
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)


@dataclass(frozen=True)
class Tail:
    """A power law ``P(X = x) = x^-alpha / zeta(alpha, x_min)`` for ``x >= x_min``.

    Attributes
    ----------
    x_min, alpha
        Where it begins, and its exponent by maximum likelihood.
    ks
        Largest distance between the observed and the fitted distribution of the tail.
    n, n_tail
        Degrees above 0, and of these in the tail.
    """

    x_min: int
    alpha: float
    ks: float
    n: int
    n_tail: int


def x_min_grid(degree: np.ndarray) -> np.ndarray:
    """Values to try for ``x_min``: all distinct degrees that leave 50 degrees or more in the tail."""
    return np.unique(np.sort(degree)[: max(len(degree) - LEAST_TAIL + 1, 0)])


def fit_tail(degree: np.ndarray, grid: np.ndarray) -> Tail:
    """Fit a discrete power law for every ``x_min`` of the grid and take the smallest distance (Clauset et al. 2009).

    Parameters
    ----------
    degree
        Positive integers, shape ``(n,)``.
    grid
        Values of ``x_min``, ascending; those without a tail of two distinct values are passed over.
    """
    values, counts = np.unique(degree, return_counts=True)
    reaching = counts[::-1].cumsum()[::-1]
    logs = (counts * np.log(values))[::-1].cumsum()[::-1]
    first = np.searchsorted(values, grid)
    usable = first < len(values) - 1
    grid, first = grid[usable], first[usable]
    alpha = _likeliest(grid, reaching[first], logs[first])
    best: Tail | None = None
    for x_min, a, start in zip(grid.tolist(), alpha.tolist(), first.tolist(), strict=True):
        survival = zeta(a, values[start:] + 1.0) / zeta(a, x_min)
        observed = 1 - counts[start:].cumsum() / reaching[start]
        ks = float(np.abs(observed - survival).max())
        if best is None or ks < best.ks:
            best = Tail(int(x_min), a, ks, len(degree), int(reaching[start]))
    if best is None:
        msg = "no value of the grid leaves a tail of two distinct degrees"
        raise ValueError(msg)
    return best


def goodness(degree: np.ndarray, fit: Tail, grid: np.ndarray, rng: np.random.Generator) -> float:
    """Share of semi-parametric bootstraps, refitted over the same grid, that are further from a power law.

    A degree is drawn from the fitted tail with the tail's share, else from the degrees below ``x_min``; p is
    ``(1 + exceedances) / (1 + bootstraps)``. A small p speaks against a power law, a large one does not speak for it.
    """
    body = degree[degree < fit.x_min]
    distance = np.empty(BOOTSTRAPS)
    for b in range(BOOTSTRAPS):
        in_tail = rng.binomial(fit.n, fit.n_tail / fit.n)
        drawn = power_law(fit.alpha, fit.x_min, in_tail, rng)
        rest = rng.choice(body, fit.n - in_tail) if len(body) else np.empty(0, np.int64)
        distance[b] = fit_tail(np.concatenate([drawn, rest]), grid).ks
    return float(permutation_p(fit.ks, distance))


def power_law(alpha: float, x_min: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw from a discrete power law by inverting its distribution: doubling, then bisection."""
    wanted = 1 - rng.random(n)
    total = zeta(alpha, x_min)
    low, high = np.full(n, float(x_min)), np.full(n, 2.0 * x_min)
    while (beyond := zeta(alpha, high) / total >= wanted).any():
        low[beyond], high[beyond] = high[beyond], high[beyond] * 2
    while (open_ := high - low > 1).any():
        middle = np.floor((low + high) / 2)
        reaches = zeta(alpha, middle) / total >= wanted
        low, high = np.where(open_ & reaches, middle, low), np.where(open_ & ~reaches, middle, high)
    return np.asarray(np.minimum(low, 2.0**53), dtype=np.int64)


def compare(degree: np.ndarray, fit: Tail) -> list[dict[str, object]]:
    """Likelihood of other tails against the power law's, from the same ``x_min`` on.

    Not nested (package `powerlaw`): Vuong's (1989) normalised log-likelihood ratio, two-sided; above 0 the power law is
    likelier. The power law with an exponential cut-off is a power law where its rate is 0, the edge of what a rate can
    be: twice the gain in log-likelihood is then a mixture in equal parts of 0 and chi-square of one degree of freedom
    (Self and Liang 1987).

    Returns
    -------
    Rows with ``distribution``, ``ratio`` (power law over the other), ``nested`` and ``p``.
    """
    import powerlaw

    rows: list[dict[str, object]] = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # the package warns of every step of its optimiser
        fitted = powerlaw.Fit(degree, discrete=True, xmin=fit.x_min, estimate_discrete=False, verbose=0)
        for name in ALTERNATIVES:
            ratio, p = fitted.distribution_compare("power_law", name, nested=False, normalized_ratio=True)
            rows.append({"distribution": name, "ratio": float(ratio), "nested": False, "p": float(p)})
    gain = cutoff_gain(degree[degree >= fit.x_min], fit)
    p = 0.5 * float(chi2.sf(2 * gain, 1)) if gain > 0 else 1.0
    return [*rows, {"distribution": "truncated_power_law", "ratio": -gain, "nested": True, "p": p}]


def cutoff_gain(tail: np.ndarray, fit: Tail) -> float:
    """What ``x^-a exp(-rate x)`` gains in log-likelihood over the power law of ``fit``, 0 or more.

    The package sums its normalisation in arbitrary precision, which takes ten seconds for one fit.
    """
    n, logs, total = len(tail), np.log(tail).sum(), float(tail.sum())

    def cost(point: np.ndarray) -> float:
        return float(point[0] * logs + np.exp(point[1]) * total + n * np.log(cutoff_sum(point[0], point[1], fit.x_min)))

    starts = [np.array([fit.alpha, np.log(0.01 / fit.x_min)]), np.array([1.0, np.log(1 / tail.mean())])]
    bounds = [(0.0, ALPHA[1]), (-25.0, 3.0)]
    best = min(minimize(cost, start, method="Nelder-Mead", bounds=bounds).fun for start in starts)
    power_law_alone = -fit.alpha * logs - n * np.log(zeta(fit.alpha, fit.x_min))
    return max(0.0, float(-best - power_law_alone))


def cutoff_sum(alpha: float, log_rate: float, x_min: int) -> float:
    """Sum of ``x^-alpha exp(-rate x)`` over whole ``x >= x_min``: terms, then Euler and Maclaurin's integral."""
    rate, last = np.exp(log_rate), x_min + _TERMS
    x = np.arange(x_min, last, dtype=np.float64)
    upper = np.log1p(60 / (rate * last))
    u, weight = (_NODES + 1) * upper / 2, _WEIGHTS * upper / 2
    rest = float(weight @ np.exp((1 - alpha) * (u + np.log(last)) - rate * last * np.exp(u)))
    end = last**-alpha * np.exp(-rate * last)
    return float(np.exp(-alpha * np.log(x) - rate * x).sum() + rest + end / 2 + end * (alpha / last + rate) / 12)


def _likeliest(x_min: np.ndarray, n: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """The exponents of largest likelihood, for all tails at once: golden section of a concave function."""
    golden = (np.sqrt(5) - 1) / 2
    low, high = np.full(len(x_min), ALPHA[0]), np.full(len(x_min), ALPHA[1])

    def cost(alpha: np.ndarray) -> np.ndarray:
        return np.asarray(n * np.log(zeta(alpha, x_min)) + alpha * logs)

    for _ in range(_STEPS):
        left, right = high - golden * (high - low), low + golden * (high - low)
        better = cost(left) < cost(right)
        low, high = np.where(better, low, left), np.where(better, right, high)
    return np.asarray((low + high) / 2)
