"""Parts of the office by themselves: cursors, buckets, streams, and what follows from a document and a partner."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.exchange.house import AGREEMENT, NOW, gateway_of, keys_of, make_pair
from tests.exchange.test_trade import TEXT
from tests.exchange.trade_stage import registered
from tests.portal.world import PARTNER, World, outage

from intertie.gateway.office.api_keys import OfficeRole, add_key
from intertie.gateway.office.office_acts import NotHere, find_message
from intertie.gateway.office.office_book import plain, read_book, read_digest
from intertie.gateway.office.office_lists import (
    EVENTS_AT_ONCE,
    documents,
    events_end,
    flows,
    happened,
    key_lines,
    messages,
    partners,
    whole_message,
)
from intertie.gateway.ports import Query
from intertie.gateway.sending.compose import agreement_with, compose, flow_for
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.trading.trade_effects import HOURS_MAX, effects_ahead
from intertie.journal.entry import Entry, Kind
from intertie.model.documents import DOCUMENTS
from intertie.model.errors import Code, Refused, SettingsError
from intertie.model.ids import AgreementId, DocumentName, MessageId, PartyId, new_message_id
from intertie.model.message import Mode
from intertie.model.office import SendMessage
from intertie.model.party import Role
from intertie.portal.door import REQUESTS_BURST, REQUESTS_PER_SECOND, Buckets
from intertie.portal.events import STREAMS_MAX, STREAMS_PER_KEY, Streams
from intertie.portal.problems import Busy
from intertie.stores.api_key_files import ApiKeyFiles


@given(limit=st.integers(1, 60))
def test_pages_of_any_size_are_the_whole_list_once(limit: int) -> None:
    names: list[str] = []
    after: str | None = ""
    while after is not None:
        page = documents(after, limit)
        assert len(page.items) <= limit
        names += [one.name for one in page.items]
        after = page.next
    assert names == sorted(DOCUMENTS)


@given(limit=st.integers(1, 50))
def test_pages_of_flows(limit: int) -> None:
    gateway = PAIR.utility
    whole = flows(gateway, "DA", None, 0, 500).items
    parts: list[Any] = []
    after: int | None = 0
    while after is not None:
        page = flows(gateway, "DA", None, after, limit)
        parts += page.items
        after = page.next
    assert parts == whole and {flow.interface for flow in whole} == {"DA"}
    assert {flow.document for flow in flows(gateway, None, "invoice", 0, 500).items} == {"invoice"}
    assert flows(gateway, "XX", None, 0, 5).items == [] and flows(gateway, None, None, 10**9, 5).next is None


def test_pages_of_partners_and_keys(tmp_path: Path) -> None:
    utility = keys_of(PartyId("utility.example"), frozenset({Role.DISTRIBUTION_UTILITY}))
    others = [keys_of(PartyId(f"a{n}.example"), frozenset({Role.DER_AGGREGATOR})) for n in range(3)]
    gateway = gateway_of(utility, others)
    first = partners(gateway, "", 2)
    assert [one.party for one in first.items] == ["a0.example", "a1.example"] and first.next == "a1.example"
    rest = partners(gateway, first.next, 2)
    assert [one.party for one in rest.items] == ["a2.example"] and rest.next is None
    book = ApiKeyFiles(tmp_path)
    for name in ("zoe", "amy", "bob"):
        add_key(gateway, book, name, OfficeRole.AUDITOR, timedelta(days=1), NOW)
    page = key_lines(book, "", 2)
    assert [key.name for key in page.items] == ["amy", "bob"] and page.next is not None
    assert [key.name for key in key_lines(book, page.next, 2).items] == ["zoe"]


def test_a_page_of_messages_says_whether_there_is_more(tmp_path: Path) -> None:
    world = World(tmp_path)
    for _ in range(3):
        world.from_partner()
    world.deliver()
    for limit, more in ((2, True), (3, False), (4, False)):
        page = messages(world.gateway, Query(outgoing=False, limit=limit))
        assert (page.next is not None) == more and len(page.items) == min(limit, 3)
    world.close()


def test_a_message_whose_body_was_erased_has_its_line(tmp_path: Path) -> None:
    world = World(tmp_path)
    id = world.from_partner()
    world.deliver()
    store = world.gateway.store
    row = find_message(world.gateway, id, body=True)
    assert whole_message(world.gateway, row).body is not None
    store.erase([row.seq], "mistake", NOW)
    erased = whole_message(world.gateway, find_message(world.gateway, id, body=True))
    assert erased.body is None is erased.header and erased.line.erased == NOW and erased.receipt
    with pytest.raises(NotHere):
        find_message(world.gateway, id, outgoing=True)
    world.close()


def test_events_come_in_portions_and_in_order(tmp_path: Path) -> None:
    world = World(tmp_path)
    entries = [Entry(kind=Kind.ACT, at=NOW, digest="0" * 64, note=f"n{n}") for n in range(EVENTS_AT_ONCE + 5)]
    start = events_end(world.gateway)
    world.gateway.store.note(entries)
    first = happened(world.gateway, start)
    assert [one.index for one in first] == list(range(start, start + EVENTS_AT_ONCE))
    rest = happened(world.gateway, first[-1].index + 1)
    assert [one.note for one in rest] == [f"n{n}" for n in range(EVENTS_AT_ONCE, EVENTS_AT_ONCE + 5)]
    assert happened(world.gateway, events_end(world.gateway)) == []
    world.close()


def test_a_bucket_fills_again() -> None:
    now = [0.0]
    buckets = Buckets(lambda: now[0])
    for _ in range(int(REQUESTS_BURST)):
        buckets.take("a")
    with pytest.raises(Busy):
        buckets.take("a")
    buckets.take("b")
    now[0] += 2.5 / REQUESTS_PER_SECOND
    buckets.take("a")
    buckets.take("a")
    with pytest.raises(Busy) as busy:
        buckets.take("a")
    assert busy.value.retry and busy.value.do
    now[0] += 1e9  # never fuller than full
    for _ in range(int(REQUESTS_BURST)):
        buckets.take("a")
    with pytest.raises(Busy):
        buckets.take("a")


def test_streams_are_counted_for_a_key_and_for_a_process(tmp_path: Path) -> None:
    async def count() -> None:
        streams = Streams(PAIR.utility)
        open_ones = []
        for n in range(STREAMS_MAX):
            key = f"key{n // STREAMS_PER_KEY}"
            streams.check_room(key)
            one = streams.counted(key)
            one.__enter__()
            open_ones.append(one)
            if (n + 1) % STREAMS_PER_KEY == 0:
                with pytest.raises(Busy):
                    streams.check_room(key)
        with pytest.raises(Busy):
            streams.check_room("another")
        open_ones.pop().__exit__(None, None, None)
        streams.check_room("another")

    asyncio.run(count())


def test_who_waits_hears_of_news_a_heartbeat_and_the_end() -> None:
    async def wait() -> list[bool]:
        streams = Streams(PAIR.utility, heartbeat=0.6)
        heard = []
        with streams.counted("key"):
            waiting = asyncio.ensure_future(streams.news())
            await asyncio.sleep(0.25)
            PAIR.utility.store.note([Entry(kind=Kind.ACT, at=NOW, digest="0" * 64, note="news")])
            heard.append(await waiting)
            heard.append(await streams.news())  # nothing happened
            waiting = asyncio.ensure_future(streams.news())
            await asyncio.sleep(0)
            streams.stop()
            heard.append(await waiting)
            assert streams.over
        return heard

    assert asyncio.run(wait()) == [True, False, True]


def test_what_follows_from_a_document_and_a_partner() -> None:
    gateway = PAIR.utility
    partner = gateway.partners.find(PartyId(PARTNER))
    assert partner is not None and agreement_with(gateway, partner, NOW) == AGREEMENT
    assert agreement_with(gateway, partner, NOW + timedelta(days=5000)) is None
    flow = flow_for(gateway, partner, DocumentName("outage_notice"), mode=Mode.REAL_TIME)
    assert (flow.interface, flow.mode) == ("DA", Mode.REAL_TIME)
    with pytest.raises(SettingsError, match="several ways"):
        flow_for(gateway, partner, DocumentName("outage_notice"))
    with pytest.raises(SettingsError, match="no flow carries"):
        flow_for(gateway, partner, DocumentName("offer"))
    said = SendMessage(**outage())
    id = new_message_id(NOW)
    outgoing, found = compose(gateway, said, msgspec.json.encode(said.body), NOW, id)
    assert (outgoing.id, outgoing.agreement, outgoing.recipient) == (id, AGREEMENT, PARTNER)
    assert found.category.value == "system_outage"
    for body in (b"{", b"[]", b'{"outage": 1}', b"\xff"):
        with pytest.raises(Refused) as refused:
            compose(gateway, said, body, NOW, id)
        assert refused.value.code is Code.SCHEMA and "$.body" in refused.value.detail


def test_a_desk_gives_its_first_message_the_id_that_it_was_told() -> None:
    stage = registered()
    id = MessageId("01990000-0000-7000-8000-00000000000a")
    desk = Desk(stage.gateways[PartyId("utility.example")], PartyId(PARTNER), stage.now, message=id)
    first, second = (
        msgspec.structs.replace(TEXT, revision=TEXT.revision + n, effective=NOW + timedelta(days=n))
        for n in (1, 2)
    )
    said, other = desk.say(first, second)
    assert said == id != other  # only the first
    under = Desk(desk.gateway, desk.partner, stage.now, message=id).under(AgreementId(TEXT.agreement))
    with pytest.raises(Refused) as refused:  # the id is taken, by other bytes
        under.say(msgspec.structs.replace(first, effective=NOW + timedelta(days=5)))
    assert refused.value.code is Code.MESSAGE_ID_REUSED


def test_effects_are_looked_at_for_a_month_at_most() -> None:
    gateway = PAIR.utility
    for hours in (0, -1, HOURS_MAX + 1):
        with pytest.raises(SettingsError, match="hours"):
            effects_ahead(gateway, PartyId(PARTNER), hours, NOW)
    assert effects_ahead(gateway, PartyId(PARTNER), HOURS_MAX, NOW).deals == ()
    with pytest.raises(Refused):
        effects_ahead(gateway, PartyId("nobody.example"), 1, NOW)


def test_a_book_and_its_digest_agree() -> None:
    stage = registered()
    gateway = stage.gateways[PartyId("utility.example")]
    book = read_book(gateway, PartyId(PARTNER), stage.now)
    digest = read_digest(gateway, PartyId(PARTNER))
    assert (book.digest, book.messages) == (digest.digest, digest.messages) and book.messages > 3
    raw = msgspec.json.encode(book)
    assert msgspec.json.encode(msgspec.json.decode(raw, type=type(book))) == raw
    with pytest.raises(Refused):
        read_book(gateway, PartyId("nobody.example"), stage.now)


def test_what_is_laid_out_is_json() -> None:
    assert plain(Mode.SCHEDULED) == "scheduled" and plain(frozenset({"a"})) == ["a"]
    assert plain({Mode.SCHEDULED: (TEXT,)})["scheduled"][0]["agreement"] == TEXT.agreement
    assert plain(NOW).startswith("2026-01-15T12:00:00") and plain(None) is None


PAIR = make_pair()
