from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from cellprism.atlas import server
from cellprism.atlas.export import export
from cellprism.atlas.guard import Guard
from cellprism.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


FEATURES = "/api/runs/my-run/layers/2/features"


@pytest.mark.parametrize("path", [
    "/../secret.txt", "/%2e%2e/secret.txt", "/runs/%2e%2e/%2e%2e/secret.txt", "/..%2fsecret.txt", "/%2fetc/passwd",
    "//etc/passwd", "/runs/..%5c..%5csecret.txt", "/link/secret.txt", "/secret.txt%00.html", "/" + "a" * 5000,
    "/api/runs/..%2f..%2fsecret.txt/genes/CD3D", "/api/runs/%2e%2e/genes/CD3D",
])
def test_no_path_leads_out(tmp_path: Path, run_path: Path, path: str) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    atlas = export([run_path], tmp_path / "atlas")
    (atlas / "link").symlink_to(tmp_path)
    client = TestClient(server.create_app(atlas), base_url="http://localhost")
    answer = client.get(path)
    assert answer.status_code == 404
    assert "secret" not in answer.text.replace("secret.txt", "")
    assert "root:" not in answer.text


@pytest.mark.parametrize("host", [
    "evil.example", "evil.example:8642", "127.0.0.1.evil.example", "", "192.168.0.7", "[::1",
])
def test_other_host_names_are_refused(client: TestClient, host: str) -> None:
    for path in ("/", "/atlas.json", "/api/runs"):
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code == 400
        assert "host name" in answer.json()["detail"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1234", "LOCALHOST", "[::1]:8642"])
def test_this_machine_is_known(client: TestClient, host: str) -> None:
    assert client.get("/api/runs", headers={"Host": host}).status_code == 200


def test_the_bound_host_is_known_too() -> None:
    assert Guard(None, "10.1.2.3").knows("10.1.2.3:8642")  # type: ignore[arg-type]
    assert not Guard(None, "10.1.2.3").knows("10.1.2.4")  # type: ignore[arg-type]
    everywhere = Guard(None, "0.0.0.0")  # type: ignore[arg-type]
    assert everywhere.knows("10.9.9.9:80")
    assert everywhere.knows(socket.gethostname())
    assert not everywhere.knows("evil.example")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/", "/atlas.json", "/api/runs", "/runs/my-run/summary.jz"])
def test_nothing_can_be_written(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 405
    assert "read-only" in answer.json()["detail"]


def test_other_sites_get_no_permission(client: TestClient) -> None:
    answer = client.get("/api/runs", headers={"Origin": "http://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_site_that_was_asked_for_may_read(atlas: Path) -> None:
    client = TestClient(server.create_app(atlas, origins=["https://Lab.example/"]), base_url="http://127.0.0.1")
    allowed = client.get("/api/runs", headers={"Origin": "https://lab.example"})
    assert allowed.headers["access-control-allow-origin"] == "https://lab.example"
    other = client.get("/api/runs", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers
    assert client.get("/api/runs", headers={"Host": "lab.example", "Origin": "https://lab.example"}).status_code == 400
    for site in ("lab.example", "https://lab.example/page", "*"):
        with pytest.raises(UserError, match="is not a site"):
            server.create_app(atlas, origins=[site])
