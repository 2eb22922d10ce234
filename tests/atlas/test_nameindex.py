from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.atlas.fabricated import write_run
from tests.knowledge.test_genes import hgnc

from cellprism.atlas.dictionaries import dictionaries
from cellprism.atlas.export import export
from cellprism.atlas.files import Atlas, Missing
from cellprism.atlas.nameindex import known_names, name_files, name_index, place
from cellprism.knowledge import cache
from cellprism.knowledge.gene_sets import common_names
from cellprism.knowledge.genes import read_hgnc
from cellprism.reader import open_run

if TYPE_CHECKING:
    from pathlib import Path

    from cellprism.reader import RunReader


def test_the_shipped_names_are_names_of_one_kind() -> None:
    """No name is the symbol of another gene, and the well-known ones are there."""
    found = common_names().resolve(["p53", "CD20", "her2", "PD-1", "CD3", "TP53", "nothing"])
    assert found.symbols == {"p53": "TP53", "CD20": "MS4A1", "her2": "ERBB2", "PD-1": "PDCD1", "TP53": "TP53"}
    assert found.ambiguous == {"CD3": ("CD3D", "CD3E", "CD3G")}
    assert found.unmapped == ("nothing",)
    _, symbols, _, aliases = common_names().levels
    assert not set(symbols) & set(aliases)
    assert all(name == name.upper() for name in (*symbols, *aliases))


def test_names_lead_to_the_genes_of_the_run(reader: RunReader) -> None:
    dictionary = dictionaries(reader)
    index = name_index([common_names()], dictionary)
    symbols = dictionary.symbols()
    assert index["CD20"] == [[symbols.index("MS4A1"), "MS4A1", "other name"]]
    assert index["P53"] == [[None, "TP53", "other name"]]
    assert index["TP53"] == [[None, "TP53", "symbol"]]
    assert index["CD3"] == [[symbols.index("CD3D"), "CD3D", "other name"], [None, "CD3E", "other name"],
                            [None, "CD3G", "other name"]]
    assert not {name.upper() for name in symbols} & set(index)


def test_an_old_symbol_in_the_data_is_found_by_the_new_one(reader: RunReader, tmp_path: Path) -> None:
    dictionary = dictionaries(reader)
    dictionary.genes.loc[dictionary.genes["symbol"] == "GENE7", "symbol"] = "MARCH1"
    gene = int(dictionary.genes.loc[dictionary.genes["symbol"] == "MARCH1", "gene"].iloc[0])
    index = name_index([read_hgnc(hgnc(tmp_path)), common_names()], dictionary)
    for name, kind in (("MARCHF1", "symbol"), ("RNF171", "other name"), ("ENSG00000145416", "Ensembl id")):
        assert index[name] == [[gene, "MARCHF1", kind]]
    assert index["LARP"] == [[None, "SEPTIN1", "other name"], [None, "LARP1", "other name"]]
    assert index["CD20"][0][1] == "MS4A1", "the shipped names follow"


def test_downloaded_names_are_used_where_they_are(
    reader: RunReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLPRISM_CACHE", str(tmp_path / "cache"))
    assert len(known_names(reader)) == 1
    with cache.replacing("hgnc") as folder:
        hgnc(folder)
    cache.write_record("hgnc", {"kind": "gene names"}, {"hgnc_complete_set.txt": ""}, {})
    assert known_names(reader)[0].resolve(["RNF171"]).symbols == {"RNF171": "MARCHF1"}
    (cache.folder() / "hgnc" / "hgnc_complete_set.txt").write_text("spoilt")
    assert len(known_names(reader)) == 1


def test_every_name_is_in_the_file_of_its_hash() -> None:
    assert place("a", 2**32) == 0xE40C292C, "the published test vector of FNV-1a"
    index = {f"NAME-{i}": [[None, f"G{i}", "symbol"]] for i in range(5000)}
    files = name_files(index)
    assert len(files) == 4
    assert [name for i, file in enumerate(files) for name in file if place(name, 4) != i] == []
    assert sum(map(len, files)) == 5000
    assert max(map(len, files)) < 1500


def test_the_server_takes_other_names_and_explains_those_it_cannot(tmp_path: Path) -> None:
    run = Atlas(export([write_run(tmp_path / "run")], tmp_path / "atlas")).run("run")
    assert run.gene("cd20")["symbol"] == "MS4A1"
    assert run.gene("ENSG00000000000.7")["symbol"] == "CD3D"
    assert [gene["symbol"] for gene in run.find_genes("cd20")] == ["MS4A1"]
    with pytest.raises(Missing, match=r"no gene 'p53' .* this is a name of TP53 \(other name\)\."):
        run.gene("p53")
    with pytest.raises(Missing, match="are searched by symbol, identifier and other names\\."):
        run.gene("NOSUCHGENE")
    assert open_run(tmp_path / "run").genes()["symbol"].tolist()[:2] == ["CD3D", "MS4A1"]
