"""The served description: every operation with its key, its errors and, where it acts, its Idempotency-Key; and the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from tests.portal.world import World

from intertie.gateway.office.office_rights import MATRIX
from intertie.portal.routes import ACT_ERRORS, READ_ERRORS

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Any:
    world = World(tmp_path_factory.mktemp("office"))
    with TestClient(world.app()) as http:
        answer = http.get("/api/v1/openapi.json")
    world.close()
    assert answer.status_code == 200
    return answer.json()


def operations(described: Any) -> list[tuple[str, str, Any]]:
    return [
        (method, path, one)
        for path, methods in described["paths"].items()
        for method, one in methods.items()
        if method in ("get", "post", "put", "delete", "patch")
    ]


def test_it_is_openapi_3_1_and_needs_no_key_to_be_read(described: Any) -> None:
    assert described["openapi"].startswith("3.1") and described["info"]["version"]
    assert described["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


def test_every_operation_needs_a_key_and_says_what_it_does(described: Any) -> None:
    found = operations(described)
    assert len(found) > 28 and {method for method, _, _ in found} == {"get", "post"}
    for method, path, one in found:
        assert one["security"] == [{"key": []}], (method, path)
        assert one["description"].endswith(".") and one["tags"], (method, path)
    ids = [one["operationId"] for _, _, one in found]
    assert len(set(ids)) == len(ids)


def test_every_error_is_described_as_a_problem(described: Any) -> None:
    for method, path, one in operations(described):
        expected = ACT_ERRORS if method == "post" else READ_ERRORS
        for status in expected:
            answer = one["responses"][str(status)]
            assert list(answer["content"]) == ["application/problem+json"], (path, status)
            schema = answer["content"]["application/problem+json"]["schema"]
            assert schema["$ref"].endswith("Problem"), (path, status)


def test_every_post_needs_an_idempotency_key(described: Any) -> None:
    for method, path, one in operations(described):
        named = {parameter["name"].lower(): parameter for parameter in one.get("parameters", ())}
        if method == "post":
            assert named["idempotency-key"]["required"] and named["idempotency-key"]["in"] == "header", path
        else:
            assert "idempotency-key" not in named, path


def test_every_list_has_a_cursor_and_a_limit(described: Any) -> None:
    """What answers with `items` and `next` is asked for with `after` and `limit`; but for void messages, which come whole."""
    lists = 0
    for _, path, one in operations(described):
        schema = (
            one["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
        )
        if not schema.get("$ref", "").endswith("Page") or path.endswith("/void"):
            continue
        named = {parameter["name"]: parameter["schema"] for parameter in one["parameters"]}
        assert {"after", "limit"} <= set(named), path
        assert named["limit"]["maximum"] == 500 and named["limit"]["minimum"] == 1, path
        lists += 1
    assert lists >= 7


def test_things_in_addresses_have_the_form_of_their_ids(described: Any) -> None:
    for _, path, one in operations(described):
        wanted = set(re.findall(r"{(\w+)}", path))
        given = {p["name"]: p["schema"] for p in one.get("parameters", ()) if p["in"] == "path"}
        assert set(given) == wanted, path
        assert all("pattern" in schema for schema in given.values()), path


def test_requests_name_no_fields_besides_their_own(described: Any) -> None:
    schemas = described["components"]["schemas"]
    for method, path, one in operations(described):
        body = one.get("requestBody")
        if method == "post" and body is not None:
            name = body["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
            assert schemas[name]["properties"], path


def test_the_page_names_every_address() -> None:
    """docs/api.md and the routes: nothing is served that it does not name."""
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    rows = "".join(line for line in page.splitlines() if line.startswith("| `"))
    for word in (
        *(
            "/whoami",
            "/partners",
            "/flows",
            "/documents",
            "/schema",
            "/inbox",
            "/messages",
            "/dead-letters",
            "/search",
        ),
        *(
            "/evidence",
            "/cancel",
            "resend",
            "/trade/{partner}",
            "void",
            "digest",
            "effects",
            "sign",
            "notice",
        ),
        *("answer", "/availability", "withdraw", "/dispatches", "report", "telemetry", "/events", "/keys"),
    ):
        assert word in rows, word


def test_the_page_names_every_role_and_every_path_of_the_description(described: Any) -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for role in {role for roles in MATRIX.values() for role in roles}:
        assert f"| `{role}` |" in page
    for _, path, _ in operations(described):
        last = path.rstrip("}").rsplit("/", 1)[1].strip("{")
        assert last in page, path
