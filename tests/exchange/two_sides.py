"""Two gateways that trade over real parcels: a store and a clock each, receipts that go missing, and restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace as with_
from datetime import datetime, timedelta
from pathlib import Path

from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, NOW, UTILITY, Pair, Wire, make_pair

from intertie.catalogue.load import load_catalogue
from intertie.exchange.outbound import State
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.gateway.trading.trade_books import Books
from intertie.market.book import Book, Ledger
from intertie.market.contract import terms_hash
from intertie.model.agreement import (
    BaseContract,
    ContractAction,
    ContractNotice,
    ContractSignature,
    DefaultReason,
)
from intertie.model.contract import Confirmation, ConfirmationAnswer, ConfirmationResponse
from intertie.model.documents import DOCUMENTS, example
from intertie.model.errors import PartnerError
from intertie.model.ids import (
    AgreementId,
    ConversationId,
    DocumentName,
    InterfaceCode,
    MessageId,
    PartyId,
)
from intertie.model.interval import Window
from intertie.model.message import Mode
from intertie.model.record import Record
from intertie.seal.key_port import KeyFile
from intertie.stores.sqlite import SqliteStore

_, _TEXT = example(DocumentName("base_contract"))
_, _DEAL = example(DocumentName("confirmation"))
assert isinstance(_TEXT, BaseContract) and isinstance(_DEAL, Confirmation)
TEXT = replace(_TEXT, effective=NOW - timedelta(days=1))
GSA = TEXT.agreement
DEAL = replace(
    _DEAL, agreement=GSA, term=Window(start=NOW, end=NOW + timedelta(days=90)), confirm_deadline=NOW
)
Y = ConfirmationResponse(confirmation=DEAL.confirmation, answer=ConfirmationAnswer.ACCEPTED)
BOTH = (UTILITY, AGGREGATOR)
# A document goes in the first mode that the catalogue has for it.
MODES: dict[DocumentName, Mode] = {}
for _flow in load_catalogue().flows():
    if _flow.key.startswith("DA."):
        MODES.setdefault(_flow.document, Mode(_flow.mode))
_NAMES = {document.type: name for name, document in DOCUMENTS.items()}


class Two:
    """Two gateways with their stores, and a clock each that need not agree. In `folder` the stores are SQLite files."""

    def __init__(
        self, skew: timedelta = timedelta(0), folder: Path | None = None, pair: Pair | None = None
    ) -> None:
        pair = pair or make_pair()
        self.seller = pair.aggregator.party.id
        self.gateways = {UTILITY: pair.utility, self.seller: pair.aggregator}
        self.skew = {UTILITY: timedelta(0), self.seller: skew}
        self.now = NOW
        self.folder = folder
        if folder is not None:
            for party in BOTH:
                self._open(party, folder)

    def _open(self, party: PartyId, folder: Path) -> None:
        store = SqliteStore(folder / f"{party}.db", KeyFile(folder / f"{party}.kek"))
        self.gateways[party] = with_(self.gateways[party], store=store, books=Books())

    def restart(self, party: PartyId) -> None:
        """The process ends; another one opens the store. In memory only what was read of the store is forgotten."""
        if self.folder is None:
            self.gateways[party] = with_(self.gateways[party], books=Books())
            return
        self.close(party)
        self._open(party, self.folder)

    def close(self, *parties: PartyId) -> None:
        for party in parties:
            store = self.gateways[party].store
            assert isinstance(store, SqliteStore)
            store.close()

    def time(self, party: PartyId) -> datetime:
        return self.now + self.skew[party]

    def clock(self, party: PartyId) -> Callable[[], datetime]:
        return lambda: self.time(party)

    def other(self, party: PartyId) -> PartyId:
        return self.seller if party == UTILITY else UTILITY

    def say(
        self,
        party: PartyId,
        body: Record,
        agreement: AgreementId | None = None,
        conversation: ConversationId | None = None,
    ) -> MessageId:
        self.now += timedelta(seconds=1)
        out = Outgoing(
            body=body,
            recipient=self.other(party),
            interface=InterfaceCode("DA"),
            mode=MODES[_NAMES[type(body)]],
            agreement=agreement,
            conversation=conversation,
        )
        return send(self.gateways[party], [out], self.time(party))[0]

    def carry(self, party: PartyId, *, lose: bool = False) -> bool:
        """One parcel of what this party has queued; with `lose` its receipt does not come back."""
        self.now += timedelta(seconds=1)
        there = self.other(party)
        wire = Wire(self.gateways[there], party, now=self.time(there), lose_next=lose)
        delivery = deliver_once(self.gateways[party], wire, there, self.clock(party), lambda: 0.0)
        try:
            return asyncio.run(delivery) is not None
        except PartnerError:
            return False

    def settle(self) -> None:
        """Until nothing is on its way."""
        for _ in range(20):
            self.now += timedelta(minutes=10)
            if not any([self.carry(UTILITY), self.carry(self.seller)]):
                return

    def ledger(self, party: PartyId) -> Ledger:
        gateway = self.gateways[party]
        return gateway.books.of(gateway.store, self.other(party)).ledger

    def book(self, party: PartyId) -> Book:
        return self.ledger(party).book

    def digest(self, party: PartyId) -> str:
        return self.ledger(party).digest()

    def agree(self, text: BaseContract = TEXT) -> None:
        self.say(UTILITY, text)
        self.carry(UTILITY)
        for party in (UTILITY, self.seller):
            self.say(party, signature(text))
            self.carry(party)

    def state(self, party: PartyId, message: MessageId) -> tuple[State, str]:
        row = self.gateways[party].store.message(message, outgoing=True)
        assert row is not None
        return row.state, row.detail


def other(party: PartyId) -> PartyId:
    return AGGREGATOR if party == UTILITY else UTILITY


def signature(text: BaseContract) -> ContractSignature:
    return ContractSignature(agreement=text.agreement, revision=text.revision, terms=terms_hash(text))


def notice(action: ContractAction, revision: int = 1, agreement: AgreementId = GSA) -> ContractNotice:
    reason = DefaultReason.BREACH if action is ContractAction.DEFAULT else None
    return ContractNotice(agreement=agreement, revision=revision, action=action, reason=reason)
