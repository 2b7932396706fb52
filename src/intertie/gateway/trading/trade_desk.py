"""Where an act of the trade begins: the book with one partner as it will be once all that we have said arrives, the agreement
that we speak under, and the way to say it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from intertie.catalogue.flow import Flow
from intertie.exchange.outbound import State
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.ports import Query
from intertie.gateway.sending.send_message import Outgoing, find_partner, send
from intertie.gateway.trading.trade import AFTER, is_traded
from intertie.gateway.trading.trade_books import event_of
from intertie.market import contract
from intertie.market.book import Book, Order, place
from intertie.market.event import Broken, Event
from intertie.model.agreement import BaseContract
from intertie.model.documents import document_of
from intertie.model.errors import Code, Refused, SettingsError
from intertie.model.ids import AgreementId, ConversationId, MessageId, PartyId
from intertie.model.message import Mode
from intertie.model.party import Role
from intertie.model.record import Record

# The two whose trade this is; which interface is theirs, the catalogue knows.
SIDES = frozenset({Role.DISTRIBUTION_UTILITY, Role.DER_AGGREGATOR})
# What comes later than this was planned: it goes with the needs of a scheduled message.
AHEAD = timedelta(minutes=15)
# What waits for its receipt at one time; who has said more than this must wait for an answer.
WAITING_MAX = 500

_LAST = (datetime.max.replace(tzinfo=UTC), MessageId(""), PartyId(""))


class Desk:
    """One look at the trade with a partner, at one time."""

    def __init__(
        self,
        gateway: Gateway,
        partner: PartyId,
        now: datetime,
        agreement: AgreementId | None = None,
        *,
        message: MessageId | None = None,
    ) -> None:
        """`agreement`: the one to speak under, if it is not the only one in force. `message`: the id that the first message
        gets, so that who acts again after a crash says nothing twice. Refused if this is no partner."""
        self.gateway = gateway
        self.now = now
        self.known: Partner = find_partner(gateway, partner)
        self._named = agreement
        self._first = message
        self._ledger = gateway.books.of(gateway.store, partner).ledger
        self._drafted: Book | None = None

    def under(self, agreement: AgreementId) -> Desk:
        """The same, under this agreement."""
        return Desk(self.gateway, self.partner, self.now, agreement, message=self._first)

    @property
    def us(self) -> PartyId:
        """Who we are."""
        return self.gateway.party.id

    @property
    def partner(self) -> PartyId:
        """With whom."""
        return self.known.party

    @property
    def book(self) -> Book:
        """What both hold."""
        return self._ledger.book

    @property
    def events(self) -> Sequence[Event]:
        """The messages that both hold and that have an effect, in their order."""
        void = {place(one.event) for one in self._ledger.voids}
        return [event for event in self._ledger.events if place(event) not in void]

    def book_before(self, order: Order) -> Book:
        """The book as of the messages before a place."""
        return self._ledger.before(order)

    @property
    def drafted(self) -> Book:
        """What both will hold when what we sent has arrived: the next revision, and names in use, are looked up here."""
        if self._drafted is None:
            waiting = self._waiting()
            self._drafted = self._ledger.before(_LAST, waiting) if waiting else self._ledger.book
        return self._drafted

    @property
    def agreement(self) -> AgreementId:
        """The agreement that we speak under: the one that was named, or the only one in force. One that was made here goes
        before one on paper. Refused if there is none, SettingsError if there are several."""
        if self._named is not None:
            return self._named
        made = [name for name in self.book.contracts if self._in_force(name)]
        found = made or [one.id for one in self.known.agreements if one.in_force(self.now)]
        if not found:
            raise Refused(
                Code.AGREEMENT_NOT_IN_FORCE,
                f"no agreement with {self.partner} is in force; `intertie trade show` says how contracts stand",
                partner=self.partner,
            )
        if len(found) > 1:
            raise SettingsError(
                f"several agreements with {self.partner} are in force: {', '.join(sorted(found))}",
                do="Choose one with --agreement.",
            )
        return found[0]

    @property
    def text(self) -> BaseContract:
        """The text of the contract that we speak under. SettingsError for an agreement on paper: no book knows its terms."""
        known = self.book.contracts.get(self.agreement)
        text = known.text_at(self.now) if known is not None else None
        if text is None:
            raise SettingsError(
                f"agreement {self.agreement} was not signed through the gateway",
                do="`intertie trade show` lists the contracts that were.",
            )
        return text

    def say(
        self,
        *bodies: Record,
        mode: Mode | None = None,
        conversation: ConversationId | None = None,
        in_reply_to: MessageId | None = None,
        expires: datetime | None = None,
    ) -> list[MessageId]:
        """Queue documents under the agreement, all or none; their ids. The rules of the book are asked first: Refused says
        which one is broken. SettingsError if it is not for our side to say."""
        first, self._first = self._first, None
        outgoing = [
            Outgoing(
                id=first if place == 0 else None,
                body=body,
                recipient=self.partner,
                interface=flow.interface,
                mode=flow.mode,
                agreement=self.agreement if flow.agreement else None,
                conversation=conversation,
                in_reply_to=in_reply_to,
                expires=expires,
            )
            for place, body in enumerate(bodies)
            for flow in [self._flow(body, mode)]
        ]
        return send(self.gateway, outgoing, self.now)

    def mode_for(self, start: datetime, ahead: Mode = Mode.SCHEDULED) -> Mode:
        """Whether what begins then is planned, and goes in the mode `ahead`, or happens now."""
        return ahead if start - self.now > AHEAD else Mode.REAL_TIME

    def _flow(self, body: Record, mode: Mode | None) -> Flow:
        document = document_of(body).name
        ours, theirs = SIDES & self.gateway.party.roles, SIDES & self.known.roles
        flows = [
            flow
            for flow in self.gateway.catalogue.find_flows(document)
            if flow.sender in ours and flow.recipient in theirs and mode in (None, flow.mode)
        ]
        if not flows:
            said = f"{document} does not go from {self.us} to {self.partner}, by the roles that they hold"
            raise SettingsError(said, do="`intertie interfaces show DA` says who says what to whom.")
        return flows[0]

    def _in_force(self, agreement: AgreementId) -> bool:
        try:
            contract.check_in_force(self.book.contracts, agreement, self.now)
        except Broken:
            return False
        return True

    def _waiting(self) -> list[Event]:
        """What we said and the partner has not receipted, after all that both hold, in the order in which it was said."""
        states = (State.QUEUED, State.SENDING)
        rows = self.gateway.store.messages(
            Query(outgoing=True, partner=self.partner, states=states, limit=WAITING_MAX)
        )
        at = max(self.now, self._ledger.last or self.now)
        found = []
        for row in rows:
            if is_traded(self.known, row.document, row.agreement, row.conversation):
                at += AFTER
                event = event_of(row.body, at)
                if event is not None:
                    found.append(event)
        return found
