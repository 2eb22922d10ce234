"""Requests that nobody thought of: whatever the schema allows, and what it does not, never ends in a 500."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cellprism.atlas.server import create_app

if TYPE_CHECKING:
    from pathlib import Path

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

EXAMPLES = 8


@pytest.mark.filterwarnings("ignore")
def test_no_request_ends_in_a_500(atlas: Path) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", create_app(atlas), headers={"Host": "127.0.0.1"})
    statuses = set()
    for operation in schema.get_all_operations():
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            for case in examples(operation.ok().as_strategy(generation_mode=mode)):
                case.headers["Host"] = "127.0.0.1"
                answer = case.call()
                assert answer.status_code < 500, (case.formatted_path, case.query)
                assert answer.status_code == 200 or isinstance(answer.json()["detail"], str)
                statuses.add(answer.status_code)
    assert {200, 404, 422} <= statuses


def examples(strategy: st.SearchStrategy[schemathesis.Case]) -> list[schemathesis.Case]:
    found = []

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))
    @given(case=strategy)
    def collect(case: schemathesis.Case) -> None:
        found.append(case)

    collect()
    return found


@pytest.mark.parametrize("path", ["/api/runs/my-run", "/api/runs/my-run/layers/2/features"])
def test_a_known_run_with_odd_queries(atlas: Path, path: str) -> None:
    from starlette.testclient import TestClient

    client = TestClient(create_app(atlas), base_url="http://127.0.0.1", raise_server_exceptions=False)
    odd = st.text(max_size=30)

    @settings(max_examples=20, deadline=None, derandomize=True, database=None)
    @given(tail=odd, offset=odd | st.integers().map(str), search=odd)
    def ask(tail: str, offset: str, search: str) -> None:
        for below in ("", "/genes", "/terms", "/genes/", "/terms/", "/groups/"):
            name = quote(tail, safe="") if below.endswith("/") else ""
            answer = client.get(f"{path}{below}{name}", params={"offset": offset, "search": search})
            assert answer.status_code < 500

    ask()
