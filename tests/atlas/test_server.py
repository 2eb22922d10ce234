from __future__ import annotations

import json
import socket
import threading
import urllib.request
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import uvicorn
from tests.atlas.fabricated import DEAD, GROUPS, LAYERS, N_FEATURES, TERMS, write_run
from tests.atlas.fabricated_results import write_steering

from cellprism.atlas import server
from cellprism.atlas.packing import number, unpack_json
from cellprism.errors import UserError
from cellprism.runs.directory import open_directory

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.testclient import TestClient

    from cellprism.reader import RunReader

FEATURES = "/api/runs/my-run/layers/2/features"


def test_the_files_are_those_of_the_export(client: TestClient, atlas: Path) -> None:
    for path in atlas.rglob("*"):
        name = path.relative_to(atlas).as_posix()
        if path.is_file() and name != "atlas.json":
            answer = client.get(f"/{name}")
            assert answer.status_code == 200, name
            assert answer.content == path.read_bytes(), name
            assert "content-encoding" not in answer.headers
            assert answer.headers["cache-control"] == "no-cache"
            assert answer.headers["x-content-type-options"] == "nosniff"
            if path.suffix in {".jz", ".bin", ".parquet"}:
                assert answer.headers["content-type"] == "application/octet-stream"
    assert client.get("/").content == (atlas / "index.html").read_bytes()
    assert client.get("/").headers["content-type"] == "text/html; charset=utf-8"
    script = next(atlas.glob("assets/*.js")).name
    assert client.get(f"/assets/{script}").headers["content-type"] == "text/javascript; charset=utf-8"


def test_the_index_says_that_there_is_an_api(client: TestClient, atlas: Path) -> None:
    index = json.loads((atlas / "atlas.json").read_text())
    assert index["capabilities"] == ["tables", "ablation", "circuits", "steering", "regulation"]
    served = {**index, "mode": "serve", "capabilities": [*index["capabilities"], "api"]}
    assert client.get("/atlas.json").json() == served


@pytest.mark.parametrize("name", ["atlas.json", "index.html", "runs/my-run/summary.jz"])
def test_an_unchanged_file_is_not_sent_again(client: TestClient, name: str) -> None:
    tag = client.get(f"/{name}").headers["etag"]
    again = client.get(f"/{name}", headers={"If-None-Match": tag})
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"] == tag
    assert client.get(f"/{name}", headers={"If-None-Match": '"other"'}).status_code == 200


def test_paths_arrive_raw_at_a_real_server(tmp_path: Path, atlas: Path) -> None:
    """The test client tidies paths up; a socket does not."""
    (atlas.parent / "secret.txt").write_text("secret")
    for path in ("/../secret.txt", "/runs/../../secret.txt", "/.//../secret.txt"):
        with running(atlas) as port, socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: raw.recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 404"), path


def test_the_docs_page_is_the_atlas_itself(client: TestClient) -> None:
    answer = client.get("/docs", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "/#/my-run/data")


def test_runs_are_listed(client: TestClient) -> None:
    assert client.get("/api/runs").json() == {
        "total": 1, "offset": 0, "limit": 100,
        "items": [{"id": "my-run", "title": "Fabricated", "layers": list(LAYERS)}],
    }


def test_pages_of_features_make_up_the_table(client: TestClient, reader: RunReader) -> None:
    items: list[dict] = []
    while len(items) < N_FEATURES:
        page = client.get(FEATURES, params={"offset": len(items), "limit": 32}).json()
        assert page["total"] == N_FEATURES
        assert len(page["items"]) == min(32, N_FEATURES - len(items))
        items += page["items"]
    table = reader.features(2)
    assert [item["feature"] for item in items] == table["feature"].tolist()
    for item, row in zip(items, table.itertuples(), strict=True):
        assert item["n_fired"] == row.n_fired
        assert item["dead"] is row.dead
        if isinstance(row.label, str):
            assert (item["label"]["source"], item["label"]["term"]) == (row.source, row.label)
        else:
            assert item["label"] is None
        if isinstance(row.group_key, str):
            assert (item["group"]["key"], item["group"]["value"]) == (row.group_key, row.group_value)
            assert item["group"]["auroc"] == pytest.approx(row.group_auroc, rel=1.2e-4)
        else:
            assert item["group"] is None
    assert client.get(FEATURES, params={"offset": 1000}).json()["items"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=all", "offset=-1", "offset=x"])
def test_page_limits_are_explained(client: TestClient, query: str) -> None:
    answer = client.get(f"{FEATURES}?{query}")
    assert answer.status_code == 422
    name, value = query.split("=")
    assert answer.json()["detail"].startswith(f"{name}: ")
    assert value in answer.json()["detail"]


def test_a_feature_is_told_by_names(client: TestClient, reader: RunReader) -> None:
    table = reader.features(2)
    feature = int(table.loc[table["label"].notna() & table["group_key"].notna(), "feature"].iloc[0])
    record = client.get(f"{FEATURES}/{feature}").json()
    assert record["layer"] == 2
    assert record["feature"] == feature
    top = reader.top_genes(2).query("feature == @feature").sort_values("rank")
    assert [gene["symbol"] for gene in record["genes"]] == top["symbol"].tolist()
    assert [gene["lower"] for gene in record["genes"]] == [number(value) for value in top["lower"]]
    label = table.set_index("feature").loc[feature]
    assert record["label"] == {
        "source": label["source"], "term": label["label"], "q": number(label["label_q"]), "n_terms": 4,
    }
    tests = reader.annotations(2).query("feature == @feature").sort_values("p")
    assert [(t["term"], " ".join(t["genes"])) for t in record["annotations"]] == list(
        zip(tests["term"], tests["genes"], strict=True))
    assert {(g["key"], g["value"]) for g in record["groups"]} == set(
        reader.celltypes(2)[["key", "value"]].itertuples(index=False, name=None))
    assert len(record["neighbours"]) == 6
    assert sum(record["histogram"]) == reader.histograms(2).query("feature == @feature")["count"].sum()


def test_a_dead_feature_is_told_too(client: TestClient) -> None:
    record = client.get(f"{FEATURES}/{DEAD}").json()
    assert record["dead"] is True
    assert record["genes"] == []


@pytest.mark.parametrize("name", ["CD3D", "cd3d", "ENSG00000000000"])
def test_a_gene_is_found_by_symbol_and_identifier(client: TestClient, reader: RunReader, name: str) -> None:
    found = client.get(f"/api/runs/my-run/genes/{name}").json()
    assert (found["symbol"], found["id"]) == ("CD3D", "ENSG00000000000")
    rows = [(layer, row.feature, row.rank) for layer in LAYERS
            for row in reader.top_genes(layer).sort_values(["rank", "feature"]).itertuples() if row.symbol == "CD3D"]
    assert [(f["layer"], f["feature"], f["rank"]) for f in found["features"]["items"]] == rows[:100]
    assert found["features"]["total"] == len(rows)
    part = client.get(f"/api/runs/my-run/genes/{name}", params={"offset": 1, "limit": 2}).json()["features"]["items"]
    assert part == found["features"]["items"][1:3]


def test_genes_and_gene_sets_are_searched(client: TestClient, reader: RunReader) -> None:
    found = client.get("/api/runs/my-run/genes", params={"search": "gene1", "limit": 500}).json()
    assert {g["symbol"] for g in found["items"]} == set(reader.genes()["symbol"][lambda s: s.str.contains("GENE1")])
    found = client.get("/api/runs/my-run/terms", params={"search": "TERM 1"}).json()
    assert sorted(t["term"].split()[1] for t in found["items"]) == ["1", "10", "11"]
    term = found["items"][0]
    record = client.get(f"/api/runs/my-run/terms/{term['id']}").json()
    tests = pd.concat([reader.annotations(layer).assign(layer=layer) for layer in LAYERS])
    own = tests[(tests["source"] == term["source"]) & (tests["term"] == term["term"])]
    assert record["n_tests"] == record["features"]["total"] == len(own)
    wanted = own.sort_values(["q", "layer", "feature"])
    assert [(f["layer"], f["feature"], " ".join(f["genes"])) for f in record["features"]["items"]] == list(
        wanted[["layer", "feature", "genes"]].itertuples(index=False, name=None))
    assert {count["layer"]: count["n_features"] for count in record["layers"]} == dict(
        (own["q"] < 0.05).groupby(own["layer"]).sum())


def test_groups_name_their_features(client: TestClient, reader: RunReader) -> None:
    groups = client.get("/api/runs/my-run/groups").json()["items"]
    assert [(g["key"], g["value"]) for g in groups] == sorted(GROUPS)
    for group in groups:
        found = client.get(f"/api/runs/my-run/groups/{group['id']}", params={"limit": 500}).json()["items"]
        for layer in LAYERS:
            tests = reader.celltypes(layer).query("key == @group['key'] and value == @group['value']")
            sure = tests.query("q < 0.05 and auroc > 0.5").sort_values("auroc", ascending=False).head(40)
            assert [f["feature"] for f in found if f["layer"] == layer] == sure["feature"].tolist()


def test_modules_and_tables_are_listed(client: TestClient, reader: RunReader) -> None:
    modules = client.get("/api/runs/my-run/layers/2/modules").json()
    assert [m["n_features"] for m in modules["items"]] == reader.modules(2)["n_features"].tolist()
    members = reader.members(2).groupby("module")["feature"].agg(sorted)
    assert [m["features"] for m in modules["items"]] == [members[m["module"]] for m in modules["items"]]
    assert modules["items"][0]["term"] == {"source": TERMS[0][0], "term": TERMS[0][1]}
    tables = client.get("/api/runs/my-run/tables", params={"limit": 500}).json()["items"]
    assert len(tables) > 20
    for table in tables:
        assert len(client.get(table["address"]).content) == table["bytes"]


@pytest.mark.parametrize(("path", "words"), [
    ("/api/runs/my-run/terms/12", "no gene set 12; they are numbered 0 to 11"),
    ("/api/runs/my-run/groups/-1", "no group of cells -1"),
    ("/api/runs/my-run/layers/1/modules", "no layer 1"),
    ("/api/runs/other/genes/CD3D", "no run 'other' in this atlas; it has my-run"),
    ("/api/runs/my-run/genes/XYZ1", "no gene 'XYZ1'"),
    ("/api/runs/my-run/layers/1/features", "no layer 1; it has 0, 2"),
    ("/api/runs/my-run/layers/2/features/70", "no feature 70; its features are 0 to 69"),
    ("/api/runs/my-run/layers/2/features/-1", "no feature -1"),
    ("/api/nothing", "There is no /api/nothing in this atlas"),
    ("/runs/my-run/map/L01.bin", "There is no /runs/my-run/map/L01.bin"),
])
def test_what_is_not_there_is_explained(client: TestClient, path: str, words: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert words in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/api/runs/my-run/layers/two/features", f"{FEATURES}/first"])
def test_what_is_no_number_is_explained(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 422
    assert "integer" in answer.json()["detail"]


def test_the_schema_is_there_and_the_online_page_is_not(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {
        "/api/runs", "/api/runs/{run}/layers/{layer}/features", "/api/runs/{run}/layers/{layer}/features/{feature}",
        "/api/runs/{run}/layers/{layer}/modules", "/api/runs/{run}/genes", "/api/runs/{run}/genes/{symbol}",
        "/api/runs/{run}/terms", "/api/runs/{run}/terms/{term}", "/api/runs/{run}/groups",
        "/api/runs/{run}/groups/{group}", "/api/runs/{run}/tables",
    }
    assert client.get("/redoc").status_code == 404


def test_a_newer_atlas_is_refused(tmp_path: Path) -> None:
    (tmp_path / "atlas.json").write_text('{"format": 2, "runs": []}')
    with pytest.raises(UserError, match="reads up to 1"):
        server.create_app(tmp_path)


def test_a_run_is_exported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "run")
    with server.prepared([run]) as first:
        assert (first / "atlas.json").exists()
        before = (first / "atlas.json").stat().st_mtime_ns
    with server.prepared([run]) as second:
        assert second == first
        assert (second / "atlas.json").stat().st_mtime_ns == before
    (run / "run.yaml").write_text((run / "run.yaml").read_text().replace("Fabricated", "Renamed"))
    with server.prepared([run]) as third:
        assert json.loads((third / "atlas.json").read_text())["runs"][0]["title"] == "Renamed"


def test_a_table_of_another_command_is_exported_anew(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", traced=False)
    with server.prepared([run]) as first:
        assert json.loads((first / "atlas.json").read_text())["capabilities"] == ["tables"]
    write_steering(open_directory(run), 0, N_FEATURES)
    with server.prepared([run]) as second:
        assert json.loads((second / "atlas.json").read_text())["capabilities"] == ["tables", "steering"]
        assert unpack_json((second / "runs/run/steer/index.jz").read_bytes())["layers"][0]["layer"] == 0


def test_a_run_that_cannot_be_written_is_served_from_elsewhere(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / ".cache").write_text("in the way")
    with server.prepared([run]) as folder:
        assert not folder.is_relative_to(run)
        assert json.loads((folder / "atlas.json").read_text())["runs"][0]["id"] == "run"
    assert not folder.exists()


def test_an_atlas_is_served_as_it_is_and_alone(atlas: Path, run_path: Path) -> None:
    with server.prepared([atlas]) as folder:
        assert folder == atlas
    with pytest.raises(UserError, match="only be served alone"), server.prepared([atlas, run_path]):
        pass
    with pytest.raises(UserError, match="not a cellprism run"), server.prepared([atlas.parent]):
        pass


def test_serve_tells_its_address_and_takes_the_next_port(
    atlas: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} .*choose another port"):
            server.serve([atlas], port=port)
        monkeypatch.setattr(server, "PORTS", (port, 0))
        answers = []

        def look(url: str) -> None:
            def ask() -> None:
                with urllib.request.urlopen(f"{url}api/runs") as answer:
                    answers.append((url, json.loads(answer.read())))
                started[0].should_exit = True

            threading.Thread(target=ask).start()

        started: list[uvicorn.Server] = []
        create = server._Server.__init__

        def remember(self: server._Server, *args: object) -> None:
            started.append(self)
            create(self, *args)  # type: ignore[arg-type]

        monkeypatch.setattr(server._Server, "__init__", remember)
        # In a thread of its own: the browser tests leave an event loop in this one.
        serving = threading.Thread(target=server.serve, args=([atlas],), kwargs={"on_ready": look})
        serving.start()
        serving.join(60)
    (url, runs), = answers
    assert url.startswith("http://127.0.0.1:")
    assert not url.endswith(f":{port}/")
    assert runs["items"][0]["id"] == "my-run"


class running:
    """An atlas on a real socket; gives the port."""

    def __init__(self, atlas: Path) -> None:
        config = uvicorn.Config(server.create_app(atlas), log_level="error", lifespan="off")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]})

    def __enter__(self) -> int:
        self.thread.start()
        port: int = self.listener.getsockname()[1]
        return port

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join()
        self.listener.close()


def test_map_columns_of_the_api_come_from_the_column_file(client: TestClient, reader: RunReader) -> None:
    frequency = [item["frequency"] for item in client.get(FEATURES).json()["items"]]
    np.testing.assert_allclose(frequency, reader.features(2)["frequency"], rtol=1e-5)
