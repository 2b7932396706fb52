"""A partner that has no gateway of this kind and speaks a protocol of its own: who it is, on what, and until when it may.

Such a protocol is weaker than our parcels. What a partner's legacy file says is what somebody answered for: an end date, a key
that is pinned, and the contract that both signed on paper.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Annotated, NamedTuple, Protocol

import msgspec
from msgspec import Meta

from intertie.formats.as2.terms import As2Terms
from intertie.formats.uftp.terms import Terms as UftpTerms
from intertie.formats.x12.trading import Trading
from intertie.market.book import Book
from intertie.market.contract import terms_hash
from intertie.market.event import Event
from intertie.model.agreement import BaseContract, ContractSignature
from intertie.model.errors import Code, Refused, SettingsError
from intertie.model.ids import AgreementId, MessageId, PartyId, ShortText, derived_uuid7
from intertie.model.message import Header
from intertie.model.party import Role
from intertie.model.record import Record, RuleError

# The contract's three messages, each after the other.
AFTER = timedelta(microseconds=1)


class Foreign(Record, frozen=True, kw_only=True):
    """What the partner's legacy file says (`partners/PARTY.legacy`)."""

    name: ShortText
    roles: Annotated[tuple[Role, ...], Meta(min_length=1, max_length=len(Role))]
    # The last day on which anything goes to it, or is taken from it, in its own protocol.
    legacy_until: date
    uftp_terms: UftpTerms | None = msgspec.field(default=None, name="uftp")
    as2_terms: As2Terms | None = msgspec.field(default=None, name="as2")
    # What a file that AS2 carries says: X12 between these two ends.
    x12: Trading | None = None
    # What both signed on paper: the rules of the trade are asked by it as by one that was made through the gateway.
    contract: BaseContract | None = None

    def check(self) -> None:
        """RuleError unless it speaks exactly one protocol, and what AS2 carries is said."""
        if (self.uftp_terms is None) is (self.as2_terms is None):
            raise RuleError("a legacy file has either [uftp] or [as2]")
        if (self.as2_terms is None) is not (self.x12 is None):
            raise RuleError("[x12] goes with [as2]: it says what its files are")

    @property
    def binding(self) -> str:
        """The protocol that it speaks."""
        return "uftp" if self.as2_terms is None else "as2"

    @property
    def uftp(self) -> UftpTerms:
        """SettingsError if it speaks another one."""
        if self.uftp_terms is None:
            raise SettingsError(f"{self.name} does not speak UFTP", do="See its legacy file.")
        return self.uftp_terms

    @property
    def as2(self) -> As2Terms:
        """SettingsError if it speaks another one."""
        if self.as2_terms is None:
            raise SettingsError(f"{self.name} does not speak AS2", do="See its legacy file.")
        return self.as2_terms

    @property
    def trading(self) -> Trading:
        """The two ends of its X12; SettingsError if it has none."""
        if self.x12 is None:
            raise SettingsError(f"{self.name} does not speak X12", do="See its legacy file.")
        return self.x12

    @property
    def url(self) -> str:
        """Where it is reached."""
        return self.uftp.url if self.as2_terms is None else self.as2.url

    @property
    def agreement(self) -> AgreementId | None:
        """Under which its messages stand: its protocol does not say."""
        return self.contract.agreement if self.contract is not None else None


class Known(NamedTuple):
    """What both hold, for what a message refers to. `original` gives the signed bytes of a message that was translated, `known`
    whether a message of this id is here."""

    book: Book
    original: Callable[[MessageId], bytes | None]
    known: Callable[[MessageId], bool]


class Translator(Protocol):
    """What a binding gives for messages that go out in its protocol."""

    def write(self, foreign: Foreign, header: Header, body: Record, known: Known) -> bytes:
        """The signed bytes of a message of ours. Raises IntertieError for what the protocol has no words for."""


def check_legacy(party: PartyId, foreign: Foreign, today: date, message: MessageId | None = None) -> None:
    """Refused(PROTECTION_TOO_WEAK) after the end date."""
    if today > foreign.legacy_until:
        detail = (
            f"{party} speaks {foreign.binding}, which has no post-quantum algorithm; "
            f"that it may ended on {foreign.legacy_until}"
        )
        raise Refused(Code.PROTECTION_TOO_WEAK, detail, message=message, partner=party)


def paper_events(foreign: Foreign) -> tuple[Event, ...]:
    """The contract on paper as the book of the trade takes it: proposed, and signed by both, as it took effect."""
    text = foreign.contract
    if text is None:
        return ()
    signature = ContractSignature(agreement=text.agreement, revision=text.revision, terms=terms_hash(text))
    said: tuple[tuple[PartyId, PartyId, Record], ...] = (
        (text.buyer, text.seller, text),
        (text.buyer, text.seller, signature),
        (text.seller, text.buyer, signature),
    )
    return tuple(
        _on_paper(text, number, sender, recipient, body, text.effective + AFTER * number)
        for number, (sender, recipient, body) in enumerate(said)
    )


def _on_paper(
    text: BaseContract, number: int, sender: PartyId, recipient: PartyId, body: Record, at: datetime
) -> Event:
    return Event(
        message=MessageId(derived_uuid7("paper", f"{terms_hash(text)}:{number}")),
        sender=sender,
        recipient=recipient,
        created=at,
        received=at,
        body=body,
        agreement=text.agreement,
    )
