"""Real terms planted in lists of genes: how often each method finds them, and what it finds where nothing is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cellprism.features.annotate import annotate, annotation_rates, prepare
from cellprism.features.density import density_table, null_tails
from cellprism.features.density import prepare as prepare_density
from cellprism.knowledge.formats import read_network
from cellprism.knowledge.gene_sets import load_gene_sets

if TYPE_CHECKING:
    from pathlib import Path

SIZE, EACH = 20, 100


def test_power_against_overlap_and_no_false_positives(shared: Path) -> None:
    rng = np.random.default_rng(0)
    files = ["genesets/KEGG_2021_Human.gmt", "networks/trrust_rawdata.human.tsv"]
    sets = load_gene_sets([str(shared / "data" / file) for file in files])
    background = sorted({gene for terms in sets.values() for genes in terms.values() for gene in genes})
    terms = [genes for library in sets.values() for genes in library.values() if 20 <= len(genes) <= 200]
    lists: dict[int, list[str]] = {}
    planted = np.repeat([0, 3, 5, 10], EACH)
    for i, n in enumerate(planted):
        term = terms[rng.integers(len(terms))]
        lists[i] = list(dict.fromkeys([*rng.choice(term, n, False), *rng.choice(background, SIZE + n, False)]))[:SIZE]
    table = annotate(lists, sets, background=background)
    hit = np.isin(np.arange(len(planted)), table[table["q"] < 0.05]["feature"])
    power = {n: hit[planted == n].mean() for n in (0, 3, 5, 10)}
    print("annotated, by genes planted among 20:", {int(n): float(share) for n, share in power.items()})
    assert power[0] <= 0.05
    assert power[3] <= power[5] <= power[10]
    assert power[10] > 0.95
    problem = prepare(lists, sets, background, min_size=5, max_size=500)
    rate = annotation_rates(problem, q=0.05, n_alive=len(lists), permutations=5, rng=rng).iloc[0]
    assert rate["null_q95"] <= 0.05 < rate["value"]


def test_links_are_found_among_real_pathways_and_not_among_random_hubs(shared: Path) -> None:
    rng = np.random.default_rng(1)
    network = read_network(shared / "data/networks/string_human_highconf_edges.tsv.gz", least_score=700)
    degree = np.bincount(network.edges.ravel()).astype(float)
    pathways = list(load_gene_sets([str(shared / "data/genesets/KEGG_2021_Human.gmt")])["KEGG_2021_Human"].values())
    pathways = [sorted(set(genes) & set(network.genes)) for genes in pathways]
    pathways = [genes for genes in pathways if len(genes) >= SIZE]
    chosen = [pathways[i] for i in rng.integers(len(pathways), size=50)]
    lists = {i: list(rng.choice(genes, SIZE, False)) for i, genes in enumerate(chosen)}
    hubs = degree / degree.sum()
    lists |= {i: list(rng.choice(network.genes, SIZE, False, p=hubs)) for i in range(50, 500)}
    problem = prepare_density(lists, network.genes, network.edges, network.genes)
    table = density_table(problem, null_tails(problem, rng, 20)).set_index("feature")
    assert (table.loc[:49, "q"] < 0.05).mean() > 0.6
    assert (table.loc[50:, "q"] < 0.05).mean() < 0.01
