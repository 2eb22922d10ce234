from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import false_discovery_control, hypergeom

from cellprism.errors import UserError
from cellprism.features.annotate import (
    annotate,
    annotated,
    annotation_frame,
    annotation_rates,
    labels,
    prepare,
    stored_annotations,
)
from cellprism.knowledge.gene_sets import read_gmt

Lists = dict[int, list[str]]
Sets = dict[str, list[str]]
GENES = [f"G{i}" for i in range(1500)]
SHARED = Path(os.environ.get("CELLPRISM_SHARED", "../shared"))


def random_lists(rng: np.random.Generator, n: int, size: int) -> Lists:
    return {i: rng.choice(GENES, size, replace=False).tolist() for i in range(n)}


def random_sets(rng: np.random.Generator, n: int) -> Sets:
    return {f"T{i:03d}": rng.choice(GENES, rng.integers(5, 150), replace=False).tolist() for i in range(n)}


def test_equals_the_slow_definition() -> None:
    rng = np.random.default_rng(0)
    lists, sets = random_lists(rng, 12, 15), random_sets(rng, 30)
    table = annotate(lists, {"A": sets, "B": {"one": GENES[:50]}}, background=GENES)
    every = []
    for source, terms in (("A", sets), ("B", {"one": GENES[:50]})):
        for term, members in terms.items():
            for feature, genes in lists.items():
                overlap = [g for g in genes if g in set(members)]
                p = hypergeom.sf(len(overlap) - 1, len(GENES), len(members), len(genes))
                every.append((feature, source, term, " ".join(overlap), len(members), p if overlap else 1.0))
    q = false_discovery_control([row[-1] for row in every])
    expected = {row[:3]: (*row[3:], q_) for row, q_ in zip(every, q, strict=True) if row[3]}
    assert len(table) == len(expected)
    for row in table.itertuples():
        genes, size, p, q_ = expected[row.feature, row.source, row.term]
        assert (row.genes, row.term_size, row.overlap, row.n_genes) == (genes, size, len(genes.split()), 15)
        assert np.isclose(row.p, p)
        assert np.isclose(row.q, q_)
        assert np.isclose(row.effect, np.log2(row.overlap / (15 * size / len(GENES))))
    assert table.groupby("feature")["p"].is_monotonic_increasing.all()


def test_p_values_equal_those_of_gseapy_and_goatools() -> None:
    """``data/enrichment_by_others.json`` holds random lists and sets with the p-values that both gave for them."""
    theirs = json.loads((Path(__file__).parent / "data" / "enrichment_by_others.json").read_text())
    table = annotate(theirs["lists"], theirs["sets"], background=theirs["background"])
    ours = table.set_index(["feature", "term"])["p"]
    for name in ("gseapy", "goatools"):
        expected = {(f, term): p for f, terms in theirs["p"][name].items() for term, p in terms.items()}
        assert expected.keys() == set(ours.index)
        assert all(np.isclose(ours[pair], p, rtol=1e-9, atol=0) for pair, p in expected.items()), name


def test_terms_are_cut_to_the_background_before_they_are_sized() -> None:
    sets = {"mostly elsewhere": [*GENES[:4], *(f"X{i}" for i in range(50))], "large": GENES[:60], "fits": GENES[:20]}
    table = annotate({0: GENES[:5]}, sets, background=GENES, max_size=50)
    assert table["term"].tolist() == ["fits"]
    assert table["source"].tolist() == ["gene sets"]


def test_symbols_match_whatever_their_case_and_keep_their_spelling() -> None:
    table = annotate({"f": ["c1orf43", "Actb", "Actb", "unknown"]}, {"t": ["C1ORF43", "ACTB"]},
                     background=["C1orf43", "ACTB", "B2M"], min_size=2)
    assert table.loc[0, "genes"] == "c1orf43 Actb"
    assert table.loc[0, "n_genes"] == 2


def test_finds_planted_terms_among_noise_and_little_else() -> None:
    rng = np.random.default_rng(1)
    sets, lists = random_sets(rng, 200), random_lists(rng, 200, 20)
    for i in range(100):
        noise = [g for g in lists[i] if g not in sets[f"T{i:03d}"]]
        lists[i] = [*sets[f"T{i:03d}"][:10], *noise][:20]
    table = annotate(lists, sets, background=GENES)
    hits = table[table["q"] < 0.05]
    planted = {i for i in range(100) if len(sets[f"T{i:03d}"]) >= 10}
    found = {int(r.feature) for r in hits.itertuples() if r.term == f"T{r.feature:03d}"}
    assert len(found & planted) / len(planted) > 0.9
    false = [r for r in hits.itertuples() if r.feature >= 100 or r.term != f"T{r.feature:03d}"]
    assert len(false) / len(hits) < 0.05
    named = labels(table, 0.05).set_index("feature")["term"]
    assert np.mean([named.get(i) == f"T{i:03d}" for i in planted]) > 0.9


def test_random_lists_are_annotated_by_the_published_family_and_not_by_ours() -> None:
    rng = np.random.default_rng(2)
    sets, lists = random_sets(rng, 300), random_lists(rng, 200, 20)
    calibrated = annotate(lists, sets, background=GENES)
    published = annotate(lists, sets, background=GENES, protocol="published")
    assert calibrated.loc[calibrated["q"] < 0.05, "feature"].nunique() / 200 <= 0.05
    assert published["overlap"].min() == 2
    assert (published["q"].to_numpy() <= calibrated.loc[calibrated["overlap"] >= 2, "q"].to_numpy() + 1e-12).all()
    assert np.allclose(published["q"], false_discovery_control(published["p"]))


def test_counting_equals_the_table() -> None:
    rng = np.random.default_rng(3)
    sets, lists = random_sets(rng, 40), random_lists(rng, 30, 20)
    for i in range(15):
        lists[i][:5] = sets[f"T{i:03d}"][:5]
    lists = {i: list(dict.fromkeys(genes)) for i, genes in lists.items()}
    problem = prepare(lists, {"A": sets, "B": random_sets(rng, 5)}, GENES, min_size=5, max_size=500)
    for protocol in ("calibrated", "published"):
        hits = annotation_frame(problem, protocol).query("q < 0.2")
        counts = annotated(problem, problem.gene, 0.2, protocol)
        assert counts[""] == hits["feature"].nunique() > 5
        assert all(counts[s] == hits.loc[hits["source"] == s, "feature"].nunique() for s in ("A", "B"))


def test_random_genes_have_the_published_rate_too() -> None:
    """Its null is as high as its rate: what is called annotated is called so of anything."""
    rng = np.random.default_rng(6)
    many = [f"G{i}" for i in range(4000)]
    lists, sets = (
        {str(i): rng.choice(many, size, replace=False).tolist() for i, size in enumerate(sizes)}
        for sizes in ([20] * 100, rng.integers(10, 40, 400))
    )
    problem = prepare(lists, {"A": sets}, many, min_size=5, max_size=500)
    rate = annotation_rates(problem, q=0.05, n_alive=100, permutations=4, rng=rng, protocol="published").iloc[0]
    assert rate["protocol"] == "published"
    assert rate["null_mean"] > 0.3
    assert abs(rate["value"] - rate["null_mean"]) < 0.2


def test_rates_stand_beside_their_null() -> None:
    rng = np.random.default_rng(4)
    sets, lists = random_sets(rng, 60), random_lists(rng, 60, 20)
    for i in range(30):
        lists[i] = list(dict.fromkeys([*sets[f"T{i:03d}"][:10], *lists[i]]))[:20]
    problem = prepare(lists, {"A": sets}, GENES, min_size=5, max_size=500)
    rates = annotation_rates(problem, q=0.05, n_alive=100, permutations=10, rng=rng).set_index("rate")
    assert rates.index.tolist() == ["annotated", "annotated:A"]
    assert 0.25 < rates.loc["annotated", "value"] < 0.35
    assert rates.loc["annotated", "null_mean"] <= rates.loc["annotated", "null_q95"] < 0.03
    assert (rates[["n", "n_permutations"]] == [100, 10]).all(axis=None)


def test_what_is_stored_shows_the_hits_and_the_nearest_misses() -> None:
    rng = np.random.default_rng(5)
    sets = {term: genes[:12] for term, genes in random_sets(rng, 80).items()}
    lists = {0: list(dict.fromkeys(g for i in range(8) for g in sets[f"T{i:03d}"][:8])), 1: GENES[:20]}
    table = annotate(lists, sets, background=GENES)
    stored = stored_annotations(table, 0.05)
    hits = (table["q"] < 0.05).groupby(table["feature"]).sum()
    assert hits[0] > 5
    assert stored.groupby("feature").size().to_dict() == {0: hits[0], 1: 5}


def test_a_label_is_the_smallest_q_then_the_largest_overlap_then_the_smallest_term() -> None:
    table = annotate({7: GENES[:10]}, {"b": GENES[:10], "a": GENES[:10], "wide": GENES[:11]}, background=GENES)
    table["q"] = 0.01
    found = labels(table, 0.05)
    assert found[["feature", "term", "n_terms"]].to_numpy().tolist() == [[7, "a", 3]]
    assert labels(table, 0.001).empty


def test_a_protocol_that_does_not_exist_is_named() -> None:
    with pytest.raises(UserError, match="'fast'"):
        annotate({0: GENES[:5]}, {"t": GENES[:9]}, background=GENES, protocol="fast")  # type: ignore[arg-type]


def test_gene_sets_of_another_species_are_refused() -> None:
    with pytest.raises(UserError, match="no gene set has 5 to 500 genes among the 1500"):
        annotate({0: GENES[:5]}, {"t": ["Z1", "Z2"]}, background=GENES)


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="needs the files beside the repository (CELLPRISM_SHARED)")
def test_the_anchor_of_the_published_layer_5() -> None:
    atlas = json.loads((SHARED / "data/published-geneformer-atlas/layer_05_annotations.json").read_text())
    lists = {feature: [gene["n"] for gene in entry["genes"]] for feature, entry in atlas.items()}
    names = ("GO_Biological_Process_2021", "KEGG_2021_Human", "Reactome_2024-04")
    sets = {name: read_gmt(SHARED / f"data/genesets/{name}.gmt") for name in names}
    background = {gene for genes in lists.values() for gene in genes}
    calibrated = annotate(lists, sets, background=background)
    hits = calibrated[calibrated["q"] < 0.05]
    assert (hits["feature"].nunique(), len(hits)) == (38, 271)
    published = annotate(lists, sets, background=background, protocol="published")
    assert len(published) == 114_126
    hits = published[published["q"] < 0.05]
    assert (hits["feature"].nunique(), len(hits)) == (2325, 39_554)
    problem = prepare(lists, sets, background, min_size=5, max_size=500)
    assert (len(lists), problem.n_background, len(problem.term)) == (2383, 6197, 4798)
    rng = np.random.default_rng(0)
    rates = annotation_rates(problem, q=0.05, n_alive=2383, permutations=2, rng=rng)
    assert rates.loc[0, "null_q95"] < 0.002
    drawn = {i: rng.choice(sorted(background), 20, replace=False).tolist() for i in range(len(lists))}
    problem = prepare(drawn, sets, background, min_size=5, max_size=500)
    assert annotated(problem, problem.gene, 0.05)[""] == 0
    assert abs(annotated(problem, problem.gene, 0.05, "published")[""] / len(drawn) - 0.923) < 0.03
