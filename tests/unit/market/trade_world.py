"""Two parties, and messages of theirs at stated times, for the tests of the rules of the trade."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from intertie.market.book import Ledger, fold, place
from intertie.market.contract import terms_hash
from intertie.market.event import Event
from intertie.model.agreement import (
    BaseContract,
    Calendar,
    ContractAction,
    ContractNotice,
    ContractSignature,
    DefaultReason,
    Elections,
    GeneralTerms,
)
from intertie.model.ids import AgreementId, MessageId, PartyId
from intertie.model.record import Record

UTILITY, AGGREGATOR = PartyId("utility.example"), PartyId("aggregator.example")
GSA = AgreementId("GSA-2026-01")
T0 = datetime(2026, 6, 1, 14, 0, tzinfo=UTC)  # a Monday, ten in the morning in New York
CALENDAR = Calendar(
    name="Utility business days",
    zone="America/New_York",
    holidays=(date(2026, 7, 3), date(2026, 9, 7), date(2026, 11, 26)),
)
TEXT = BaseContract(
    agreement=GSA,
    buyer=UTILITY,
    seller=AGGREGATOR,
    effective=T0,
    ends=T0 + timedelta(days=900),
    elections=Elections(),
    general_terms=GeneralTerms(title="Base contract", edition="2024", sha256="ab" * 32),
    calendar=CALENDAR,
)


class World:
    """Says things at a running time, and keeps the events."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.now = T0

    def say(
        self,
        sender: PartyId,
        body: Record,
        *,
        after: timedelta = timedelta(minutes=1),
        agreement: AgreementId | None = None,
        in_reply_to: MessageId | None = None,
    ) -> Event:
        self.now += after
        number = len(self.events) + 1
        event = Event(
            message=MessageId(f"{number:08x}-0000-7000-8000-{number:012x}"),
            sender=sender,
            recipient=AGGREGATOR if sender == UTILITY else UTILITY,
            created=self.now - timedelta(seconds=1),
            received=self.now,
            body=body,
            agreement=agreement,
            in_reply_to=in_reply_to,
        )
        self.events.append(event)
        return event

    def sign(self, sender: PartyId, text: BaseContract = TEXT) -> Event:
        return self.say(sender, signature(text))

    def signed(self, text: BaseContract = TEXT) -> World:
        """Proposed and signed by both."""
        self.say(UTILITY, text)
        self.sign(UTILITY, text)
        self.sign(AGGREGATOR, text)
        return self

    def notice(self, sender: PartyId, action: ContractAction, **changes: object) -> Event:
        reason = DefaultReason.FAILURE_TO_PAY if action is ContractAction.DEFAULT else None
        body = ContractNotice(
            **{"agreement": GSA, "revision": 1, "action": action, "reason": reason, **changes}
        )  # type: ignore[arg-type]
        return self.say(sender, body)

    def ledger(self) -> Ledger:
        """Folded at once; and, as must not matter, one by one from the last to the first."""
        ledger, other = fold(self.events), Ledger()
        for event in reversed(self.events):
            other.add([event])
        assert ledger.digest() == other.digest()
        return ledger

    def void(self) -> list[str]:
        """The rules that were broken, in order."""
        return [void.rule.name for void in sorted(self.ledger().voids, key=lambda void: place(void.event))]


def signature(text: BaseContract = TEXT) -> ContractSignature:
    return ContractSignature(agreement=text.agreement, revision=text.revision, terms=terms_hash(text))
