"""What each feature means: gene sets over-represented among its top genes, and how often chance does as well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from cellprism.errors import UserError
from cellprism.stats.fdr import bh
from cellprism.stats.hypergeometric import tail_levels
from cellprism.stats.permutation import shuffle_bipartite

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cellprism.runs.config import Protocol

    GeneSets = Mapping[str, Iterable[str]] | Mapping[str, Mapping[str, Iterable[str]]]

PUBLISHED_OVERLAP = 2
"""Genes that a pair shares at least to be in the family of the published protocol."""
NEAREST = 5
"""Smallest p-values of a feature that are stored whatever their q, so that an unannotated feature shows its misses."""


@dataclass(frozen=True)
class Problem:
    """Top genes and gene sets over one background, as integers.

    Attributes
    ----------
    features
        Names of the features, in the order given.
    feature, gene
        The top genes as edges, in the order of features and ranks, shape ``(edges,)``.
    symbol
        The gene of each edge as it was spelled.
    source, term
        Library and name of each gene set.
    membership
        Sparse 0/1 ``(background, terms)``.
    """

    features: np.ndarray
    feature: np.ndarray
    gene: np.ndarray
    symbol: np.ndarray
    source: np.ndarray
    term: np.ndarray
    membership: sparse.csr_matrix

    @property
    def n_background(self) -> int:
        return int(self.membership.shape[0])

    @property
    def n_tests(self) -> int:
        """Every (feature, term) pair."""
        return len(self.features) * len(self.term)

    @property
    def term_size(self) -> np.ndarray:
        return np.asarray(self.membership.getnnz(axis=0))

    @property
    def n_genes(self) -> np.ndarray:
        return np.bincount(self.feature, minlength=len(self.features))


def annotate(
    top_genes: Mapping[Any, Sequence[str]], gene_sets: GeneSets, *, background: Iterable[str],
    min_size: int = 5, max_size: int = 500, protocol: Protocol = "calibrated",
) -> pd.DataFrame:
    """Test every feature's top genes for every gene set.

    One-sided hypergeometric tests; Benjamini-Hochberg over the family. The unit is the gene. Symbols match whatever
    their case.

    Parameters
    ----------
    top_genes
        Feature -> its genes. Genes outside the background are left out.
    gene_sets
        Term -> genes, or library -> term -> genes. Terms are cut to the background and then kept if they have
        ``min_size`` to ``max_size`` genes.
    background
        Genes that could have been a top gene: those seen often enough, not the union of the top genes.
    min_size, max_size
        Sizes of terms within the background.
    protocol
        ``calibrated``: the family is every (feature, term) pair. ``published``: only pairs that share at least two
        genes, as in the papers; the family then depends on the outcome, and most lists of random genes get annotated.

    Returns
    -------
    Table with columns feature, source, term, overlap, n_genes, term_size, genes, effect, p, q: the pairs of the family
    that share at least one gene, each feature's smallest p first. ``effect`` is log2 of observed over expected overlap.

    Raises
    ------
    UserError
        No gene set of the sizes asked for is left after cutting to the background, or the protocol is unknown.
    """
    if protocol not in ("calibrated", "published"):
        msg = f"there is no annotation protocol {protocol!r}: choose `calibrated` or `published`."
        raise UserError(msg)
    problem = prepare(top_genes, gene_sets, background, min_size=min_size, max_size=max_size)
    return annotation_frame(problem, protocol)


def prepare(
    top_genes: Mapping[Any, Sequence[str]], gene_sets: GeneSets, background: Iterable[str], *, min_size: int,
    max_size: int,
) -> Problem:
    """Turn names into integers and cut the gene sets to the background (see `annotate`)."""
    index = {symbol: i for i, symbol in enumerate(sorted({gene.upper() for gene in background}))}
    source, term, rows, sizes = [], [], [], []
    for library, terms in _libraries(gene_sets).items():
        for name, genes in terms.items():
            members = {index[g] for g in map(str.upper, genes) if g in index}
            if min_size <= len(members) <= max_size:
                source.append(library)
                term.append(name)
                rows += sorted(members)
                sizes.append(len(members))
    if not term:
        msg = (
            f"no gene set has {min_size} to {max_size} genes among the {len(index)} background genes: "
            "check that both use gene symbols of the same species, or widen the sizes in `annotation`."
        )
        raise UserError(msg)
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    membership = sparse.csc_matrix((np.ones(len(rows), np.int32), rows, indptr), shape=(len(index), len(term))).tocsr()
    features, edges, symbols = list(top_genes), [], []
    for i, genes in enumerate(top_genes.values()):
        spelled = {gene.upper(): gene for gene in reversed(list(genes)) if gene.upper() in index}
        for upper in dict.fromkeys(gene.upper() for gene in genes if gene.upper() in spelled):
            edges.append((i, index[upper]))
            symbols.append(spelled[upper])
    pairs = np.array(edges, dtype=np.int64).reshape(-1, 2)
    return Problem(
        np.asarray(features), pairs[:, 0], pairs[:, 1], np.array(symbols, dtype=object),
        np.array(source, dtype=object), np.array(term, dtype=object), membership,
    )


def annotation_frame(problem: Problem, protocol: Protocol = "calibrated") -> pd.DataFrame:
    """The table of `annotate` for a prepared problem."""
    edge, term = _shared(problem)
    order = _stable_order(term, problem.feature[edge])
    edge = edge[order]
    key = problem.feature[edge] * len(problem.term) + term[order]
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]])) if len(key) else np.empty(0, np.int64)
    overlap = np.diff(np.append(starts, len(key)))
    kept = overlap >= (1 if protocol == "calibrated" else PUBLISHED_OVERLAP)
    starts, overlap = starts[kept], overlap[kept]
    feature, term = np.divmod(key[starts], len(problem.term))
    n_genes, size = problem.n_genes[feature], problem.term_size[term]
    p, level = tail_levels(problem.n_background, size, n_genes, overlap)
    n_tests = problem.n_tests if protocol == "calibrated" else None
    q = bh(p, n_tests, count=np.bincount(level, minlength=len(p)))
    genes = problem.symbol[edge[starts]]
    for further in range(1, int(overlap.max(initial=0))):
        longer = np.flatnonzero(overlap > further)
        genes[longer] += " " + problem.symbol[edge[starts[longer] + further]]
    rows = _stable_order(level, feature)
    feature, term, overlap, n_genes, size, level = (a[rows] for a in (feature, term, overlap, n_genes, size, level))
    return pd.DataFrame({
        "feature": problem.features[feature], "source": problem.source[term], "term": problem.term[term],
        "overlap": overlap, "n_genes": n_genes, "term_size": size, "genes": genes[rows],
        "effect": np.log2(overlap * problem.n_background / (n_genes * size)), "p": p[level], "q": q[level],
    }, copy=False)


def annotated(problem: Problem, gene: np.ndarray, q: float, protocol: Protocol = "calibrated") -> dict[str, int]:
    """How many features have a term with adjusted p below ``q`` if ``gene`` were the top genes: by library and ``""``.

    Gives the same as counting the table of that protocol, without making it.
    """
    edges = sparse.csr_matrix(
        (np.ones(len(gene), np.int32), (problem.feature, gene)), shape=(len(problem.features), problem.n_background)
    )
    pairs = (edges @ problem.membership).tocoo()
    if protocol == "published":
        shared = pairs.data >= PUBLISHED_OVERLAP
        pairs = sparse.coo_matrix((pairs.data[shared], (pairs.row[shared], pairs.col[shared])), shape=pairs.shape)
    n_tests = problem.n_tests if protocol == "calibrated" else None
    p, level = tail_levels(
        problem.n_background, problem.term_size[pairs.col], problem.n_genes[pairs.row], pairs.data
    )
    hits = np.flatnonzero((bh(p, n_tests, count=np.bincount(level, minlength=len(p))) < q)[level])
    counts = {"": len(np.unique(pairs.row[hits]))}
    for library in dict.fromkeys(problem.source):
        counts[library] = len(np.unique(pairs.row[hits][problem.source[pairs.col[hits]] == library]))
    return counts


def annotation_rates(
    problem: Problem, *, q: float, n_alive: int, permutations: int, rng: np.random.Generator,
    protocol: Protocol = "calibrated",
) -> pd.DataFrame:
    """Share of live features with a term, over all libraries and for each, beside its null (table ``rates``)."""
    observed = annotated(problem, problem.gene, q, protocol)
    null = [
        annotated(problem, shuffle_bipartite(problem.feature, problem.gene, rng), q, protocol)
        for _ in range(permutations)
    ]
    rows = []
    for library, count in observed.items():
        shares = np.array([counts[library] for counts in null]) / max(n_alive, 1)
        rows.append({
            "rate": f"annotated:{library}" if library else "annotated", "value": count / max(n_alive, 1),
            "n": n_alive, "unit": "feature", "null_mean": shares.mean(), "null_q95": np.quantile(shares, 0.95),
            "n_permutations": permutations, "protocol": protocol,
            "null": "top genes shuffled between features; keeps each gene's usage and each feature's number of genes",
        })
    return pd.DataFrame(rows)


def stored_annotations(frame: pd.DataFrame, q: float) -> pd.DataFrame:
    """The annotations below ``q`` and the `NEAREST` smallest p-values of each feature."""
    nearest = frame.groupby("feature", sort=False).cumcount() < NEAREST
    return frame[(frame["q"] < q) | nearest].reset_index(drop=True)


def labels(frame: pd.DataFrame, q: float) -> pd.DataFrame:
    """One name for each annotated feature: smallest q, then largest overlap, then smallest term (table ``labels``)."""
    hits = frame[frame["q"] < q]
    order = hits.sort_values(
        ["feature", "q", "overlap", "term_size", "source", "term"], ascending=[True, True, False, True, True, True]
    )
    first = order.drop_duplicates("feature")
    n_terms = hits.groupby("feature").size()
    return first.assign(n_terms=n_terms.reindex(first["feature"]).to_numpy())[
        ["feature", "source", "term", "q", "n_terms"]
    ].reset_index(drop=True)


def _libraries(gene_sets: GeneSets) -> Mapping[str, Mapping[str, Iterable[str]]]:
    if all(hasattr(value, "items") for value in gene_sets.values()):
        return gene_sets  # type: ignore[return-value]
    return {"gene sets": gene_sets}  # type: ignore[dict-item]


def _stable_order(minor: np.ndarray, major: np.ndarray) -> np.ndarray:
    """Like ``lexsort((minor, major))``, by radix sort where the non-negative integers fit 16 bits."""
    if len(minor) == 0:
        return np.empty(0, np.int64)
    order = np.argsort(minor.astype(np.min_scalar_type(minor.max())), kind="stable")
    major = major[order]
    return order[np.argsort(major.astype(np.min_scalar_type(major.max())), kind="stable")]


def _shared(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Every (edge, term) whose gene is in the term, edges ascending."""
    indptr = problem.membership.indptr
    n = np.diff(indptr)[problem.gene]
    edge = np.repeat(np.arange(len(problem.gene)), n)
    within = np.arange(len(edge)) - np.repeat(np.cumsum(n) - n, n)
    return edge, problem.membership.indices[indptr[problem.gene[edge]] + within].astype(np.int64)
