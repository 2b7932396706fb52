"""No page walks the store: what it reads of a store does not grow with the store, and each look at it says how much it wants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_settle import settled
from tests.portal.money_world import AUDITOR, NAME, OPERATOR, SETTLEMENT, Office, Offices, offices
from tests.portal.visitors import Browser

from intertie.gateway.billing.billing_invoice import find_statement, from_statement, issue
from intertie.gateway.ports import Query, Search
from intertie.gateway.trading.trade_books import Books
from intertie.gateway.views.view_outages import outages_view
from intertie.gateway.views.view_trade import look_at
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Entry, Kind

# More than any page shows of one kind, so that a page which reads all of it is seen to.
MANY = 1500
# What a page may read of a store: a few lists of a page's length.
ROWS_MAX = 700


class Counting:
    """A store that says how much was read of it, and in which way."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.read: list[tuple[str, int]] = []
        self.unbounded: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not callable(found):
            return found

        def asked(*given: Any, **named: Any) -> Any:
            self._look(name, given, named)
            answer = found(*given, **named)
            if isinstance(answer, Sequence | Mapping) and not isinstance(answer, bytes | str):
                rows = (
                    answer[0]
                    if isinstance(answer, tuple) and answer and isinstance(answer[0], list)
                    else answer
                )
                self.read.append((name, len(rows)))
            return answer

        return asked

    def _look(self, name: str, given: Sequence[Any], named: Mapping[str, Any]) -> None:
        """Lists that have a limit are asked with one."""
        limits = [one.limit for one in given if isinstance(one, Query | Search)]
        if name in (
            "entries",
            "unproven_heads",
            "witnessed_heads",
            "refusals",
            "signed_parcels",
            "shared_messages",
        ):
            limits.append(named.get("limit", 10**9 if name != "shared_messages" else 0))
        if any(limit > 1001 for limit in limits) or name in ("partner_heads", "stamps"):
            self.unbounded.append(f"{name} {limits}")

    @property
    def rows(self) -> int:
        return sum(count for _, count in self.read)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Offices]:
    with offices(tmp_path_factory.mktemp("bounded")) as found:
        stage = found.stage
        stage.done(*stage.utility.say(settled(stage, UTILITY).statement))
        invoice = from_statement(stage.aggregator, find_statement(stage.aggregator, None), "I-1")
        stage.done(issue(stage.aggregator, invoice))
        yield found


def grown(office: Office) -> None:
    """A store with many lines and heads more."""
    store = office.gateway.store
    at = office.stage.now
    store.note([Entry(kind=Kind.ACT, at=at, digest=f"{number:064x}", note="noise") for number in range(MANY)])
    for number in range(1, MANY):
        store.add_partner_head(office.them, Head(10**6 + number, number.to_bytes(32, "big")), at)


def paths(office: Office) -> list[str]:
    [call] = office.stage.utility.book.dispatches
    [row, *_] = [row for row in office.gateway.store.messages(Query(outgoing=True, limit=5)) if row.parcel]
    return [
        "/settlement?month=2026-01",
        "/settlement/ageing",
        f"/settlement/{office.them}",
        office.at(f"events/{call}"),
        office.at(f"event-plot/{call}"),
        office.at(f"statements/{NAME}"),
        office.at(f"lines/2/{NAME}"),
        office.at("invoices/I-1"),
        office.at("files/I-1?as=csv"),
        "/evidence",
        "/evidence/journal",
        f"/evidence/message?id={row.id}",
        "/policy",
        "/policy/flows/DA/invoice",
    ]


def test_what_a_page_reads_does_not_grow_with_the_store(both: Offices) -> None:
    office = both.utility
    browser = office.browser(AUDITOR)
    before = {path: counted(office, browser, path) for path in paths(office)}
    grown(office)
    after = {path: counted(office, browser, path) for path in paths(office)}
    for path, found in after.items():
        assert not found.unbounded, (path, found.unbounded)
        limit = 1001 + 100 if path == "/evidence" else ROWS_MAX  # it counts heads, up to a limit
        assert found.rows <= limit, (path, found.read)
        if path not in ("/evidence", "/evidence/journal"):
            assert found.rows <= before[path].rows + 50, (path, before[path].read, found.read)


def counted(office: Office, browser: Browser, path: str) -> Counting:
    """What one GET reads, with the books warm as in a process that runs."""
    store, books = office.gateway.store, Books()
    counting = Counting(store)
    gateway = replace(office.gateway, store=counting, books=books)
    books.of(counting, office.them)
    counting.read.clear()
    kept = office.office
    office.office = kept._replace(gateway=gateway)
    try:
        fresh = Browser(office)
        fresh.http.cookies.update(dict(browser.http.cookies))
        fresh.http.cookies.set("intertie", browser.http.cookies["intertie"], domain="portal.test")
        answer = fresh.get(path)
        assert answer.status_code == 200, (path, answer.text)
    finally:
        office.leave([office.app()])
        office.office = kept
    return counting


def test_the_page_says_or_more_where_it_stopped_counting(both: Offices) -> None:
    page = both.utility.browser(AUDITOR).get("/evidence").text
    assert "or more" in page


def test_the_spy_sees_what_is_read(both: Offices) -> None:
    """So that the test above can fail."""
    counting = Counting(both.utility.gateway.store)
    counting.messages(Query(outgoing=True, limit=100_000))
    counting.entries(after=0)
    counting.partner_heads(AGGREGATOR)
    assert [name.split()[0] for name in counting.unbounded] == ["messages", "entries", "partner_heads"]
    assert counting.rows > MANY
    counting.entries(after=0, limit=5)
    assert counting.read[-1] == ("entries", 5) and len(counting.unbounded) == 3


def test_what_is_on_its_way_is_asked_for_once_however_many_partners_there_are(both: Offices) -> None:
    office, asked = both.utility, []
    for partners in (1, 40):
        counting = Counting(office.gateway.store)
        gateway = replace(office.gateway, store=counting, books=Books())
        desk = look_at(gateway, office.them, office.stage.now)
        counting.read.clear()
        outages_view([desk] * partners, ours=True)
        asked.append([name for name, _ in counting.read])
    assert asked[0] == asked[1] and {"messages", "search"} <= set(asked[0])


def test_uploads_of_others_cost_nothing_on_the_page(both: Offices) -> None:
    office = both.utility
    store = office.office.beside.files()
    for number in range(15):
        store.begin("somebody", f"{number}.csv", 10, office.stage.now)
    page = office.browser(OPERATOR).get("/upload")
    assert page.status_code == 200 and ".csv" not in page.text
    assert office.browser(SETTLEMENT).get("/upload").status_code == 200


def test_answers_of_pages_are_small(both: Offices) -> None:
    """A page of the largest lists stays readable: no page here is over half a megabyte."""
    browser = both.utility.browser(AUDITOR)
    for path in paths(both.utility):
        answer = browser.get(path)
        assert len(answer.content) < 500_000, (path, len(answer.content))
        if path.startswith("/settlement") and "plot" in path:
            assert set(msgspec.json.decode(answer.content)) == {"x", "series"}


def test_pages_are_not_kept_by_the_browser(both: Offices, tmp_path: Path) -> None:
    browser = both.utility.browser(AUDITOR)
    for path in paths(both.utility):
        headers = browser.get(path).headers
        assert (
            headers["cache-control"] == "no-store"
            and "frame-ancestors 'none'" in headers["content-security-policy"]
        )
