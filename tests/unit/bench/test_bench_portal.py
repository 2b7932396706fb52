"""The benchmark of the portal: what it writes is what pages find, every page is asked for, and its rows stand beside others."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bench import portal_fill
from bench.portal import NEED_MS, QUICK, Row, pages, table, write
from bench.portal_fill import (
    RARE_OUT,
    RARE_TALK,
    UNDER_WAY,
    WAITING,
    Filled,
    Filler,
    mixed,
)
from bench.portal_trade import AGGREGATION, CALLS, DER_COUNT, NAMES, NEEDS, OUTAGES, business
from rich.console import Console
from tests.exchange.house import AGGREGATOR, make_pair

from intertie.exchange.outbound import State
from intertie.gateway.gateway import Gateway
from intertie.gateway.office.search import search
from intertie.gateway.ports import Search
from intertie.model.ids import ConversationId, DocumentName, PartyId
from intertie.model.message import read_envelope
from intertie.portal.pages.pages import ROUTES

RARE = PartyId("rare.example")
ROWS = [Row("sqlite", "Today", 3.0, 5.0, 4.0), Row("postgres", "Today", 90.0, NEED_MS + 1, 4.0)]


@pytest.fixture(scope="module")
def gateway() -> Gateway:
    return make_pair().utility


@pytest.fixture(scope="module")
def filled(gateway: Gateway) -> Filled:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(portal_fill, "PARCEL", 400)
        return Filler(gateway, [AGGREGATOR, RARE], datetime.now(UTC)).fill(400 * 5)


def count(gateway: Gateway, wanted: Search, text: str = "") -> int:
    return len(search(gateway, wanted._replace(limit=100_000), text).rows)


def test_all_that_is_named_is_found(gateway: Gateway, filled: Filled) -> None:
    assert filled.messages - 1 + said_of_the_trade(gateway, filled) == count(gateway, Search())
    assert sum(gateway.store.counts().values()) == count(gateway, Search())
    assert count(gateway, Search(partner=filled.rare)) == 800
    assert count(gateway, Search(document=DocumentName(RARE_OUT))) == 3
    assert count(gateway, Search(conversation=ConversationId(RARE_TALK))) == 3
    assert count(gateway, Search(states=[State.QUEUED])) == WAITING - 10
    assert count(gateway, Search(states=[State.SENDING])) == UNDER_WAY
    for state in (State.CANCELLED, State.FAILED):
        assert count(gateway, Search(states=[state])) == 5
    (refused,) = search(gateway, Search(states=[State.REFUSED])).rows
    assert refused.id == filled.refused and count(gateway, Search(), "ask the one who signed") == 1
    assert count(gateway, Search(), filled.parcel) == 400
    went, came = (
        gateway.store.message(id, outgoing=out) for id, out in ((filled.out, True), (filled.came, False))
    )
    assert went is not None and came is not None
    assert read_envelope(went.body).header.id == went.id and read_envelope(came.body).header.id == came.id


def said_of_the_trade(gateway: Gateway, filled: Filled) -> int:
    return sum(1 for _ in business(gateway.party.id, filled.frequent, datetime.now(UTC)))


def test_the_business_stands_in_the_book(gateway: Gateway, filled: Filled) -> None:
    ledger = gateway.books.of(gateway.store, filled.frequent).ledger
    book = ledger.book
    assert not ledger.voids
    assert filled.ders == DER_COUNT == len(book.registry[AGGREGATION].ders)
    assert (len(book.dispatches), len(book.offers.needs), len(book.grid.outages)) == (CALLS, NEEDS, OUTAGES)
    assert NAMES.dispatch in book.dispatches and NAMES.need in book.offers.needs and NAMES.deal in book.deals


def test_every_page_is_asked_for(filled: Filled) -> None:
    asked = {path.partition("?")[0] for path in pages(filled).values()}
    for handler in ROUTES:
        if "GET" in handler.http_methods:
            for path in handler.paths:
                one = path.replace("{partner:str}", filled.frequent).replace("{message:str}", filled.out)
                # Evidence needs parcels that were signed, invitations a joining that is under way.
                left_out = path.endswith("/evidence") or path in ("/live", "/settings/sign-in/passkey")
                assert one in asked or left_out or "{" in one, path


def test_documents_are_mixed() -> None:
    names = mixed(("often", "now", "then"))
    assert names.count("often") == len(names) * 9 // 10 and {"now", "then"} < set(names)


def test_rows_are_kept_beside_those_of_others(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"rows": [1], "portal": {"rows": ["old"]}}))
    rows = [row._asdict() for row in ROWS]
    write(path, rows=rows, scale=QUICK._asdict())
    kept = json.loads(path.read_text())
    assert kept["rows"] == [1] and kept["portal"]["scale"]["messages"] == QUICK.messages
    assert [row["p95_ms"] for row in kept["portal"]["rows"]] == [5.0, NEED_MS + 1]
    write(path, street=[1])
    kept = json.loads(path.read_text())
    assert kept["portal"]["rows"] == rows and kept["portal"]["street"] == [1] and kept["rows"] == [1]
    write(tmp_path / "new.json", rows=rows[:1])
    assert len(json.loads((tmp_path / "new.json").read_text())["portal"]["rows"]) == 1


def test_the_table_marks_what_is_slow() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(table([*ROWS, Row("sqlite", "only here", 1.0, 2.0, 3.0)], QUICK))
    (line,) = [line for line in console.export_text().splitlines() if "Today" in line]
    assert "201.0 !" in line and "5.0 !" not in line
