"""Factors and their known targets, from gene sets named after them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellprism.errors import UserError
from cellprism.knowledge.gene_sets import load_gene_sets

if TYPE_CHECKING:
    from collections.abc import Sequence

Networks = dict[str, dict[str, set[str]]]
"""Network -> factor -> symbols of its targets, upper case."""
SUFFIX = " targets"


def known_targets(own: Sequence[str], given: Sequence[str]) -> Networks:
    """Factors and their targets by network, whatever the sign; no factor is its own target.

    Parameters
    ----------
    own
        Gene sets of the run; of these the terms named ``STAT1 targets`` count, as TRRUST, CollecTRI and DoRothEA are
        read.
    given
        Files or names that must hold such terms.

    Raises
    ------
    UserError
        One of ``given`` holds no factor, or something cannot be read.
    """
    networks: Networks = {}
    for name in dict.fromkeys([*own, *given]):
        found = {library: _factors(terms) for library, terms in load_gene_sets([name]).items()}
        if name in given and not any(found.values()):
            msg = f"{name} names no factors and targets: give a table of TRRUST, CollecTRI or DoRothEA as `--network`."
            raise UserError(msg)
        networks |= {library: factors for library, factors in found.items() if factors}
    return networks


def _factors(terms: dict[str, tuple[str, ...]]) -> dict[str, set[str]]:
    return {
        factor: set(genes) - {factor} for term, genes in terms.items()
        if (factor := term.removesuffix(SUFFIX)) != term and factor.isupper() and " " not in factor
    }
