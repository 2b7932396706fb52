"""The people of one organisation: they queue messages in its gateway's store and read what came in. Nothing else: what
leaves and what arrives is the business of the two serving processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from intertie.demo.gateways import (
    AGGREGATOR,
    ALL,
    UTILITY,
    DemoError,
    Organisation,
    SeasonClock,
    last_log,
)
from intertie.exchange.outbound import State
from intertie.gateway.metering.readings import Readings, take_in
from intertie.gateway.ports import MessageRow, Query
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.book import Ledger
from intertie.model.agreement import BaseContract, ContractNotice, ContractSignature
from intertie.model.documents import document_of, read_message
from intertie.model.ids import AgreementId, ConversationId, InterfaceCode, MessageId
from intertie.model.message import Header, Mode, Verb
from intertie.model.party import Role
from intertie.model.record import Record
from intertie.run.readings import ReadingsOpened

# Bounded waiting: a parcel takes some tens of milliseconds, a laden machine seconds.
WAIT_SECONDS = 60.0
POLL_SECONDS = 0.01
# A retry is due by the season's clock, which stands still while we wait: after this it is moved on a little.
NUDGE_SECONDS = 2.0
# What makes the contract stands under none.
FOUNDING = (BaseContract, ContractSignature, ContractNotice)
OPEN = (State.QUEUED, State.SENDING)
# The two roles whose interface the season uses; which interface that is, the catalogue knows.
SIDES = frozenset({Role.DISTRIBUTION_UTILITY, Role.DER_AGGREGATOR})


class Mail(NamedTuple):
    """A message that came in."""

    id: MessageId
    header: Header
    body: Record


class Office:
    """One organisation's back office, at its gateway's store."""

    def __init__(self, root: Path, who: Organisation, clock: SeasonClock) -> None:
        self.who = who
        self.partner = AGGREGATOR if who is UTILITY else UTILITY  # with whom most is done
        self.directory = root / who.short
        self._opened = ReadingsOpened(self.directory)
        self.gateway = self._opened.gateway
        self.store = self.gateway.store
        self._clock = clock
        self._read = 0

    def close(self) -> None:
        """Let go of the store."""
        self._opened.close()

    def send(
        self,
        *bodies: Record,
        mode: Mode = Mode.SCHEDULED,
        verb: Verb = Verb.CREATED,
        about: str | None = None,
        reply_to: MessageId | None = None,
        agreement: str | None = None,
        to: Organisation | None = None,
        life: timedelta = timedelta(days=2),
    ) -> list[MessageId]:
        """Queue documents for a partner under the base contract with it, or another agreement; their message ids. `about` names
        the conversation. Raises Refused for what breaks a rule of the trade."""
        now, partner = self._clock.now, to or self.partner
        under = agreement or self.who.agreement or partner.agreement
        outgoing = [
            Outgoing(
                body=body,
                recipient=partner.party,
                interface=self.interface_of(body, mode),
                mode=mode,
                verb=verb,
                agreement=None if isinstance(body, FOUNDING) or under is None else AgreementId(under),
                conversation=None if about is None else ConversationId(about),
                in_reply_to=reply_to,
                expires=now + life,
            )
            for body in bodies
        ]
        return send(self.gateway, outgoing, now)

    def trade(self, now: datetime) -> Desk:
        """The trade with the partner, for acts."""
        return Desk(self.gateway, self.partner.party, now, self.who.agreement or self.partner.agreement)

    def readings(self) -> Readings:
        """What meters read, with all that came until now."""
        take_in(self.gateway, self._opened.readings)
        return self._opened.readings

    def book_with(self, partner: Organisation) -> Ledger:
        """The book of the trade that our gateway has with a partner."""
        return self.gateway.books.of(self.store, partner.party).ledger

    def interface_of(self, body: Record, mode: Mode) -> InterfaceCode:
        """The interface between distribution utilities and aggregators that carries this document in this mode."""
        document = document_of(body).name
        for flow in self.gateway.catalogue.find_flows(document):
            if {flow.sender, flow.recipient} == SIDES and flow.sender in self.who.roles and flow.mode is mode:
                return flow.interface
        raise DemoError(f"the catalogue has no flow for {document} in mode {mode} from {self.who.short}")

    def read_new(self) -> list[Mail]:
        """What came in since the last time, in order."""
        found: list[Mail] = []
        while rows := self.store.messages(Query(outgoing=False, after=self._read, limit=500)):
            for row in rows:
                header, body = read_message(row.body)
                found.append(Mail(header.id, header, body))
            self._read = rows[-1].seq
        return found

    def waiting(self) -> int:
        """Messages without a receipt yet."""
        counts = self.store.counts()
        return sum(counts.get((True, state.value), 0) for state in OPEN)

    def partner_of(self, row: MessageRow) -> Organisation:
        """To whom a message of ours went."""
        return next(who for who in ALL if who.party == row.recipient)

    def all_messages(self, *, outgoing: bool) -> list[MessageRow]:
        """Every message, in order."""
        found: list[MessageRow] = []
        while rows := self.store.messages(
            Query(outgoing=outgoing, after=found[-1].seq if found else 0, limit=1000)
        ):
            found += rows
        return found


def settle(offices: Sequence[Office], clock: SeasonClock, alive: Callable[[], bool]) -> datetime:
    """Wait until everything that was sent has its receipt; the time then. Raises DemoError if it takes too long."""
    began = nudged = time.monotonic()
    while any(office.waiting() for office in offices):
        tick = time.monotonic()
        if tick - began > WAIT_SECONDS or not alive():
            stuck = ", ".join(f"{office.who.short} {office.waiting()}" for office in offices)
            logs = "\n".join(last_log(office.directory) for office in offices)
            raise DemoError(f"without a receipt after {tick - began:.0f} s: {stuck}\n{logs}".rstrip())
        if tick - nudged > NUDGE_SECONDS:
            nudged = tick
            clock.advance(clock.now + timedelta(seconds=5))
        time.sleep(POLL_SECONDS)
    return clock.now
