"""What the trade needs of a store: which messages both parties hold, and since when.

A message that came is held by both at the time that our receipt names; one that went, at the time that the partner's
receipt names. Kept is this only of messages that the rules of the trade are about.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple, Protocol

from intertie.model.ids import AgreementId, ConversationId, DocumentName, MessageId, PartyId

# Events read at once: a season's are read in a few looks, and no look holds megabytes.
EVENTS_AT_ONCE = 500


class Shared(NamedTuple):
    """Which messages of a parcel the trade is about, and when its recipient says that it received them."""

    received: datetime
    messages: Collection[MessageId]


class Underway(NamedTuple):
    """A message that was sealed and has no receipt yet."""

    document: DocumentName
    agreement: AgreementId | None
    conversation: ConversationId | None
    created: datetime
    body: bytes


class SharedRow(NamedTuple):
    """A message that both hold. `number` counts in the order in which this store learned of it; `body` is empty if it
    was erased."""

    number: int
    received: datetime
    outgoing: bool
    body: bytes


class TradeStore(Protocol):
    """One consistent look. What is looked at is written by `Store.accept` and `Store.close_parcel`."""

    def shared_messages(
        self, partner: PartyId, *, after: int, limit: int = EVENTS_AT_ONCE
    ) -> list[SharedRow]:
        """Messages that both hold, from those numbered above `after`."""

    def unreceipted_messages(self, partner: PartyId) -> list[Underway]:
        """Messages in sealed parcels that the partner has not answered yet."""
