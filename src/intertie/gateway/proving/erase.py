"""Erasing bodies: by retention or on request, never what is on its way, held, or part of an open dispute.

What stays of a message: its row in the index, its leaf hash, the parcel's manifest and receipt, and its journal entries;
so the journal verifies, a repeat is still known, and whoever holds the bytes can still be shown that they are the ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from intertie.exchange.outbound import DELIVERED, FINAL
from intertie.gateway.attaching.attachments import destroy_attachments
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import Hold, MessageRow, Query, Store, holds_back
from intertie.model.billing import Dispute, DisputeAnswer
from intertie.model.documents import read_message
from intertie.model.errors import IntertieError
from intertie.model.ids import AgreementId, DocumentName, InterfaceCode, MessageId, PartyId

# Bodies erased in one transaction: each costs a page or two; the log stays small and other writers get their turn.
BATCH = 500
_CAME_TO_NOTHING = FINAL - DELIVERED


class Why(StrEnum):
    """The rule by which a body is erased. A code and no text: it goes into the journal, which is for ever."""

    RETENTION = "retention"  # the flow's time is over
    PRIVACY_REQUEST = "privacy_request"  # the person it is about asked for it
    CONSENT_WITHDRAWN = "consent_withdrawn"  # what the customer agreed to has ended
    ORDER = "order"  # a court or a regulator ordered it
    MISTAKE = "mistake"  # it should never have been sent


class Standing(StrEnum):
    """Whether a body may be erased, or what stands against it."""

    ERASABLE = "erasable"
    ERASED = "erased"  # before
    UNDER_WAY = "under_way"  # not receipted, refused or expired yet
    HELD = "held"
    DISPUTED = "disputed"  # a dispute under its agreement has no answer


class Found(NamedTuple):
    """A message whose body is, or is not, to be erased."""

    row: MessageRow
    standing: Standing
    hold: Hold | None = None


class NotErasedError(IntertieError):
    """The body stays; `why` says what stands against erasing it."""


@dataclass(frozen=True)
class Objections:
    """What stands against erasing, read once for many messages."""

    holds: tuple[Hold, ...]
    disputes: frozenset[tuple[PartyId, AgreementId | None]]

    @staticmethod
    def of(store: Store) -> Objections:
        """As it is now. Reads the bodies of disputes: StoreLockedError without the key."""
        return Objections(tuple(store.holds()), open_disputes(store))

    def judge(self, row: MessageRow) -> Found:
        """Whether this body may go."""
        if row.erased is not None:
            return Found(row, Standing.ERASED)
        if row.done_at is None:
            return Found(row, Standing.UNDER_WAY)
        hold = next((hold for hold in self.holds if holds_back(hold, row)), None)
        if hold is not None:
            return Found(row, Standing.HELD, hold)
        if (partner_of(row), row.agreement) in self.disputes:
            return Found(row, Standing.DISPUTED)
        return Found(row, Standing.ERASABLE)


def partner_of(row: MessageRow) -> PartyId:
    """The other party of a message."""
    return row.recipient if row.outgoing else row.sender


def erase_message(
    gateway: Gateway, message: MessageId, why: Why, now: datetime, *, partner: PartyId | None = None
) -> MessageRow:
    """Erase one body; its row as it is then. NotErasedError if there is none, or something stands against it."""
    store = gateway.store
    row = store.message(message, partner=partner, body=False)
    if row is None:
        raise NotErasedError(f"no message {message} here", do="`intertie inbox` and `outbox` list them")
    found = Objections.of(store).judge(row)
    if found.standing is Standing.ERASED:
        store.erase([], why, now)  # if the log could not be cut off then, it is now
        destroy_attachments(gateway, row)
        return row
    if found.standing is not Standing.ERASABLE or not store.erase([row.seq], why, now):
        raise NotErasedError(f"message {message} is not erased: {_objection(found)}", do=_ADVICE)
    destroy_attachments(gateway, row)
    after = store.message(message, partner=partner_of(row), outgoing=row.outgoing, body=False)
    return after or row


_ADVICE = "`intertie erase --expired --dry-run` and `intertie hold` show what holds messages back"


def _objection(found: Found) -> str:
    if found.hold is not None:
        return f"hold {found.hold.number} ({found.hold.reference}) is on it"
    if found.standing is Standing.DISPUTED:
        return f"a dispute under agreement {found.row.agreement} is open"
    if found.standing is Standing.UNDER_WAY:
        return f"it is {found.row.state}; cancel it, or wait until it is done"
    return "a hold was put on it just now"


def expired(gateway: Gateway, retention: Mapping[str, int], now: datetime) -> Iterator[Found]:
    """Every message whose body has been kept for as long as its flow asks, with what stands against erasing it.

    `retention` are days by "DA/invoice", where they differ from the catalogue's. The time runs from when the message was
    done. A message of a flow that the catalogue does not have any more is kept.
    """
    objections = Objections.of(gateway.store)
    for (interface, document, mode), days in sorted(kept_days(gateway, retention).items()):
        before, after = _ago(now, days), 0
        while rows := gateway.store.ended(interface, document, mode, before=before, after=after, limit=BATCH):
            for row in rows:
                yield objections.judge(row)
            after = rows[-1].seq


def erase_expired(gateway: Gateway, retention: Mapping[str, int], now: datetime) -> Iterator[Found]:
    """Erase what `expired` finds erasable, batch by batch; what was found, as it is after that."""
    batch: list[Found] = []
    for found in expired(gateway, retention, now):
        batch.append(found)
        if len(batch) == BATCH:
            yield from _erase(gateway, batch, now)
            batch = []
    yield from _erase(gateway, batch, now)


def _erase(gateway: Gateway, batch: list[Found], now: datetime) -> list[Found]:
    """With an empty batch only the log is cut off: it may be that it could not be before."""
    wanted = [found.row.seq for found in batch if found.standing is Standing.ERASABLE]
    gone = set(gateway.store.erase(wanted, Why.RETENTION, now))
    for found in batch:
        if found.row.seq in gone:
            destroy_attachments(gateway, found.row)
    after = {True: Standing.ERASED, False: Standing.HELD}  # held since we looked
    return [
        found
        if found.standing is not Standing.ERASABLE
        else found._replace(standing=after[found.row.seq in gone])
        for found in batch
    ]


def kept_days(
    gateway: Gateway, retention: Mapping[str, int]
) -> dict[tuple[InterfaceCode, DocumentName, str], int]:
    """How many days bodies are kept, by interface, document and mode. Where several flows share these, the longest."""
    days: dict[tuple[InterfaceCode, DocumentName, str], int] = {}
    for flow in gateway.catalogue.flows():
        own = retention.get(f"{flow.interface}/{flow.document}", flow.kept_days)
        place = (flow.interface, flow.document, flow.mode.value)
        days[place] = max(days.get(place, 0), own)
    return days


def _ago(now: datetime, days: int) -> datetime:
    """So many days before now, or the beginning of time."""
    begin = datetime.min.replace(tzinfo=now.tzinfo)
    return now - timedelta(days=days) if now - begin > timedelta(days=days) else begin


def open_disputes(store: Store) -> frozenset[tuple[PartyId, AgreementId | None]]:
    """The partners and agreements under which somebody disputed something and got no answer yet. As long as one is open,
    everything under its agreement may be needed."""
    asked: dict[tuple[PartyId, AgreementId | None, str], bool] = {}
    for document in ("dispute", "dispute_answer"):
        for outgoing in (True, False):
            for row in _all(store, outgoing, DocumentName(document)):
                body = None if row.erased is not None else read_message(row.body)[1]
                if isinstance(body, Dispute) and row.state not in _CAME_TO_NOTHING:
                    asked.setdefault((partner_of(row), row.agreement, body.dispute), True)
                elif isinstance(body, DisputeAnswer) and row.state in DELIVERED:
                    asked[partner_of(row), row.agreement, body.dispute] = False
    return frozenset((partner, agreement) for (partner, agreement, _), is_open in asked.items() if is_open)


def _all(store: Store, outgoing: bool, document: DocumentName) -> Iterator[MessageRow]:
    after = 0
    while rows := store.messages(Query(outgoing=outgoing, after=after, document=document)):
        yield from rows
        after = rows[-1].seq


def what_is_left(row: MessageRow) -> str:
    """What to say of an erased body: when, by which rule, and what there is still."""
    if row.erased is None:
        return ""
    return (
        f"the body was erased {row.erased.at:%Y-%m-%d %H:%M:%SZ} ({row.erased.why}); "
        f"its header, its hash {row.leaf.hex()}, the receipt and the journal are left"
    )
