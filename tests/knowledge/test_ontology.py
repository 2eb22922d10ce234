from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cellprism.errors import UserError
from cellprism.knowledge.formats import read_libraries
from cellprism.knowledge.gaf import read_gaf
from cellprism.knowledge.go import ontology_sets
from cellprism.knowledge.ontology import read_obo

if TYPE_CHECKING:
    from pathlib import Path

OBO = """format-version: 1.2
data-version: releases/2024-01-17
default-namespace: gene_ontology

[Term]
id: GO:0000001
name: process
namespace: biological_process

[Term]
id: GO:0000002
name: repair
namespace: biological_process
alt_id: GO:0000092
is_a: GO:0000001 ! process

[Term]
id: GO:0000003
name: excision
namespace: biological_process
is_a: GO:0000002 {is_inferred="true"} ! repair

[Term]
id: GO:0000004
name: cutting
namespace: biological_process
relationship: part_of GO:0000003 ! excision
relationship: regulates GO:0000006 ! other

[Term]
id: GO:0000005
name: nuclease
namespace: molecular_function
relationship: part_of GO:0000003 ! excision

[Term]
id: GO:0000006
name: other
namespace: biological_process
is_a: GO:0000001

[Term]
id: GO:0000007
name: obsolete thing
namespace: biological_process
is_obsolete: true
replaced_by: GO:0000003

[Typedef]
id: part_of
name: part of
is_transitive: true
"""


def gaf(symbol: str, term: str, qualifier: str = "involved_in", evidence: str = "IDA") -> str:
    row = ["UniProtKB", "P1", symbol, qualifier, term, "PMID:1", evidence, "", "P", "", "", "protein", "taxon:9606"]
    return "\t".join([*row, "20240101", "GOA", "", ""])


ROWS = [
    gaf("CUT1", "GO:0000004"), gaf("Nuc1", "GO:0000005", "enables"), gaf("ALT1", "GO:0000092"),
    gaf("NOT1", "GO:0000003", "NOT|involved_in"), gaf("OLD1", "GO:0000007"), gaf("ROOT1", "GO:0000001", evidence="ND"),
    gaf("OTH1", "GO:0000006"), gaf("OTH1", "GO:0000006", evidence="IEA"),
]


def write(folder: Path, obo: str = OBO, rows: list[str] = ROWS) -> tuple[Path, Path]:
    folder.mkdir(exist_ok=True)
    (folder / "go.obo").write_text(obo)
    (folder / "goa.gaf").write_text("!gaf-version: 2.2\n!generated-by: GOC\n" + "\n".join(rows) + "\n")
    return folder / "go.obo", folder / "goa.gaf"


def test_genes_reach_every_term_above_within_a_namespace(tmp_path: Path) -> None:
    obo, annotations = write(tmp_path / "go")
    ontology, found = read_obo(obo), read_gaf(annotations)
    assert ontology.version == "releases/2024-01-17"
    assert ontology.obsolete == {"GO:0000007"}
    assert (found.negated, found.without_data, len(found.pairs)) == (1, 1, 5)
    sets = ontology_sets(ontology, found)
    assert sets.unknown == ("GO:0000007",)
    assert sets.libraries == {
        "biological_process": {
            "process (GO:0000001)": ("ALT1", "CUT1", "OTH1"), "repair (GO:0000002)": ("ALT1", "CUT1"),
            "excision (GO:0000003)": ("CUT1",), "cutting (GO:0000004)": ("CUT1",), "other (GO:0000006)": ("OTH1",),
        },
        "molecular_function": {"nuclease (GO:0000005)": ("NUC1",)},
    }
    assert set(read_libraries(tmp_path / "go")) == {"go: biological_process", "go: molecular_function"}


def test_a_deep_ontology_needs_no_recursion(tmp_path: Path) -> None:
    depth = 3000
    stanzas = ["format-version: 1.2\n"]
    for i in range(depth):
        above = f"is_a: X:{i + 1}\n" if i + 1 < depth else ""
        stanzas.append(f"[Term]\nid: X:{i}\nname: t{i}\nnamespace: n\n{above}")
    obo, _ = write(tmp_path / "x", obo="\n".join(stanzas))
    assert len(read_obo(obo).ancestors["X:0"]) == depth


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("is_a: GO:0000001 ! process", "is_a: GO:0000099", r"go.obo, line 15, puts GO:0000002 below GO:0000099"),
        ("is_a: GO:0000001 ! process", "is_a: GO:0000007", "which is absent or obsolete"),
        ("is_a: GO:0000001 ! process", "is_a: GO:0000004", "has a cycle through or above GO:0000002"),
        ("id: GO:0000006", "id: GO:0000005", "repeats the term GO:0000005"),
        ("name: other\n", "", "line 36, starts a term without id or name"),
        ("[Term]", "[Instance]", r"holds no \[Term\]"),
    ],
)
def test_malformed_ontologies(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert old in OBO
    obo, _ = write(tmp_path / "go", obo=OBO.replace(old, new))
    with pytest.raises(UserError, match=sentence):
        read_obo(obo)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("UniProtKB\tP1\tCUT1", "goa.gaf, line 3, has 3 tab-separated fields and needs 15"),
        (gaf("", "GO:0000004"), "goa.gaf, line 3, lacks the symbol"),
        (gaf("CUT1", "cutting"), "goa.gaf, line 3, lacks the symbol, the term"),
        ("", "holds no annotations"),
    ],
)
def test_malformed_annotations(tmp_path: Path, row: str, sentence: str) -> None:
    _, annotations = write(tmp_path / "go", rows=[row])
    with pytest.raises(UserError, match=sentence):
        read_gaf(annotations)
