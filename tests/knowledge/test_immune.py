"""The shipped gene sets: form, sources, and facts that no immunologist would dispute."""

from __future__ import annotations

import re

import pytest

from cellprism.knowledge.gene_sets import gene_set_paths, load_gene_sets

SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9-]*[A-Z0-9]")
SOURCE = re.compile(r"HGNC gene group|textbook|[A-Z][a-z]+ (19|20)\d\d [A-Z]")


def test_sizes_and_symbols() -> None:
    terms = load_gene_sets(["immune"])["immune"]
    assert len(terms) >= 60
    assert {name: len(genes) for name, genes in terms.items() if not 6 <= len(genes) <= 80} == {}
    assert [gene for genes in terms.values() for gene in genes if not SYMBOL.fullmatch(gene)] == []


def test_every_set_names_its_source() -> None:
    lines = gene_set_paths(["immune"])[0].read_text(encoding="utf-8").splitlines()
    assert [line.split("\t")[0] for line in lines if not SOURCE.search(line.split("\t")[1])] == []


def test_file_is_clean() -> None:
    """Nothing in the file had to be cleaned by the reader."""
    terms = load_gene_sets(["immune"])["immune"]
    lines = gene_set_paths(["immune"])[0].read_text(encoding="utf-8").splitlines()
    assert [tuple(line.split("\t")[2:]) for line in lines] == list(terms.values())


def test_no_two_sets_are_the_same() -> None:
    terms = load_gene_sets(["immune"])["immune"]
    assert len({frozenset(genes) for genes in terms.values()}) == len(terms)


@pytest.mark.parametrize(
    ("term", "inside", "outside"),
    [
        ("Cell type: B cell", {"CD19", "MS4A1", "CD79A"}, {"CD3E", "CD14", "NKG7"}),
        ("Cell type: Regulatory T cell", {"FOXP3", "IL2RA", "CTLA4"}, {"CD19", "CD14", "GNLY"}),
        ("Cell type: CD16 non-classical monocyte", {"FCGR3A", "MS4A7"}, {"CD3D", "MS4A1"}),
        ("Program: Haemoglobin and haem synthesis", {"HBA1", "HBB", "ALAS2"}, {"ALB"}),
        ("TF targets: RFX5 and CIITA", {"HLA-DRA", "CD74"}, {"CD3E"}),
    ],
)
def test_anchors(term: str, inside: set[str], outside: set[str]) -> None:
    genes = set(load_gene_sets(["immune"])["immune"][term])
    assert inside <= genes
    assert not outside & genes
