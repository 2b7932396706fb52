"""A random walk of two gateways through the trade, over real parcels: what every walk shares, its beginning and its end.

Each side says what it likes, mostly what its own book makes likely; parcels and receipts go missing, messages cross, the clocks
differ, processes restart. At the end everything has arrived, and both hold the same book. A step of a family is a mixin
(walk_*.py), so that a walk may also take steps of the families that its own depends on.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.two_sides import BOTH, TEXT, Two, other
from tests.unit.market.grid_cases import (
    AGREEMENT,
    HEAD,
    at,
    deal,
    decision,
    der,
    feeder,
    registration,
    window,
)

from intertie.exchange.outbound import State
from intertie.gateway.ports import Query
from intertie.gateway.trading.trade_books import Books
from intertie.market import effects, telemetry
from intertie.market.book import Book, Ledger, ground_of
from intertie.model.agreement import BaseContract, ContractNotice, ContractSignature
from intertie.model.contract import ConfirmationAnswer, ConfirmationResponse
from intertie.model.errors import Code, Refused
from intertie.model.ids import ConversationId, MessageId, PartyId
from intertie.model.record import Record

SOAK = os.environ.get("INTERTIE_SOAK") == "1"
# What a rule of the trade says; any other refusal is a mistake of the walk or of the gateway.
RULED = (Code.TRADE_RULE, Code.AGREEMENT_NOT_IN_FORCE)
PARTIES = st.sampled_from(BOTH)
# Times around the walk's beginning: some hours past, two days ahead.
HOURS = st.integers(-6, 48)
NUMBERS = st.integers(0, 63)  # which of those that there are
NEXT = st.sampled_from([1, 1, 1, 1, 0, 2])  # how far a revision is above the newest known
TERMS = replace(
    TEXT, agreement=AGREEMENT, effective=at(-24 * 30), ends=None, elections=replace(TEXT.elections)
)
_FOUNDING = (BaseContract, ContractSignature, ContractNotice)
_One = TypeVar("_One")


def walks(examples: int, steps: int) -> settings:
    """So many walks of so many steps; twenty times as many of twice the length, and the shortest that fails, with
    INTERTIE_SOAK=1: to find that takes longer than the limit of a test."""
    phases = (Phase.explicit, Phase.reuse, Phase.generate)
    return settings(
        phases=(*phases, Phase.shrink) if SOAK else phases,
        max_examples=examples * (20 if SOAK else 1),
        stateful_step_count=steps * (2 if SOAK else 1),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


class Walk(RuleBasedStateMachine):
    """What all walks share. `ON_DISK`: the stores are SQLite files."""

    ON_DISK = False

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp()) if self.ON_DISK else None
        self.said = 0
        self.going = False

    @initialize(
        skew=st.sampled_from([-20, 0, 20, 7]),
        eager=st.integers(0, 4),
        lossy=st.integers(0, 2),
        energy=st.booleans(),
        random=st.randoms(),
    )
    def begin(self, skew: int, eager: int, lossy: int, energy: bool, random: Random) -> None:
        self.two = Two(timedelta(seconds=skew), self.folder)
        self.two.now = at(-2)
        self.eager, self.lossy, self.random, self.going = eager, lossy, random, True
        self.two.agree(self.terms(energy))
        self.prepare()
        self.two.settle()

    def terms(self, energy: bool) -> BaseContract:
        return replace(TERMS, elections=replace(TERMS.elections, energy=energy))

    def prepare(self) -> None:
        """What stands before the first step: a feeder, three DERs of ten kilowatts, a deal of 25 of them."""
        self.two.say(UTILITY, feeder(effective=at(-30)), AGREEMENT)
        self.two.say(AGGREGATOR, registration(der(1), der(2), der(3), effective=at(-24)), AGREEMENT)
        self.two.carry(UTILITY)
        self.two.carry(AGGREGATOR)
        self.two.say(UTILITY, decision("D1", "D2", "D3", effective=at(-23)), AGREEMENT)
        self.two.say(UTILITY, deal(term=window(-12, 24 * 60), max_calls=5), AGREEMENT)
        self.two.carry(UTILITY)
        self.two.say(
            AGGREGATOR,
            ConfirmationResponse(confirmation=deal().confirmation, answer=ConfirmationAnswer.ACCEPTED),
            AGREEMENT,
        )
        self.two.carry(AGGREGATOR)

    def see(self, party: PartyId) -> Book:
        """The party's own book: what it knows now."""
        return self.two.book(party)

    def try_(
        self, party: PartyId, body: Record, conversation: ConversationId | None = None
    ) -> MessageId | None:
        """Say it, unless a rule forbids it; some of what is said goes at once, how much is drawn for each walk."""
        agreement = None if isinstance(body, _FOUNDING) else AGREEMENT
        try:
            message = self.two.say(party, body, agreement, conversation)
        except Refused as refused:
            assert refused.code in RULED, (refused, body)
            return None
        self.said += 1
        if self.said % 4 < self.eager:
            self.two.carry(party, lose=self.said % 3 < self.lossy)
        return message

    @rule(party=PARTIES, lose=st.booleans())
    def carry(self, party: PartyId, lose: bool) -> None:
        self.two.carry(party, lose=lose)

    @rule()
    def cross(self) -> None:
        """What both have queued crosses: neither knows what became of its own when the other's comes."""
        self.two.carry(UTILITY, lose=True)
        self.two.carry(AGGREGATOR)

    @rule(minutes=st.sampled_from([1, 5, 30, 120, 300]))
    def wait(self, minutes: int) -> None:
        self.two.now += timedelta(minutes=minutes)

    @rule(party=PARTIES)
    def restart(self, party: PartyId) -> None:
        self.two.restart(party)

    def teardown(self) -> None:
        try:
            if self.going:
                self.two.settle()
                self.agree()
        finally:
            if self.folder is not None:
                if self.going:
                    self.two.close(*BOTH)
                shutil.rmtree(self.folder)

    def agree(self) -> None:
        """Everything has arrived: one book, however it came about and whoever reads it."""
        ours, theirs = (self.two.ledger(party) for party in BOTH)
        assert ours.events == theirs.events
        assert ours.book == theirs.book
        assert ours.voids == theirs.voids
        assert ours.digest() == theirs.digest()
        self.refusals_are_rules()
        for party in BOTH:
            self.loaded_anew(party, ours)
        self.arrived_otherwise(ours)
        self.look(ours.book)

    def refusals_are_rules(self) -> None:
        for party in BOTH:
            store = self.two.gateways[party].store
            for row in store.messages(Query(outgoing=True, limit=1000, bodies=False)):
                assert row.state in (State.ACCEPTED, State.DUPLICATE, State.REFUSED), row
                if row.state is State.REFUSED:
                    assert row.detail.startswith(tuple(str(code) for code in RULED)), row

    def loaded_anew(self, party: PartyId, kept: Ledger) -> None:
        """A book that is read from the store equals the one that was kept current."""
        gateway = self.two.gateways[party]
        standing = Books().of(gateway.store, other(party))
        assert standing.unread == 0
        assert standing.ledger.events == kept.events and standing.ledger.digest() == kept.digest()

    def arrived_otherwise(self, ledger: Ledger) -> None:
        """The same messages in another order, some at a time, give the same book."""
        events = list(ledger.events)
        self.random.shuffle(events)
        otherwise = Ledger()
        while events:
            some = self.random.randint(1, 5)
            otherwise = otherwise.plus(events[:some])
            del events[:some]
        assert otherwise.voids == ledger.voids and otherwise.digest() == ledger.digest()

    def look(self, book: Book) -> None:
        """What people are shown of a book can be shown of any."""
        now = self.two.now
        declared = [one.body for many in book.availability.declared.values() for one in many]
        effects.effects(
            ground_of(book, now), book.dispatches, declared, window(8, 14), timedelta(hours=1), now
        )
        for one in book.dispatches.values():
            telemetry.track(one, now)


def pick(those: Sequence[_One], number: int) -> _One:
    """One of them."""
    return those[number % len(those)]


def known_name(known: Iterable[str], number: int, fresh: Sequence[str]) -> str:
    """Mostly a name that is in use, if there is one."""
    names = sorted(known)
    return pick(names if names and number % 8 else fresh, number)


__all__ = ["HEAD", "HOURS", "NEXT", "NUMBERS", "PARTIES", "Walk", "known_name", "pick", "walks"]
