"""Readers on the real files beside the repository, and on small files in the true formats."""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cellprism.errors import UserError
from cellprism.knowledge.formats import kind_of, read_libraries, read_network
from cellprism.knowledge.gmt import read_gmt
from cellprism.knowledge.kegg import kegg_sets
from cellprism.knowledge.markers import cellmarker_sets, panglao_sets, read_cellmarker, read_panglao
from cellprism.knowledge.network import read_edges, read_string
from cellprism.knowledge.regulons import read_regulons, read_trrust, target_sets

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def test_trrust(shared: Path) -> None:
    path = shared / "data/networks/trrust_rawdata.human.tsv"
    edges = read_trrust(path)
    assert (len(edges), edges["source"].nunique(), edges["target"].nunique()) == (9396, 795, 2492)
    assert edges["weight"].value_counts().to_dict() == {0.0: 4325, 1.0: 3149, -1.0: 1922}
    sets = target_sets(edges)
    assert len(sets) == 795
    assert sum(map(len, sets.values())) == len(edges.drop_duplicates(["source", "target"]))
    assert {"BAX", "CDKN1A"} <= set(sets["AATF targets"])
    assert (kind_of(path), list(read_libraries(path))) == ("trrust", ["trrust_rawdata.human"])


def test_collectri(shared: Path) -> None:
    path = shared / "data/networks/collectri.csv"
    edges = read_regulons(path)
    assert (len(edges), edges["source"].nunique()) == (43_178, 1186)
    assert (edges["weight"] < 0).sum() == 5818
    assert kind_of(path) == "regulons"
    assert "TERT" in read_libraries(path)["collectri"]["MYC targets"]


def test_panglao(shared: Path) -> None:
    path = shared / "data/markers/PanglaoDB_markers_27_Mar_2020.tsv"
    markers = read_panglao(path)
    assert (len(markers), markers["cell_type"].nunique()) == (8286, 178)
    sets = panglao_sets(markers)
    assert "MS4A1" in sets["B cells"]
    assert "GM9895" not in sets["Basophils"]
    assert read_libraries(path) == {"PanglaoDB_markers_27_Mar_2020": sets}


def test_string_edges(shared: Path) -> None:
    path = shared / "data/networks/string_human_highconf_edges.tsv.gz"
    network = read_edges(path)
    assert (len(network.edges), len(np.unique(network.edges[:, 0])), len(network.genes)) == (156_186, 11_685, 14_115)
    assert (network.edges[:, 0] < network.edges[:, 1]).all()
    assert len(read_network(path, least_score=0).genes) == 14_115


@pytest.mark.parametrize(
    ("name", "terms", "genes"),
    [("GO_Biological_Process_2021", 6036, 14_937), ("KEGG_2021_Human", 320, 8078), ("Reactome_2024-04", 2681, 11_607)],
)
def test_gene_set_files(shared: Path, name: str, terms: int, genes: int) -> None:
    sets = read_gmt(shared / f"data/genesets/{name}.gmt")
    assert (len(sets), len({gene for members in sets.values() for gene in members})) == (terms, genes)


def test_reactome_terms_are_named_and_unique(tmp_path: Path) -> None:
    text = "R-HSA-1\tSame name\tA\nSame name\tR-HSA-2\tB\nOther R-HSA-3\t\tC\n"
    assert list(read_gmt(write(tmp_path, "r.gmt", text))) == [
        "Same name (R-HSA-1)", "Same name (R-HSA-2)", "Other R-HSA-3",
    ]


LINKS = "protein1 protein2 combined_score\n9606.P1 9606.P2 900\n9606.P2 9606.P1 900\n9606.P1 9606.P3 400\n"
INFO = "#string_protein_id\tpreferred_name\tprotein_size\tannotation\n9606.P1\tTP53\t1\tx\n9606.P2\tMdm2\t1\tx\n"


def test_string_is_cut_by_score(tmp_path: Path) -> None:
    links = write(tmp_path, "9606.protein.links.v12.0.txt.gz", LINKS)
    info = write(tmp_path, "9606.protein.info.v12.0.txt.gz", INFO + "9606.P3\tATM\t1\tx\n")
    network = read_string(links, info, least_score=700)
    assert network.genes.tolist() == ["MDM2", "TP53"]
    assert network.edges.tolist() == [[0, 1]]
    assert read_network(tmp_path, least_score=400).edges.tolist() == [[0, 2], [1, 2]]
    assert read_network(tmp_path, least_score=400).genes.tolist() == ["ATM", "MDM2", "TP53"]
    with pytest.raises(UserError, match="no edge of a combined score of 950"):
        read_string(links, info, least_score=950)


@pytest.mark.parametrize(
    ("links", "info", "sentence"),
    [
        (LINKS, INFO, "links, line 4, has a protein that .*info does not name"),
        (LINKS.replace("900", "high", 1), INFO, "links, line 2, has no number"),
        (LINKS.replace("combined_score", "textmining"), INFO, "links, line 1, is not 'protein1"),
        (LINKS, "id\tname\n", "info, line 1, is not the header"),
        (LINKS, INFO + "9606.P3\n", "info, line 4, has 1 tab-separated fields and needs 2"),
    ],
)
def test_malformed_string(tmp_path: Path, links: str, info: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        read_string(write(tmp_path, "links", links), write(tmp_path, "info", info), least_score=400)


def test_edges_lose_loops_and_repeats(tmp_path: Path) -> None:
    network = read_edges(write(tmp_path, "e.tsv", "b\tA\nA\tB\nC\tC\nA\tD\n"))
    assert network.genes.tolist() == ["A", "B", "D"]
    assert network.edges.tolist() == [[0, 1], [0, 2]]


KEGG = {
    "link_pathway_hsa.tsv": "hsa:10\tpath:hsa00010\nhsa:11\tpath:hsa00010\nhsa:12\tpath:hsa00020\n"
    "hsa:13\tpath:hsa00020\n",
    "list_pathway_hsa.tsv": "hsa00010\tGlycolysis / Gluconeogenesis - Homo sapiens (human)\nhsa00020\tCitrate cycle\n",
    "list_hsa.tsv": "hsa:10\tCDS\t1:complement(5..9)\tAKR1A1, ALDR1; reductase\nhsa:11\tCDS\t2\tADH4; alcohol\n"
    "hsa:12\tCDS\t3\tuncharacterized protein\nhsa:13\tCDS\t3\tCs; citrate synthase\n",
}


def test_kegg_tables_make_a_library_together(tmp_path: Path) -> None:
    folder = tmp_path / "kegg"
    folder.mkdir()
    for name, text in KEGG.items():
        write(folder, name, text)
    assert read_libraries(folder) == {"kegg": {
        "Glycolysis / Gluconeogenesis (hsa00010)": ("AKR1A1", "ADH4"), "Citrate cycle (hsa00020)": ("CS",),
    }}
    write(folder, "list_pathway_hsa.tsv", "hsa00010\tGlycolysis\n")
    files = [folder / name for name in KEGG]
    with pytest.raises(UserError, match=r"link_pathway_hsa.tsv, line 3, has the pathway hsa00020, which"):
        kegg_sets(*files)
    with pytest.raises(UserError, match="put KEGG's link/pathway"):
        read_libraries(files[0])


def test_cellmarker_versions(tmp_path: Path) -> None:
    first = write(tmp_path, "Human_cell_markers.txt", (
        "speciesType\ttissueType\tUberonOntologyID\tcancerType\tcellType\tcellName\tCellOntologyID\tcellMarker\t"
        "geneSymbol\n"
        "Human\tKidney\tU\tNormal\tNormal cell\tProximal tubule\tC\tx\tCD3D, [CD8A, CD8B], NA\n"
        "Mouse\tKidney\tU\tNormal\tNormal cell\tProximal tubule\tC\tx\tCd4\n"
    ))
    assert cellmarker_sets(read_cellmarker(first)) == {"Proximal tubule (Kidney)": ("CD3D", "CD8A", "CD8B")}
    second = write(tmp_path, "Cell_marker_Human.csv", (
        "species,tissue_class,tissue_type,cell_name,marker,Symbol\nHuman,Blood,Blood,B cell,x,MS4A1\n"
        "Human,Blood,Blood,B cell,x,\n"
    ))
    assert read_libraries(second) == {"Cell_marker_Human": {"B cell (Blood)": ("MS4A1",)}}


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("t.tsv", "A\tB\tActivation\t1\nA\tB\tSometimes\t1\n", "t.tsv, line 2, is no edge of TRRUST"),
        ("t.tsv", "A\tB\tActivation\t1\nA\tB\n", "t.tsv, line 2, has 2 tab-separated fields"),
        ("r.csv", "source,target,weight\nA,B,1\nA,B,much\n", "r.csv, line 3, is no edge"),
        ("r.csv", "source,target,weight\nA,,1\n", "r.csv, line 2, lacks the source or the target"),
        ("r.csv", "source,target,weight\n", "r.csv, line 1, is the only line"),
        ("p.tsv", "species\tofficial gene symbol\tcell type\nHs\tA\n", "p.tsv, line 2, has 2 fields and needs 3"),
        ("p.tsv", "species\tofficial gene symbol\tcell type\nHs\t\tB\n", "p.tsv, line 2, lacks one of"),
        ("x.tsv", "just words", "x.tsv is in no known format"),
        ("x.gaf", "!gaf-version: 2.2\n", r"x.gaf \(gaf\) alone holds no gene sets: put an ontology"),
    ],
)
def test_malformed_files_are_named(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        read_libraries(write(tmp_path, name, text))


def test_truncated_gzip(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    whole = gzip.compress("\n".join(f"G{i}\tG{j}" for i, j in rng.integers(0, 999, (500, 2))).encode())
    path = tmp_path / "edges.tsv.gz"
    path.write_bytes(whole[:-40])
    with pytest.raises(UserError, match=f"{re.escape(str(path))} cannot be read as a table of edges"):
        read_edges(path)


def test_other_things_are_no_network(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no network"):
        read_network(write(tmp_path, "x.obo", "format-version: 1.2\n"), least_score=700)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty folder"):
        read_network(tmp_path / "empty", least_score=700)
