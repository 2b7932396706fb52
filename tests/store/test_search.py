"""What people look for among messages: newest first, by any filter, with a bounded amount of work, in every store alike."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_builders import (
    NOW,
    OTHER,
    THEM,
    US,
    accepted,
    incoming,
    message_id,
    outgoing,
    parcel,
    parcel_id,
    queued_entries,
)

from intertie.exchange.outbound import State
from intertie.gateway.ports import Found, Search, Store
from intertie.journal.checkpoint import Head
from intertie.model.ids import AgreementId, ConversationId, DocumentName, InterfaceCode
from intertie.stores.memory_rows import partner_of
from intertie.stores.searching import FIRST_SCAN, fits

TALKS = ("alpha", "beta", None)
DOCUMENTS = ("meter_readings", "dispatch", "outage_notice")


def receipt(outcomes: object, head: Head) -> bytes:
    return b"receipt"


@pytest.fixture
def full(store: Store) -> Store:
    """Sixty messages out, an hour apart, to two partners, and two parcels in between them from both."""
    for number in range(60):
        at = NOW + timedelta(hours=number)
        sent = [
            outgoing(
                number + 1,
                to=(THEM, OTHER)[number % 2],
                document=DOCUMENTS[number % 3],
                conversation=TALKS[number % len(TALKS)],
                expires=at + timedelta(days=9),
            )
        ]
        store.add_outgoing(sent, queued_entries(sent, at), at)
        if number in (20, 40):
            came = incoming([100 + number, 101 + number], (THEM, OTHER)[number == 40])
            row = parcel(number, came, partner=(THEM, OTHER)[number == 40])
            store.accept(row, came, [], accepted(came), receipt, at)
    store.set_state(message_id(7), State.FAILED, "INSUFFICIENT_SCOPE: ask", [], NOW)
    return store


def everything(store: Store) -> list[int]:
    return [row.seq for row in store.search(Search(limit=1000)).rows]


def pages(store: Store, wanted: Search) -> Iterator[Found]:
    """All pages, to the end."""
    while True:
        found = store.search(wanted)
        yield found
        if found.older is None:
            return
        assert wanted.before is None or found.older < wanted.before  # it always goes on
        wanted = wanted._replace(before=found.older)


def test_newest_first_without_bodies(full: Store) -> None:
    found = full.search(Search(limit=5))
    assert [row.seq for row in found.rows] == [64, 63, 62, 61, 60] and found.older == 60
    assert all(row.body == b"" and row.size > 0 for row in found.rows)
    assert everything(full) == list(range(64, 0, -1))


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Search(partner=OTHER), 32),
        (Search(outgoing=False), 4),
        (Search(document=DocumentName("dispatch")), 20),
        (Search(document=DocumentName("dispatch"), outgoing=False), 0),
        (Search(document=DocumentName("dispatch"), outgoing=True, partner=THEM), 10),
        (Search(interface=InterfaceCode("DA")), 64),
        (Search(interface=InterfaceCode("TU")), 0),
        (Search(agreement=AgreementId("base-2026")), 64),
        (Search(conversation=ConversationId("alpha")), 20),
        (Search(conversation=ConversationId("alpha"), partner=THEM), 10),
        (Search(parcel=parcel_id(40)), 2),
        (Search(message=message_id(141)), 1),
        (Search(states=[State.FAILED]), 1),
        (Search(states=[State.FAILED, State.ACCEPTED]), 5),
        (Search(states=[]), 0),
        (Search(words=["insufficient"]), 1),
        (Search(words=["outage", OTHER]), 10),
        (Search(words=["alpha"]), 20),
        (Search(words=["100%"]), 0),
        (Search(since=NOW + timedelta(hours=50)), 10),
        (Search(until=NOW + timedelta(hours=2)), 2),
        (Search(since=NOW + timedelta(hours=20), until=NOW + timedelta(hours=21)), 3),
        (Search(since=NOW + timedelta(days=900)), 0),
        (Search(until=NOW - timedelta(days=900)), 0),
    ],
)
def test_filters(full: Store, wanted: Search, count: int) -> None:
    rows = full.search(wanted._replace(limit=1000)).rows
    assert len(rows) == count
    assert [row.seq for row in rows] == sorted((row.seq for row in rows), reverse=True)
    assert all(fits(row, partner_of(row), wanted) for row in rows)


FILTERS = st.fixed_dictionaries(
    {
        "limit": st.integers(1, 20),
        "scan": st.integers(1, 70),
        "outgoing": st.sampled_from([None, True, False]),
        "partner": st.sampled_from([None, THEM, OTHER, US]),
        "document": st.sampled_from([None, *map(DocumentName, DOCUMENTS)]),
        "conversation": st.sampled_from([None, ConversationId("alpha"), ConversationId("nobody")]),
        "parcel": st.sampled_from([None, None, parcel_id(20)]),
        "message": st.sampled_from([None, None, message_id(3), message_id(140)]),
        "states": st.sampled_from([None, [State.QUEUED], [State.FAILED], [State.FAILED, State.EXPIRED]]),
        "since": st.none() | st.integers(-5, 70).map(lambda hours: NOW + timedelta(hours=hours)),
        "until": st.none() | st.integers(-5, 70).map(lambda hours: NOW + timedelta(hours=hours)),
        "words": st.lists(st.sampled_from(["a", "dispatch", "OTHER", "-7", "zz", "a\0"]), max_size=2),
    }
).map(lambda said: Search(**said))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=FILTERS)
def test_pages_together_are_what_a_plain_look_at_everything_finds(full: Store, wanted: Search) -> None:
    rows = [row for found in pages(full, wanted) for row in found.rows]
    all_rows = full.search(Search(limit=1000)).rows
    assert rows == [row for row in all_rows if fits(row, partner_of(row), wanted)]


def test_a_page_ends_where_its_work_ends_and_says_where(full: Store) -> None:
    wanted = Search(words=["insufficient"], scan=10)
    found = full.search(wanted)
    assert found == Found([], 55)  # ten looked at, none says so
    reached = list(pages(full, wanted))
    assert [len(page.rows) for page in reached] == [0, 0, 0, 0, 0, 1, 0]
    assert reached[5].rows[0].detail.startswith("INSUFFICIENT_SCOPE")


def test_the_index_that_leads_bounds_the_work_of_its_own(full: Store) -> None:
    """Of one partner's messages ten are looked at, however many of others lie between them."""
    found = full.search(Search(partner=THEM, words=["insufficient"], scan=10))
    assert found.rows == [] and found.older is not None and found.older < 50


@pytest.mark.parametrize("more", [{}, {"partner": THEM}, {"outgoing": True, "document": "meter_readings"}])
def test_dead_letters_are_found_at_once_however_deep_they_lie(full: Store, more: dict[str, str]) -> None:
    """An index holds nothing else: one look finds what a walk through all the others would."""
    for states in (
        [State.FAILED],
        [State.EXPIRED, State.FAILED],
        [State.FAILED, State.REFUSED, State.EXPIRED],
    ):
        (row,) = full.search(Search(states=states, scan=2, **more)).rows  # type: ignore[arg-type]
        assert row.id == message_id(7)
    assert full.search(Search(states=[State.REFUSED], scan=2)) == Found([], None)
    assert full.search(Search(states=[State.FAILED], outgoing=False)).rows == []


def test_a_clock_that_was_set_back_hides_nothing(store: Store) -> None:
    """Within the slack: the message that came after, stamped two hours earlier, is found by its own time."""
    for number, hours in ((1, 5), (2, 3), (3, 6)):
        at = NOW + timedelta(hours=hours)
        sent = [outgoing(number, expires=NOW + timedelta(days=3))]
        store.add_outgoing(sent, queued_entries(sent, at), at)
    found = store.search(Search(until=NOW + timedelta(hours=4)))
    assert [row.id for row in found.rows] == [message_id(2)]


def test_an_empty_store_has_no_messages(store: Store) -> None:
    assert store.search(Search()) == Found([], None)
    assert store.search(Search(words=["x"], since=NOW, partner=THEM)) == Found([], None)


def test_more_than_the_first_look_is_looked_at(store: Store) -> None:
    """What lies deeper than the first scan is on the first page all the same."""
    sent = [
        outgoing(number, conversation="deep" if number == 1 else None) for number in range(1, FIRST_SCAN + 50)
    ]
    store.add_outgoing(sent, queued_entries(sent), NOW)
    found = store.search(Search(words=["deep"]))
    assert [row.id for row in found.rows] == [message_id(1)] and found.older is None
    assert len(store.search(Search(limit=FIRST_SCAN + 10)).rows) == FIRST_SCAN + 10


def test_times_at_the_ends_of_the_calendar_can_be_asked_for(store: Store) -> None:
    sent = [outgoing(1)]
    store.add_outgoing(sent, queued_entries(sent), NOW)
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
    assert len(store.search(Search(since=first, until=last)).rows) == 1
    assert store.search(Search(until=first)).rows == store.search(Search(since=last)).rows == []
