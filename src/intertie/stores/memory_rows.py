"""Rows of the store in memory: how they are made, and what is asked of one alone."""

from __future__ import annotations

from datetime import datetime

from intertie.exchange import outbound
from intertie.exchange.ordering import Waiting
from intertie.exchange.outbound import State
from intertie.gateway.ports import MessageRow, NewMessage, Query
from intertie.model.ids import ParcelId, PartyId


def partner_of(row: MessageRow) -> PartyId:
    """The other party of a message."""
    return row.recipient if row.outgoing else row.sender


def new_row(message: NewMessage, seq: int, now: datetime, parcel: ParcelId | None) -> MessageRow:
    """The row of a message that was queued (parcel None) or received."""
    return MessageRow(
        seq=seq,
        outgoing=parcel is None,
        id=message.id,
        sender=message.sender,
        recipient=message.recipient,
        interface=message.interface,
        document=message.document,
        mode=message.mode,
        conversation=message.conversation,
        agreement=message.agreement,
        created=message.created,
        expires=message.expires,
        priority=message.priority,
        state=State.QUEUED if parcel is None else State.ACCEPTED,
        leaf=message.leaf,
        parcel=parcel,
        position=None if parcel is None else message.position,
        at=now,
        done_at=None if parcel is None else now,
        attempts=0,
        next_attempt=None,
        detail="",
        body=message.body,
        size=len(message.body),
    )


def is_due(row: MessageRow, now: datetime) -> bool:
    """Whether it could go now, were it alone."""
    return row.state is State.QUEUED and row.expires > now and outbound.is_due(row.next_attempt, now)


def waiting(row: MessageRow) -> Waiting:
    """What ordering asks of it."""
    return Waiting(row.seq, row.priority, row.conversation, row.size)


def matches(row: MessageRow, query: Query) -> bool:
    """Whether a query asks for it."""
    return (
        row.outgoing == query.outgoing
        and row.seq > query.after
        and query.partner in (None, partner_of(row))
        and query.document in (None, row.document)
        and query.conversation in (None, row.conversation)
        and (query.states is None or row.state in query.states)
    )
