"""What is refused, and what a serving gateway says of itself, quotes no body. (What is left after a season: test_demo.py.)"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.command.gateways import AGGREGATOR, AGREEMENT, UTILITY, apart, command, make_pair, served
from tests.command.leaks import found, names_in

from intertie.bindings.operations.serve_state import who_serves


def test_the_search_finds_what_is_there() -> None:
    hidden = base64.urlsafe_b64encode(b'{"detail":"meter M-12345 is not known"}').rstrip(b"=")
    assert found(b"x M-12345 y", {"M-12345", "M-1"}) == {"M-12345", "M-1"}
    assert found(b'{"payload":"' + hidden + b'"}', {"M-12345", "M-9"}) == {"M-12345"}
    assert set(names_in({"ders": [{"id": "DER-01", "nameplate_kw": "3"}], "meters": ["M-0001"]})) == {
        "DER-01",
        "M-0001",
    }


# What is refused

SECRET = "ACCT-7731-4412"
# Parts of a payload that are no names: none of them belongs into a log or a metric either.
PARTS = {SECRET, "2027-01-20T18:00", "estimated_restoration", "maintenance"}


def bad_bodies() -> dict[str, tuple[str, dict[str, Any]]]:
    """Documents that break a rule right where a secret stands."""
    outage = {"outage": "O-1", "kind": SECRET, "points": ["P"], "starts": "2027-01-20T14:00:00Z"}
    window = {"start": "2027-01-20T00:00:00Z", "end": "2027-01-21T00:00:00Z"}
    request = {"request": "R-1", "meters": [SECRET, SECRET], "window": window}
    return {
        "enumeration": ("outage_notice", outage),
        "unknown field": ("outage_notice", {**outage, "kind": "planned", SECRET: 1}),
        "repeated": ("meter_request", request),
        "pattern": ("meter_request", {**request, "meters": [f"{SECRET} {SECRET}"]}),
        "type": ("meter_request", {**request, "meters": {SECRET: SECRET}}),
    }


@pytest.mark.parametrize("kind", sorted(bad_bodies()))
def test_a_command_that_refuses_a_body_does_not_quote_it(kind: str, tmp_path: Path) -> None:
    document, body = bad_bodies()[kind]
    directory = command_pair(tmp_path)
    file = tmp_path / "body.json"
    file.write_text(json.dumps(body))
    said = apart(
        "send", file, "--to", AGGREGATOR, "--document", document, "--mode", "scheduled",
        "--agreement", AGREEMENT, "--dir", directory,
    )  # fmt: skip
    assert said.code == 1 and f"is no {document}: " in said.err, said
    assert SECRET not in said.err + said.out


_MADE: list[Path] = []


def command_pair(tmp_path: Path) -> Path:
    """A utility that can send; made once."""
    if not _MADE:
        _MADE.append(make_pair(tmp_path / "pair")[0])
    return _MADE[0]


def test_a_serving_gateway_logs_no_body(tmp_path: Path) -> None:
    utility, aggregator = make_pair(tmp_path)
    file = tmp_path / "o.json"
    body = {"outage": "O-1", "kind": "planned", "points": [SECRET], "starts": "2027-01-20T14:00:00Z"}
    file.write_text(
        json.dumps({**body, "estimated_restoration": "2027-01-20T18:00:00Z", "cause": "maintenance"})
    )
    send = (
        "send",
        file,
        "--to",
        AGGREGATOR,
        "--document",
        "outage_notice",
        "--mode",
        "scheduled",
        "--wait",
        "60",
    )
    with served(utility), served(aggregator):
        assert apart(*send, "--dir", utility).code == 0
        for directory in (utility, aggregator):  # while they serve: the store's log of writes is there too
            files = {path.name: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
            assert files["serve.log"] and files["store.db-wal"]
            assert not any(found(raw, {SECRET}) for raw in files.values())
        for directory in (utility, aggregator):
            serving = who_serves(directory)
            assert serving is not None
            for page in ("/metrics", "/readyz", "/healthz"):
                said = httpx.get(serving.operations + page, timeout=10, trust_env=False).content
                assert said and not found(said, PARTS)
            assert not found(command("status", "--dir", directory).out.encode(), PARTS)
    for directory in (utility, aggregator):
        lines = [json.loads(line) for line in (directory / "serve.log").read_text().splitlines()]
        assert {"parcel in", "receipted"} & {line["event"] for line in lines}
        for line in lines:  # every line says when, how bad, what, and whose gateway it is
            assert {"at", "level", "event", "party"} <= set(line), line
            assert line["event"] not in ("parcel in", "receipted") or line["partner"] in (UTILITY, AGGREGATOR)
        assert not found((directory / "serve.log").read_bytes(), PARTS)
    inbox = command("inbox", "--dir", aggregator, "--json")
    assert inbox.json["messages"][0]["from"] == UTILITY and SECRET not in inbox.out
