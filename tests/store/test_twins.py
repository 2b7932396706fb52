"""Each engine and its twin in memory go through the same random business: every answer and every error must be equal."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from store_builders import (
    NOW,
    OTHER,
    THEM,
    TLS,
    accepted,
    act,
    chain,
    message,
    message_id,
    outgoing,
    parcel,
    parcel_id,
    postgres_store,
    queued_entries,
    refusal,
    sqlite_store,
    verify,
    write_receipt,
)
from tests.postgres_server import drop

from intertie.exchange.outbound import State
from intertie.gateway.ports import Query, Store
from intertie.gateway.trading.trade_ports import Shared
from intertie.journal.checkpoint import Head
from intertie.model.errors import IntertieError
from intertie.model.ids import AgreementId, DocumentName, InterfaceCode, PartyId
from intertie.stores.memory import MemoryStore
from intertie.stores.postgres_schema import Server

NUMBERS = st.integers(1, 6)
PARTIES = st.sampled_from([THEM, OTHER])
BODIES = st.sampled_from([None, b'{"other":1}'])
OUTCOMES = st.sampled_from([State.ACCEPTED, State.DUPLICATE, State.REFUSED, State.EXPIRED, State.CANCELLED])
FINALS = st.sampled_from([State.CANCELLED, State.FAILED, State.EXPIRED, State.ACCEPTED])


class Twins(RuleBasedStateMachine):
    """Two stores, one business."""

    def make(self, folder: Path) -> Store:
        """The store beside the one in memory."""
        return sqlite_store(folder / "store.db")

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.other = self.make(Path(self.folder.name))
        self.memory = MemoryStore()
        self.now = NOW
        # One body that stays: a month whose last body goes takes its data key along, and memory has no keys to tell of.
        stays = outgoing(77, to=PartyId("third.example"), expires=NOW + timedelta(days=9999))
        self.both(lambda store: store.add_outgoing([stays], [], NOW))
        self.sent = 0
        self.heads: list[Head] = []

    def teardown(self) -> None:
        self.other.close()
        self.folder.cleanup()

    def both(self, ask: Callable[[Store], Any]) -> Any:
        """The answer, or the error's name, which must be the same."""
        answers = []
        for store in (self.memory, self.other):
            try:
                answers.append(ask(store))
            except IntertieError as error:
                answers.append(type(error).__name__)
        assert answers[0] == answers[1]
        return answers[0]

    @rule(seconds=st.integers(1, 3600))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(
        numbers=st.lists(NUMBERS, max_size=4),
        to=PARTIES,
        body=BODIES,
        priority=st.integers(0, 9),
        conversation=st.sampled_from([None, "c", "d"]),
        hours=st.integers(1, 3),
        minutes=st.sampled_from([None, 1, 90]),
        resends=st.one_of(st.none(), NUMBERS),
    )
    def queue(
        self,
        numbers: list[int],
        to: Any,
        body: Any,
        priority: int,
        conversation: Any,
        hours: int,
        minutes: int | None,
        resends: int | None,
    ) -> None:
        expires = NOW + timedelta(hours=hours)
        due = None if minutes is None else NOW + timedelta(minutes=minutes)
        old = None if resends is None else message_id(resends)
        messages = [
            outgoing(
                n, to=to, body=body, priority=priority, conversation=conversation, expires=expires
            )._replace(answer_by=due, resends=old)
            for n in numbers
        ]
        self.both(lambda store: store.add_outgoing(messages, queued_entries(messages), self.now))

    @rule(to=PARTIES, count=st.integers(1, 4), size=st.integers(1, 600))
    def deliver(self, to: Any, count: int, size: int) -> None:
        rows = self.both(lambda store: store.take_outgoing(to, self.now, count=count, size=size))
        if rows:
            self.sent += 1
            row = parcel(self.sent, rows, out=True, partner=to)._replace(at=self.now)
            self.both(lambda store: store.add_parcel(row, [r.id for r in rows], self.now))

    @rule(number=NUMBERS, messages=st.lists(NUMBERS, max_size=2))
    def seal_anything(self, number: int, messages: list[int]) -> None:
        row = parcel(number, [], out=True)
        ids = [message_id(n) for n in messages]
        if self.memory.parcel(row.id, outgoing=True) is None:
            self.sent = max(self.sent, number)
        self.both(lambda store: store.add_parcel(row, ids, self.now))

    @rule(number=NUMBERS, seconds=st.integers(1, 3600))
    def no_answer(self, number: int, seconds: int) -> None:
        again = self.now + timedelta(seconds=seconds)
        self.both(lambda store: store.retry_parcel(parcel_id(number), again, f"silence {seconds}"))

    @rule(
        number=NUMBERS,
        receipt=st.sampled_from([None, b"receipt"]),
        outcomes=st.lists(OUTCOMES, min_size=6, max_size=6),
    )
    def answer(self, number: int, receipt: bytes | None, outcomes: list[State]) -> None:
        rows = self.both(lambda store: store.parcel_messages(parcel_id(number), outgoing=True))
        said = [(row.id, outcome, "why") for row, outcome in zip(rows, outcomes, strict=False)]
        shared = Shared(self.now, {row.id for row in rows[::2]}) if receipt else None
        self.both(
            lambda store: store.close_parcel(
                parcel_id(number), receipt, said, [act("answer")], self.now, transport=TLS, shared=shared
            )
        )

    @rule(number=NUMBERS, final=FINALS)
    def move(self, number: int, final: State) -> None:
        self.both(lambda store: store.set_state(message_id(number), final, "why", [act("move")], self.now))

    @rule()
    def expire(self) -> None:
        self.both(lambda store: store.expire(self.now))

    @rule(number=NUMBERS)
    def escalate(self, number: int) -> None:
        self.both(lambda store: store.escalate(self.now))
        self.both(lambda store: store.set_told([message_id(number)], self.now))

    @rule(number=NUMBERS, numbers=st.lists(NUMBERS, unique=True, max_size=4), sender=PARTIES, body=BODIES)
    def accept(self, number: int, numbers: list[int], sender: Any, body: Any) -> None:
        messages = [
            message(n, sender=sender, position=place, body=body)._replace(traded=n % 2 == 0)
            for place, n in enumerate(numbers)
        ]
        row = parcel(number, messages, partner=sender)
        refused = [refusal(number)] if number % 2 else []
        self.both(
            lambda store: store.accept(row, messages, refused, accepted(messages), write_receipt, self.now)
        )

    @rule(to=PARTIES, after=st.integers(0, 3), limit=st.integers(1, 3))
    def shared(self, to: Any, after: int, limit: int) -> None:
        self.both(lambda store: store.shared_messages(to, after=after, limit=limit))
        self.both(lambda store: store.unreceipted_messages(to))

    @rule(number=NUMBERS)
    def refuse(self, number: int) -> None:
        self.both(lambda store: store.refuse(refusal(number, "bad_frame", 2)))

    @rule(to=PARTIES, size=st.integers(0, 3))
    def witness(self, to: Any, size: int) -> None:
        head = Head(size, bytes([size]) * 32)
        self.both(lambda store: store.add_partner_head(to, head, self.now))
        self.both(lambda store: store.next_seq(to))

    @rule(seqs=st.lists(st.integers(0, 9), max_size=3), why=st.sampled_from(["retention", "order"]))
    def erase(self, seqs: list[int], why: str) -> None:
        self.both(lambda store: store.erase(seqs, why, self.now))

    @rule(number=st.one_of(st.none(), NUMBERS), agreement=st.sampled_from(["base-2026", "other"]))
    def hold(self, number: int | None, agreement: str) -> None:
        what = (None, AgreementId(agreement)) if number is None else (message_id(number), None)
        self.both(lambda store: store.hold(*what, "CASE-1", self.now))

    @rule(number=st.integers(0, 4))
    def release(self, number: int) -> None:
        self.both(lambda store: store.release(number, self.now))

    @rule(to=PARTIES, sequence=st.integers(-1, 4), number=st.integers(1, 3))
    def identify(self, to: Any, sequence: int, number: int) -> None:
        self.both(lambda store: store.set_announced(to, sequence))
        self.both(lambda store: store.keep_chains(dict([chain(number)])))

    @invariant()
    def all_that_can_be_asked_is_equal(self) -> None:
        at: datetime = self.now
        self.both(lambda store: [store.messages(Query(outgoing=out)) for out in (True, False)])
        self.both(lambda store: store.messages(Query(outgoing=True, partner=OTHER, states=[State.QUEUED])))
        self.both(lambda store: [store.messages(Query(outgoing=False, bodies=False)), store.holds()])
        where = (InterfaceCode("DA"), DocumentName("meter_readings"), "scheduled")
        self.both(lambda store: store.ended(*where, before=at, after=1, limit=3))
        ids = [message_id(n) for n in range(7)]
        self.both(lambda store: (store.marks(ids), store.dead_letters(), store.escalated(partner=THEM)))
        self.both(lambda store: store.untold(NOW + timedelta(hours=1), 3))
        self.both(lambda store: (store.counts(), store.refusals(), store.next_partners(at)))
        for party in (THEM, OTHER):
            self.both(lambda store, party=party: store.unfinished_parcel(party, at))
            self.both(lambda store, party=party: (store.partner_heads(party), store.announced(party)))
            self.both(
                lambda store, party=party: store.find_incoming(party, [message_id(n) for n in range(7)])
            )
        for number in range(1, 7):
            self.both(lambda store, n=number: (store.message(message_id(n)), store.chain(chain(n)[0])))
            self.both(
                lambda store, n=number: [store.parcel(parcel_id(n), outgoing=out) for out in (True, False)]
            )
            self.both(lambda store, n=number: store.parcel_messages(parcel_id(n), outgoing=False))

    @invariant()
    def the_journals_are_one(self) -> None:
        self.both(lambda store: store.entries())
        self.heads.append(self.both(lambda store: verify(store, self.heads)))


class PostgresTwins(Twins):
    """The same with a database."""

    url = ""

    def make(self, folder: Path) -> Store:
        self.server = Server(self.url, f"t_{uuid.uuid4().hex}")
        return postgres_store(self.server, folder)

    def teardown(self) -> None:
        super().teardown()
        drop(self.server)


@pytest.fixture
def twins_url(postgres_url: str) -> None:
    PostgresTwins.url = postgres_url


HEALTH = list(HealthCheck)
Twins.TestCase.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=HEALTH
)
TestTwins = Twins.TestCase
# Fewer: each question is a round trip.
PostgresTwins.TestCase.settings = settings(
    max_examples=8, stateful_step_count=25, deadline=None, suppress_health_check=HEALTH
)
TestPostgresTwins = pytest.mark.usefixtures("twins_url")(PostgresTwins.TestCase)
