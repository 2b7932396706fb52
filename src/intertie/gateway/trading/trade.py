"""The rules of the trade, asked before a message is sent and when one arrives, by the same functions that fold it later.

They are about what stands under an agreement that was made through the gateway. One that only stands in the partner's file is
on paper: its messages are admitted as that file says, and nothing here looks at the store for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from intertie.catalogue.flow import Category, Flow
from intertie.exchange.joining import RESERVED, is_test
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.ports import MessageRow
from intertie.gateway.trading.trade_books import Standing, event_of, new_event
from intertie.gateway.trading.trade_elsewhere import ASKED, check_elsewhere
from intertie.gateway.trading.trade_ports import Shared
from intertie.market import contract
from intertie.market.book import FOUNDING, TRADED, place
from intertie.market.event import Broken, Event
from intertie.model.errors import Code, Refused
from intertie.model.ids import AgreementId, ConversationId, DocumentName, PartyId
from intertie.model.message import Header
from intertie.model.record import Record

# What settles goes on while a contract rests, and for a while after its end: what was earned under it is owed.
SETTLES = frozenset({Category.BILLING, Category.METERING})

# The least by which one time is later than another in a store.
AFTER = timedelta(microseconds=1)


def on_paper(partner: Partner, agreement: AgreementId | None) -> bool:
    """Whether the agreement stands in the partner's file."""
    return any(known.id == agreement for known in partner.agreements)


def is_traded(
    partner: Partner,
    document: DocumentName,
    agreement: AgreementId | None,
    conversation: ConversationId | None,
) -> bool:
    """Whether the rules of the trade are about such a message; costs no look at the store."""
    if document not in TRADED or is_test(conversation):  # a test has no effect
        return False
    if document in FOUNDING:
        return True
    return agreement is not None and not on_paper(partner, agreement)


def shared_of(partner: Partner, rows: Iterable[MessageRow], received: datetime) -> Shared | None:
    """Which messages of a parcel that went the trade is about; None if none is, as nearly always."""
    about: dict[tuple[DocumentName, AgreementId | None], bool] = {}  # of a parcel nearly always one or two
    traded = []
    for row in rows:
        kind = row.document, row.agreement
        if kind not in about:
            about[kind] = is_traded(partner, *kind, None)
        if about[kind] and not is_test(row.conversation):
            traded.append(row.id)
    return Shared(received, frozenset(traded)) if traded else None


class Rules:
    """The rules for messages of one parcel, or of one call that sends, each with those before it. The store is looked at once,
    and only if a message needs it."""

    def __init__(
        self,
        gateway: Gateway,
        partner: Partner,
        now: datetime,
        *,
        sending: bool,
        beside: Mapping[PartyId, Rules] | None = None,
    ) -> None:
        """`beside` are those of the same call for other partners."""
        self._beside = beside or {}
        self._gateway = gateway
        self._partner = partner
        self._now = now
        self._sending = sending
        self._found: Standing | None = None
        self._more: list[Event] = []
        self._in_force: dict[AgreementId | None, bool] = {}

    def check(self, header: Header, body: Record, flow: Flow) -> bool:
        """Whether the message is one that the trade is about; Refused(AGREEMENT_NOT_IN_FORCE | TRADE_RULE) if it may not be."""
        if header.document in FOUNDING:
            if is_test(header.conversation):
                return False
        else:
            if not flow.agreement:
                return False
            in_force = self._in_force.get(header.agreement)
            if in_force is None:
                in_force = self._partner.agreement_in_force(header.agreement, self._now)
                self._in_force[header.agreement] = in_force
            if in_force:
                return False
            if on_paper(self._partner, header.agreement):
                raise self._not_in_force(header)
        try:
            self._ask(header, body, flow)
        except Broken as broken:
            if broken.rule is contract.IN_FORCE:
                raise self._not_in_force(header, broken.detail) from broken
            raise Refused(
                Code.TRADE_RULE,
                f"{broken.rule.name}: {broken.detail or broken.rule.text}",
                message=header.id,
                partner=self._partner.party,
            ) from broken
        return header.document in TRADED

    def _ask(self, header: Header, body: Record, flow: Flow) -> None:
        self._check_name(getattr(body, "agreement", None))
        ledger = self._standing().ledger
        at = self._now
        if (
            self._sending and ledger.last is not None
        ):  # it will come after all that we know, whatever the clocks say
            at = max(at, ledger.last + AFTER)
        event = new_event(header, body, at)
        if header.document not in TRADED:
            settles = flow.category in SETTLES
            contract.check_in_force(ledger.book.contracts, header.agreement, event.received, settles=settles)
            return
        more = self._more
        try:
            ledger.check(event, more)
        except Broken:
            if self._sending:
                raise
            # The partner may answer what we sent before its receipt is here.
            more = [*more, *self._under_way()]
            ledger.check(event, more)
        if isinstance(body, ASKED):
            others = {party: rules._more for party, rules in self._beside.items()}
            before = ledger.before(place(event), more)
            check_elsewhere(self._gateway, event, before, others, sending=self._sending)
        self._more.append(event)

    def _check_name(self, agreement: AgreementId | None) -> None:
        """An agreement that has another source is not made, or changed, by messages."""
        if agreement is not None and on_paper(self._partner, agreement):
            raise Broken(contract.ON_PAPER, f"{agreement} stands in the partner's file")
        if agreement is not None and agreement.startswith(RESERVED):
            raise Broken(contract.ON_PAPER, f"names that begin with {RESERVED} belong to test conversations")

    def _standing(self) -> Standing:
        if self._found is None:
            self._found = self._gateway.books.of(self._gateway.store, self._partner.party)
        return self._found

    def _under_way(self) -> list[Event]:
        rows = self._gateway.store.unreceipted_messages(self._partner.party)
        traded = [
            row for row in rows if is_traded(self._partner, row.document, row.agreement, row.conversation)
        ]
        return [event for row in traded if (event := event_of(row.body, row.created)) is not None]

    def _not_in_force(self, header: Header, detail: str = "") -> Refused:
        said = f"agreement {header.agreement or '(none named)'} with {self._partner.party} is not in force"
        return Refused(
            Code.AGREEMENT_NOT_IN_FORCE, detail or said, message=header.id, partner=self._partner.party
        )
