"""Downloads from a server on this machine that serves the true formats, breaks off, or sends something else."""

from __future__ import annotations

import gzip
import io
import json
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from cellprism.cli import app
from cellprism.errors import UserError
from cellprism.knowledge import cache
from cellprism.knowledge.download import add, address, get
from cellprism.knowledge.gene_sets import gene_set_paths, load_gene_sets, locate
from cellprism.knowledge.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRRUST = b"AATF\tBAX\tRepression\t1\nSTAT1\tIRF1\tActivation\t2\n" * 400
TRRUST_PATH = "/www.grnpedia.org/trrust/data/trrust_rawdata.human.tsv"
OBO = b"""format-version: 1.2
data-version: releases/2024-01-17

[Term]
id: GO:1
name: one
namespace: biological_process
"""
GAF = b"\t".join([b"U", b"P", b"TP53", b"involved_in", b"GO:1", b"PMID:1", b"IDA", *[b""] * 10]) + b"\n"


CELLMARKER = (
    b"speciesType\ttissueType\tUberonOntologyID\tcancerType\tcellType\tcellName\tCellOntologyID\tcellMarker\tgeneSymbol\n"
    b"Human\tBlood\tU\tNormal\tNormal cell\tT cell\tC\tCD3\tCD3E, [CD3D, CD3G], NA\n"
)


def zipped(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


class Server:
    """Content by path; ``cut`` breaks a connection after half of the content."""

    def __init__(self) -> None:
        self.content = {
            TRRUST_PATH: TRRUST,
            "/current.geneontology.org/ontology/go-basic.obo": OBO,
            "/current.geneontology.org/annotations/goa_human.gaf.gz": gzip.compress(GAF),
            "/reactome.org/download/current/ReactomePathways.gmt.zip":
            zipped("ReactomePathways.gmt", b"Cell cycle\tR-HSA-1\tCDK1\tCCNB1\n"),
            "/rest.kegg.jp/link/pathway/hsa": b"hsa:10\tpath:hsa00010\n",
            "/rest.kegg.jp/list/pathway/hsa": b"hsa00010\tGlycolysis - Homo sapiens (human)\n",
            "/rest.kegg.jp/list/hsa": b"hsa:10\tCDS\t1\tAKR1A1, ALDR1; reductase\n",
            "/maayanlab.cloud/Enrichr/geneSetLibrary?mode=text&libraryName=KEGG_2021_Human":
            b"Glycolysis\t\tAKR1A1\t\n",
            "/xteam.xbio.top/CellMarker/download/Human_cell_markers.txt": CELLMARKER,
        }
        self.cut: set[str] = set()
        self.asked: list[str] = []
        self.url = ""


@contextmanager
def serving(server: Server) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append(self.path)
            content = server.content.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if self.path in server.cut else content)

        def log_message(self, *_args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    try:
        yield
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A mirror of the sources; nothing in these tests can reach another host."""
    mirror = Server()
    with serving(mirror):
        monkeypatch.setenv("CELLPRISM_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("CELLPRISM_MIRROR", mirror.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield mirror


def kept() -> list[str]:
    return sorted(path.name for path in cache.folder().rglob("*")) if cache.folder().exists() else []


def test_a_source_is_downloaded_once_recorded_and_used_offline(server: Server) -> None:
    with pytest.raises(UserError, match="trrust is not downloaded: get it with `cellprism knowledge get trrust`"):
        load_gene_sets(["trrust"])
    known = get("trrust")
    assert (known["version"], known["licence"], known["contents"]) == ("2", "CC BY-SA 4.0", {"terms": 2, "genes": 2})
    assert known["files"][0]["bytes"] == len(TRRUST)
    assert len(known["date"]) == 10
    server.content.clear()
    assert get("trrust") == known
    assert server.asked == [TRRUST_PATH]
    assert load_gene_sets(["trrust"]) == {"trrust": {"AATF targets": ("BAX",), "STAT1 targets": ("IRF1",)}}
    assert kept() == ["trrust", "trrust.json", "trrust_rawdata.human.tsv"]


def test_cell_types_of_cellmarker(server: Server) -> None:
    assert get("cellmarker")["contents"] == {"terms": 1, "genes": 3}
    assert load_gene_sets(["cellmarker"]) == {"cellmarker": {"T cell (Blood)": ("CD3E", "CD3D", "CD3G")}}


def test_files_that_belong_together_archives_and_versions(server: Server) -> None:
    assert get("go")["version"] == "releases/2024-01-17"
    get("reactome")
    libraries = load_gene_sets(["go", "reactome"])
    assert libraries == {
        "go: biological_process": {"one (GO:1)": ("TP53",)},
        "reactome": {"Cell cycle (R-HSA-1)": ("CDK1", "CCNB1")},
    }
    assert gene_set_paths(["go"]) == [cache.folder() / "go"]


@pytest.mark.parametrize("name", ["kegg", "kegg-enrichr"])
def test_a_restrictive_licence_must_be_accepted(server: Server, name: str) -> None:
    with pytest.raises(UserError, match=r"forbids some uses .*https://www.kegg.jp.* `--accept-licence`"):
        get(name)
    assert server.asked == []
    get(name, accept_licence=True)
    assert set(next(iter(load_gene_sets([name]).values())).values()) == {("AKR1A1",)}


def test_a_broken_connection_leaves_nothing_and_can_be_repeated(server: Server) -> None:
    server.cut.add(TRRUST_PATH)
    with pytest.raises(UserError, match=r"human.tsv did not arrive whole \(.*: nothing was kept; try again"):
        get("trrust")
    assert kept() == []
    server.cut.clear()
    get("trrust")
    server.cut.add(TRRUST_PATH)
    with pytest.raises(UserError, match="did not arrive whole"):
        get("trrust", update=True)
    assert locate("trrust") == cache.folder() / "trrust"


def test_the_second_of_two_files_breaks(server: Server) -> None:
    server.cut.add("/current.geneontology.org/annotations/goa_human.gaf.gz")
    with pytest.raises(UserError, match=r"goa_human.gaf.gz did not arrive whole"):
        get("go")
    assert kept() == []


def test_absent_foreign_and_damaged_files_are_refused(server: Server) -> None:
    server.content[TRRUST_PATH] = b"<html>we are down for maintenance</html>"
    with pytest.raises(UserError, match=r"trrust sent files that are not what they should be, nothing was kept"):
        get("trrust")
    del server.content[TRRUST_PATH]
    with pytest.raises(UserError, match=r"did not arrive whole \(404"):
        get("trrust")
    server.content["/current.geneontology.org/annotations/goa_human.gaf.gz"] = gzip.compress(GAF * 99)[:-9]
    with pytest.raises(UserError, match=r"go sent files .* goa_human.gaf.gz cannot be read"):
        get("go")
    server.content["/reactome.org/download/current/ReactomePathways.gmt.zip"] = b"PK no"
    with pytest.raises(UserError, match="no zip file with one file in it"):
        get("reactome")
    assert kept() == []


def test_a_record_pins_the_checksum(server: Server, tmp_path: Path) -> None:
    get("trrust")
    pin = tmp_path / "pin.json"
    pin.write_text((cache.folder() / "trrust.json").read_text())
    get("trrust", update=True, expected=pin)
    server.content[TRRUST_PATH] = TRRUST.replace(b"BAX", b"BAD")
    with pytest.raises(UserError, match="has another checksum than the record"):
        get("trrust", update=True, expected=pin)
    assert load_gene_sets(["trrust"])["trrust"]["AATF targets"] == ("BAX",)
    pin.write_text("{}")
    with pytest.raises(UserError, match="is no record of a download"):
        get("trrust", update=True, expected=pin)


def test_a_changed_or_missing_file_of_the_cache_is_noticed(server: Server) -> None:
    get("trrust")
    path = cache.folder() / "trrust" / "trrust_rawdata.human.tsv"
    path.write_bytes(TRRUST[:-5])
    with pytest.raises(UserError, match="was changed since it was put there: get or add trrust again"):
        load_gene_sets(["trrust"])
    path.unlink()
    with pytest.raises(UserError, match="is gone"):
        get("trrust")
    get("trrust", update=True)
    assert "trrust" in load_gene_sets(["trrust"])


def test_own_files_by_name(server: Server, tmp_path: Path) -> None:
    (tmp_path / "mine.gmt").write_text("a\td\tTP53\n")
    known = add("mine.v2", [tmp_path / "mine.gmt"], licence="CC0")
    assert (known["licence"], known["kind"], known["contents"]) == ("CC0", "gene sets", {"terms": 1, "genes": 1})
    assert load_gene_sets(["mine.v2"]) == {"mine.v2": {"a": ("TP53",)}}
    (tmp_path / "edges.tsv").write_text("TP53\tMDM2\n")
    assert add("net", [tmp_path / "edges.tsv"])["contents"] == {"genes": 2, "edges": 1}
    for name, files, sentence in (
        ("trrust", ["mine.gmt"], "is a source of the catalogue"),
        ("other", ["none.gmt"], "no file"),
        ("../up", ["mine.gmt"], "cannot be a name"),
    ):
        with pytest.raises(UserError, match=sentence):
            add(name, [tmp_path / file for file in files])


def test_commands(server: Server, tmp_path: Path) -> None:
    (tmp_path / "mine.gmt").write_text("a\td\tTP53\n")
    runner = CliRunner()
    shown = runner.invoke(app, ["knowledge", "get", "reactome"])
    assert shown.exit_code == 0, shown.output
    assert "reactome: 1 terms, 2 genes; version current" in shown.output
    assert "licence: CC0 1.0" in shown.output
    assert json.loads((cache.folder() / "reactome.json").read_text())["files"][0]["sha256"] in shown.output
    assert runner.invoke(app, ["knowledge", "add", "mine", str(tmp_path / "mine.gmt")]).exit_code == 0
    lines = runner.invoke(app, ["knowledge", "list"]).output.splitlines()
    state = {line.split()[0]: line for line in lines}
    assert "not downloaded" in state["string"]
    assert "current, got" in state["reactome"]
    assert "added" in state["mine"]


def test_unknown_source_and_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"no source 'strin': choose among .*string"):
        get("strin")
    monkeypatch.delenv("CELLPRISM_MIRROR", raising=False)
    for source in SOURCES.values():
        scheme = "http://" if source.name == "cellmarker" else "https://"
        assert source.home.startswith(scheme)
        assert all(address(url) == url and url.startswith(scheme) for url in source.files.values())
