"""The served description against the server, by schemathesis: no 5xx, and no answer that the description does not name.

Requests are made from the description: such as fit it, and such as do not. A store with messages, dead letters and a contract is
behind it, and parameters are often those of things that are there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.portal.world import PARTNER, World, calling, new_key, outage

from intertie.gateway.office.api_keys import OfficeRole

SOAK = os.environ.get("INTERTIE_SOAK") == "1"
EXAMPLES = 300 if SOAK else 4
# Whose key it is that may do the most of it.
ROLE = {
    "keys": OfficeRole.ADMIN,
    "evidence": OfficeRole.AUDITOR,
    "contracts": OfficeRole.TRADER,
    "confirmations": OfficeRole.TRADER,
}
CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str, str]]:
    world = World(tmp_path_factory.mktemp("office"))
    world.from_partner()
    world.deliver()
    with calling(world) as url:
        yield world, url, _sent(world, url)
    world.close()


def _sent(world: World, url: str) -> str:
    headers = world.headers(OfficeRole.OPERATOR) | {"Idempotency-Key": new_key()}
    return str(httpx.post(f"{url}/api/v1/messages", json=outage(), headers=headers).json()["messages"][0])


def test_no_5xx_and_no_answer_that_is_not_described(served: tuple[World, str, str]) -> None:
    world, url, message = served
    schema: Any = schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json")
    seen: dict[str, set[int]] = {}
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path.endswith("/events"):
            continue  # endless: tests/portal/test_events.py
        role = next((role for part, role in ROLE.items() if part in operation.path), OfficeRole.OPERATOR)
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            _try(world, operation, mode, role, message, seen)
    answered = set().union(*seen.values())
    assert {200, 400, 404} <= answered and not any(status >= 500 for status in answered), seen
    assert len(seen) > 25


def _try(
    world: World,
    operation: Any,
    mode: GenerationMode,
    role: OfficeRole,
    message: str,
    seen: dict[str, set[int]],
) -> None:
    name = f"{operation.method} {operation.path}"

    @seed(20261126)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        if mode is GenerationMode.POSITIVE:  # of things that are there
            known = {"partner": PARTNER, "message": message, "document": "offer", "name": "nobody"}
            for part in known.keys() & dict(case.path_parameters or {}).keys():
                case.path_parameters[part] = known[part]
        answer = case.call(headers=world.headers(role))
        seen.setdefault(name, set()).add(answer.status_code)
        case.validate_response(answer, checks=CHECKS)

    run()
