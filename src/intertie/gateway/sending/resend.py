"""A dead letter is sent again: its content in a new message, which its journal entry links to the old one."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from intertie.exchange.dead_letters import death_of, may_have_arrived
from intertie.exchange.outbound import Event, step
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import MessageRow
from intertie.gateway.proving.erase import what_is_left
from intertie.gateway.sending.send_message import check_outgoing, queued_entry
from intertie.journal.entry import Entry, Kind
from intertie.model.errors import IntertieError
from intertie.model.ids import MessageId, new_message_id
from intertie.model.message import read_envelope, utc, write_message


class NotResentError(IntertieError):
    """The message is not sent again; `why` says what stands against it."""


def resend(
    gateway: Gateway,
    message: MessageId,
    now: datetime,
    *,
    life: timedelta | None = None,
    anyway: bool = False,
) -> MessageId:
    """Queue the content of a dead letter as a new message and return its id; it lives as long as the old one was meant to,
    or for `life`. One with files is not sent again: they were sealed for it alone.

    Once for each dead letter: ResentBefore names the message it was sent again as. NotResentError if its body was erased,
    or if the partner may have it although it never answered, unless that is wanted `anyway`. ImpossibleEvent for what is
    no dead letter. Raises Refused as `send` does: what was wrong must have been put right first.
    """
    row = gateway.store.message(message, outgoing=True)
    if row is None:
        raise NotResentError(
            f"no message {message} was sent from here", do="`intertie outbox --dead` lists them"
        )
    step(row.state, Event.RESEND, message=message)
    if row.erased is not None:
        raise NotResentError(f"message {message} cannot be sent again: {what_is_left(row)}")
    if not anyway and uncertain(gateway, row):
        raise NotResentError(
            f"message {message} was {row.state.value} without a receipt: {row.recipient} may have it from an attempt whose "
            "answer was lost, and its content would take effect twice",
            do="Ask them first; then send it again with --may-have-arrived.",
        )
    raw = _again(row, now, life)
    new = check_outgoing(gateway, raw, now)._replace(resends=message)
    linked = Entry(
        kind=Kind.ACT,
        at=now,
        partner=new.recipient,
        message=new.id,
        digest=new.leaf.hex(),
        note=f"resends:{message}",
    )
    gateway.store.add_outgoing([new], [queued_entry(new, now), linked], now)
    return new.id


def uncertain(gateway: Gateway, row: MessageRow) -> bool:
    """Whether the partner may have a dead letter of ours."""
    parcel = gateway.store.parcel(row.parcel, outgoing=True) if row.parcel is not None else None
    return may_have_arrived(
        row.state,
        sealed=row.parcel is not None,
        receipted=parcel is not None and parcel.receipt is not None,
        detail=row.detail,
    )


def _again(row: MessageRow, now: datetime, life: timedelta | None) -> bytes:
    """The same body, to the byte, under a new header."""
    envelope = read_envelope(row.body)
    if envelope.attachments:
        raise NotResentError(
            f"message {row.id} has files, which were sealed for it alone",
            do="`intertie message attachment` opens them; send it anew with `intertie send --attach`.",
        )
    old = envelope.header
    header = msgspec.structs.replace(
        old,
        id=new_message_id(now),
        created=utc(now),
        expires=utc(now + (life or old.expires - old.created)),
    )
    return write_message(header, envelope.body)


def why_dead(row: MessageRow) -> str:
    """Which end a dead letter came to, in a word; empty if it is none."""
    return death_of(row.state, sealed=row.parcel is not None) or ""
