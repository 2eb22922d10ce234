"""Patching in a world of known wiring: 20 features, each with 3 genes it fires on and 4 genes of its term.

Residual: `K` dimensions in which the genes of a feature lie, and `K` that the second block fills, at every position,
with the cell's mean of the first. Feature ``k`` is the axis ``k``. What the readout makes of the cell's mean is the
wiring: the genes of the term, or random numbers that have nothing to do with terms.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch
from tests.handmade import Handmade

from cellprism.causal.masking import MASKED_SHARE
from cellprism.causal.matching import MatchedGenes, expression_level, hidden_activation, match_genes
from cellprism.causal.patching import (
    Source,
    compare,
    measure,
    measure_published,
    plan_rows,
    usable_cells,
)
from cellprism.causal.setting import Site
from cellprism.cells.tokens import TokenizedCells
from cellprism.sae.topk import SparseAutoencoder
from cellprism.stats.fdr import bh

if TYPE_CHECKING:
    from tests.causal.conftest import World

K, TOP, HELD_OUT, OTHERS, CELLS = 20, 3, 4, 160, 30
GENES = K * (TOP + HELD_OUT) + OTHERS


def top_genes(k: int) -> np.ndarray:
    return np.arange(k * TOP, (k + 1) * TOP)


def term_genes(k: int) -> np.ndarray:
    return K * TOP + np.arange(k * HELD_OUT, (k + 1) * HELD_OUT)


class Wired(Handmade):
    """Genes write into their features' axes, faintly into two others; the second block spreads the cell's mean."""

    n_layers, d_model, max_length = 3, 2 * K, 500

    def __init__(self, *, carries: bool) -> None:
        rng = np.random.default_rng(0)
        self.vocabulary = {"<pad>": 0, "<mask>": 1, **{f"g{i}": i + 2 for i in range(GENES)}}
        written = np.zeros((GENES + 2, 2 * K), np.float32)
        for gene in range(GENES):
            written[gene + 2, rng.choice(K, 2, replace=False)] = 0.3
        read = np.zeros((2 * K, GENES + 2), np.float32)
        for k in range(K):
            written[top_genes(k) + 2] = 0
            written[top_genes(k) + 2, k] = 3
            if carries:
                read[K + k, term_genes(k) + 2] = 4
        if not carries:
            read[K:] = 4 * rng.standard_normal(read[K:].shape)
        read[:K] = written[:, :K].T  # a gene that is not hidden says itself
        self.written, self.read = torch.from_numpy(written), torch.from_numpy(read)

    def embed(self, batch):
        return self.written[batch.tokens]

    def block(self, layer, h, batch):
        if layer != 1:
            return h
        mean = (h[..., :K] * batch.gene[:, :, None]).sum(dim=1) / batch.gene.sum(dim=1, keepdim=True)
        return torch.cat([h[..., :K], mean[:, None].expand_as(h[..., :K])], dim=-1)

    def readout(self, h, batch):
        return h @ self.read


@pytest.fixture(scope="module")
def tokens() -> TokenizedCells:
    rng = np.random.default_rng(1)
    cells = [rng.permutation(np.flatnonzero(rng.random(GENES) < 0.5)) for _ in range(CELLS)]
    genes = pd.DataFrame({"token": np.arange(GENES) + 2})
    offsets = np.concatenate([[0], np.cumsum([len(cell) for cell in cells])])
    return TokenizedCells(np.concatenate(cells).astype(np.int32), offsets, genes, pd.DataFrame(index=range(CELLS)))


def site(tokens: TokenizedCells, *, carries: bool) -> Site:
    sae = SparseAutoencoder(2 * K, K, 4)
    with torch.no_grad():
        sae.W_enc[:, :K] = torch.eye(K)
        sae.W_dec[:, :K] = torch.eye(K)
    return Site(Wired(carries=carries), tokens, 0, sae, 4096)


def source(k: int) -> Source:
    direction = torch.randn(2 * K, generator=torch.Generator().manual_seed(k))
    direction[K:] = 0
    return Source(k, torch.nn.functional.normalize(direction, dim=0))


def matched_genes(k: int) -> MatchedGenes:
    """Four controls for each held-out gene, every feature its own draw."""
    controls = np.random.default_rng(k).permutation(np.arange(GENES - OTHERS, GENES))[: 4 * HELD_OUT]
    groups = np.concatenate([term_genes(k)[:, None], controls.reshape(HELD_OUT, 4)], axis=1)
    return MatchedGenes(groups.ravel(), np.repeat(np.arange(HELD_OUT), 5))


def results(where: Site) -> pd.DataFrame:
    rows = []
    for k in range(K):
        matched, cells, rng = matched_genes(k), np.arange(CELLS), np.random.default_rng(k)
        plan = plan_rows(where.tokens, cells, matched, rng)
        changes = measure(
            where, source(k), plan, cells=cells, n_members=len(matched.gene), advance=lambda _n: None,
        )
        row, _ = compare(changes, matched, rng, permutations=999)
        published = measure_published(where, source(k), cells, top_genes=top_genes(k), advance=lambda _n: None)
        rows.append({**row, **published})
    return pd.DataFrame(rows)


def test_features_that_carry_their_term_are_found(tokens: TokenizedCells) -> None:
    found = results(site(tokens, carries=True))
    assert (bh(found["p"].to_numpy()) < 0.05).mean() >= 0.9
    assert (found["effect"] < 0).all()
    assert (found["high"] < 0).mean() >= 0.9
    assert (found["logit"] < 0).all()
    assert (found["effect"].abs() > 3 * found["random"].abs()).mean() >= 0.8


def test_features_that_carry_nothing_are_not_but_the_published_ratio_calls_them_specific(
    tokens: TokenizedCells,
) -> None:
    found = results(site(tokens, carries=False))
    # 20 tests at 5 %: more than 4 have a probability of 0.003
    assert (found["p"] <= 0.05).sum() <= 4
    assert not (bh(found["p"].to_numpy()) < 0.05).any()
    assert 0.3 <= found["p"].mean() <= 0.7
    assert (found["published_ratio"] > 2).all()
    # over cells alone the same features would look like a finding: the cells agree on which genes happen to change
    assert ((found["low"] > 0) | (found["high"] < 0)).mean() >= 0.3


def test_changes_equal_a_slow_loop(tokens: TokenizedCells) -> None:
    where = site(tokens, carries=True)
    model, matched, cells = where.model, matched_genes(3), np.array([2, 9, 11])
    plan = plan_rows(tokens, cells, matched, np.random.default_rng(0))
    found = measure(where, source(3), plan, cells=cells, n_members=len(matched.gene), advance=lambda _n: None)
    for row in plan:
        batch = model.pad(tokens, np.array([row.cell]))
        hidden = batch.tokens.clone()
        hidden[0, row.place] = model.vocabulary["<mask>"]
        seen = replace(batch, tokens=hidden)
        h = model.embed(seen)
        edited = h.clone()
        edited[..., 3] = 0
        scores = []
        for state in (h, edited):
            out = model.block(1, state, seen)
            logits = torch.log_softmax(model.readout(out, seen), dim=-1)[0]
            scores.append(logits[row.place, batch.tokens[0, row.place]])
        line = cells.tolist().index(row.cell)
        np.testing.assert_allclose(found.score[line, row.member], (scores[1] - scores[0]).numpy(), atol=1e-5)
        np.testing.assert_allclose(found.activation[line, row.member], 0)
    asked = {(row.cell, member) for row in plan for member in row.member.tolist()}
    assert len(asked) == np.isfinite(found.score).sum()


def test_rows_hide_whole_groups_and_a_small_share(tokens: TokenizedCells) -> None:
    matched = match_genes(
        np.arange(60, 100), np.arange(GENES - OTHERS, GENES), np.random.default_rng(0).random((GENES, 3)), controls=3,
    )
    plan = plan_rows(tokens, np.arange(CELLS), matched, np.random.default_rng(0))
    for cell in range(CELLS):
        own = tokens.gene[tokens.offsets[cell] : tokens.offsets[cell + 1]]
        rows = [row for row in plan if row.cell == cell]
        assert len(rows) > 1
        for row in rows:
            assert (own[row.place] == matched.gene[row.member]).all()
            assert len(row.place) <= MASKED_SHARE * len(own)
        groups = [set(matched.group[row.member].tolist()) for row in rows]
        assert sum(map(len, groups)) == len(set.union(*groups))
        there = np.isin(matched.gene, own)
        usable = [g for g in range(40) if there[matched.group == g].sum() >= 2]
        assert set.union(*groups) == set(usable)


def test_cells_are_usable_if_they_read_a_held_out_gene_and_one_of_its_controls() -> None:
    matched = MatchedGenes(np.array([4, 7, 9, 2, 3]), np.array([0, 0, 0, 1, 1]))
    cells = [[7, 9, 1], [4, 2], [4, 9], [2, 3, 4], [4, 3, 7], [1]]
    genes = pd.DataFrame({"token": np.arange(10)})
    offsets = np.concatenate([[0], np.cumsum([len(cell) for cell in cells])])
    small = TokenizedCells(np.concatenate(cells).astype(np.int32), offsets, genes, pd.DataFrame(index=range(6)))
    assert usable_cells(small, np.arange(6), matched, most=10).tolist() == [2, 3, 4]
    assert usable_cells(small, np.array([5, 4, 0, 2, 3]), matched, most=2).tolist() == [2, 4]


def test_controls_are_the_nearest_and_none_serves_twice() -> None:
    covariates = np.array([[0.0], [10.0], [0.1], [0.2], [9.0], [5.0], [30.0]])
    matched = match_genes(np.array([0, 1]), np.array([2, 3, 4, 5, 6]), covariates, controls=2)
    assert matched.gene.tolist() == [0, 2, 3, 1, 4, 5]
    assert matched.group.tolist() == [0, 0, 0, 1, 1, 1]
    assert matched.held_out.tolist() == [0, 3]
    assert match_genes(np.array([0, 1]), np.array([2]), covariates, controls=2).gene.tolist() in ([0, 2], [1, 2])


def test_matching_makes_controls_like_the_held_out_genes() -> None:
    rng = np.random.default_rng(0)
    covariates = rng.standard_normal((600, 3))
    held_out = np.argsort(-covariates[:, 0])[:20]  # strongly expressed genes
    pool = np.setdiff1d(np.arange(600), held_out)
    matched = match_genes(held_out, pool, covariates, controls=5)
    control = np.delete(matched.gene, matched.held_out)
    gap = covariates[held_out].mean(axis=0) - covariates[control].mean(axis=0)
    before = covariates[held_out].mean(axis=0) - covariates[pool].mean(axis=0)
    assert abs(gap[0]) < 0.5 * abs(before[0])
    assert len(np.unique(control)) == 100


def test_every_gene_is_hidden_once(tokens: TokenizedCells) -> None:
    """Hidden genes write nothing here, so that a feature which fires on everything else shows what was hidden."""
    where = site(tokens, carries=True)
    with torch.no_grad():
        where.sae.b_enc[7] = 1.0
    cells = np.arange(0, CELLS, 2)
    done: list[int] = []
    found = hidden_activation(where, cells, np.array([7, 3]), rng=np.random.default_rng(0), advance=done.append)
    seen = np.isin(np.arange(GENES), tokens.gene[np.isin(tokens.cell, cells)])
    np.testing.assert_allclose(found[seen, 0], 1.0)
    assert not found[:, 1].any()
    assert sum(done) == 7 * len(cells)


def test_expression_is_rank_or_value(tokens: TokenizedCells) -> None:
    small = TokenizedCells(
        np.array([2, 0, 1, 1, 2], np.int32), np.array([0, 3, 5]), pd.DataFrame({"token": [2, 3, 4]}),
        pd.DataFrame(index=range(2)),
    )
    level, share = expression_level(small)
    np.testing.assert_allclose(level, [0.5, 0.5, 0.5])
    np.testing.assert_allclose(share, [0.5, 1.0, 1.0])
    level, _ = expression_level(replace(small, value=np.array([9, 1, 2, 4, 5], np.float32)))
    np.testing.assert_allclose(level, [1, 3, 7])


def test_rows_together_equal_rows_one_by_one_in_a_real_model(world: World) -> None:
    often = np.argsort(-np.bincount(world.tokens.gene))[:60]
    covariates = np.random.default_rng(0).random((len(world.tokens.genes), 2))
    matched = match_genes(often[:10], often[10:], covariates, controls=4)
    cells = np.array([1, 4, 6])
    plan = plan_rows(world.tokens, cells, matched, np.random.default_rng(0))
    direction = torch.nn.functional.normalize(torch.randn(world.model.d_model), dim=0)
    found = []
    for token_budget in (1, 5000):
        where = Site(world.model, world.tokens, 1, world.saes[1], token_budget)
        changes = measure(
            where, Source(7, direction), plan, cells=cells, n_members=len(matched.gene), advance=lambda _n: None,
        )
        published = measure_published(
            where, Source(7, direction), cells, top_genes=often[:20], advance=lambda _n: None,
        )
        found.append((changes, published))
    (alone, first), (together, second) = found
    for name in ("score", "raw", "random", "activation"):
        np.testing.assert_allclose(getattr(alone, name), getattr(together, name), atol=5e-5)
    assert np.nanmax(np.abs(alone.score)) > 1e-3
    np.testing.assert_allclose(list(first.values()), list(second.values()), rtol=1e-3)
