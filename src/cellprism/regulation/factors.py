"""Every perturbed factor with known targets among the genes that were read: do these answer first?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cellprism.causal.matching import expression_level
from cellprism.regulation.targets import MIN_TARGETS, RankTest, gene_response, match_targets, power, rank_test
from cellprism.runs.schemas import TABLES, empty
from cellprism.stats.fdr import bh

if TYPE_CHECKING:
    from cellprism.regulation.activity import Activity
    from cellprism.regulation.networks import Networks
    from cellprism.regulation.responses import Response
    from cellprism.regulation.screen import Screen

@dataclass(frozen=True)
class Gathered:
    """What the tests of all factors share: arms, networks, and how the genes are expressed in control cells.

    Attributes
    ----------
    symbols
        Of every gene, upper case.
    level, share
        From `causal.matching.expression_level` in control cells.
    """

    arms: tuple[str, ...]
    networks: Networks
    symbols: np.ndarray
    level: np.ndarray
    share: np.ndarray

    @classmethod
    def of(cls, screen: Screen, networks: Networks) -> Gathered:
        level, share = expression_level(screen.tokens.keep(screen.arm == 0))
        symbols = screen.tokens.genes["symbol"].str.upper().to_numpy(object)
        return cls(screen.arms, networks, symbols, level, share)


@dataclass(frozen=True)
class Factor:
    """One factor in one network."""

    row: dict[str, Any]
    features: RankTest
    expression: RankTest


def compare_targets(
    gathered: Gathered, number: int, own: int, response: Response, expression: Response, activity: Activity,
    rng: np.random.Generator,
) -> list[Factor]:
    """Test the targets of an arm's gene in every network that knows enough of them.

    Genes on which no tested feature lies, or whose expression was not tested, are left out, as is the perturbed gene.

    Parameters
    ----------
    own
        The perturbed gene, -1 if it is not read.
    response, expression
        Tests of the arm's features and genes.
    """
    t = np.zeros(activity.total.shape[1])
    t[response.column] = response.t
    by_features = gene_response(t, activity.by_gene, without=own)
    by_expression = np.full(len(gathered.symbols), np.nan)
    by_expression[expression.column] = np.abs(expression.t)
    usable = np.isfinite(by_features) & np.isfinite(by_expression)
    name, found = gathered.arms[number], []
    for network, factors in gathered.networks.items():
        is_target = np.isin(gathered.symbols, list(factors.get(name.upper(), ())))
        is_target &= np.arange(len(is_target)) != own
        targets, pool = np.flatnonzero(is_target & usable), np.flatnonzero(~is_target & usable)
        pool = pool[pool != own]
        if len(targets) < MIN_TARGETS or len(pool) < len(targets):
            continue
        matched = match_targets(targets, pool, gathered.level, gathered.share)
        one, other = rank_test(by_features, matched, rng), rank_test(by_expression, matched, rng)
        share, planted = power(by_features, matched, one.null, rng)
        found.append(Factor({
            "target": name, "source": network, "n_targets": len(matched.held_out),
            "n_matched": len(matched.gene) - len(matched.held_out), "auroc": one.auroc, "p": one.p,
            "auroc_expression": other.auroc, "p_expression": other.p, "power": share, "planted": planted,
        }, one, other))
    return found


def factor_rows(factors: list[Factor]) -> pd.DataFrame:
    """Table ``tf_targets``, smallest p first; q over all of its rows."""
    if not factors:
        return empty(TABLES["tf_targets"])
    table = pd.DataFrame([factor.row for factor in factors])
    table = table.assign(q=bh(table["p"].to_numpy()), q_expression=bh(table["p_expression"].to_numpy()))
    return table.sort_values(["p", "target", "source"], ignore_index=True)
