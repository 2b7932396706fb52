"""After a season of business: no meter, DER, premises or customer of any document stands anywhere but in its body.

Everything both gateways wrote is searched: every byte of every file, every column of the store but the ciphertexts, what is
inside signed things, logs. What is handed out on purpose (evidence files, the demo's own summary) is no part of it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import httpx
import pytest
from tests.command.gateways import AGGREGATOR, AGREEMENT, UTILITY, command, make_pair, served

from intertie.bindings.operations.serve_state import who_serves
from intertie.gateway.ports import Query
from intertie.run import opened

ALL = ("utility", "aggregator", "rival")
# What names a person, a device or a place of theirs, in any document; numbers and dates are not told apart by it.
NAMING = {
    "account",
    "affected_ders",
    "consent",
    "customer",
    "der",
    "ders",
    "duns",
    "evse",
    "id",
    "meter",
    "meters",
    "point",
    "points",
    "premises",
    "reference",
    "user",
    "vehicle",
}
# Shorter ones stand in any megabyte of ciphertext by chance.
NAME_LEAST = 6
# Base64url as it stands in signed things: long enough to hold a name.
SEGMENT = re.compile(rb"[A-Za-z0-9_-]{16,}")


def names_in(value: Any, key: str = "") -> Iterator[str]:
    """Every text that stands under a naming key."""
    if isinstance(value, dict):
        for inner, part in value.items():
            yield from names_in(part, inner)
    elif isinstance(value, list):
        for part in value:
            yield from names_in(part, key)
    elif key in NAMING and isinstance(value, str) and len(value) >= NAME_LEAST:
        yield value


def all_names(directory: Path) -> set[str]:
    with opened(directory) as it:
        store = it.gateway.store
        rows = [row for out in (True, False) for row in store.messages(Query(outgoing=out, limit=10**6))]
    return {name for row in rows for name in names_in(json.loads(row.body)["body"])}


def found(raw: bytes, names: set[str]) -> set[str]:
    """The names that stand in these bytes, also inside base64url."""
    inside = b" ".join(
        base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
        for segment in SEGMENT.findall(raw)
        if len(segment) % 4 != 1
    )
    return {name for name in names if name.encode() in raw or name.encode() in inside}


def columns(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every value of every table, but the chunks of ciphertexts."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    for (table,) in list(db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")):
        if table != "chunks":
            for row in db.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    yield table, value if isinstance(value, bytes) else str(value).encode()
    db.close()


@pytest.fixture(scope="module")
def names(summary: Any, kept: Path) -> set[str]:
    utility, *others = (all_names(kept / who) for who in ALL)
    assert utility == set[str]().union(*others)
    return utility


@pytest.mark.slow
def test_the_season_names_many(names: set[str]) -> None:
    assert len(names) > 100
    for kind in ("load-", "-meter", "-premises", "consent-"):
        assert any(kind in name for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("who", ALL)
def test_no_file_of_a_gateway_holds_a_name(names: set[str], kept: Path, who: str) -> None:
    files = [path for path in (kept / who).rglob("*") if path.is_file()]
    assert {"store.db", "serve.log", "descriptor.json"} <= {path.name for path in files}
    assert (kept / who / "serve.log").stat().st_size > 1000
    for path in files:
        assert not found(path.read_bytes(), names), path


@pytest.mark.slow
@pytest.mark.parametrize("who", ALL)
def test_no_column_holds_a_name(names: set[str], kept: Path, who: str) -> None:
    tables = set()
    for table, value in columns(kept / who / "store.db"):
        tables.add(table)
        assert not found(value, names), (table, value[:200])
    assert {"messages", "parcels", "journal", "data_keys"} <= tables


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
    said = command(
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
        assert command(*send, "--dir", utility).code == 0
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
