"""Sending: a body becomes a message under our name, checked as its recipient will check it, then queued durably."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from intertie.exchange.joining import check_live
from intertie.gateway.accept_parcel import new_message
from intertie.gateway.attachments import check_sealed
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.ports import NewMessage
from intertie.journal.entry import Entry, Kind
from intertie.model.attachment import AttachmentRef
from intertie.model.documents import document_of, read_body
from intertie.model.errors import Code, Refused
from intertie.model.ids import (
    AgreementId,
    ConversationId,
    InterfaceCode,
    MessageId,
    PartyId,
    new_message_id,
)
from intertie.model.message import Header, Mode, Verb, read_envelope, utc, write_message
from intertie.model.record import Record
from intertie.seal.protect import check_protectable
from intertie.seal.tree import leaf_hash

# A message nobody gave an end lives for three days: over a weekend, within any adjustment window.
DEFAULT_LIFE = timedelta(days=3)


class Outgoing(Record, frozen=True, kw_only=True):
    """What a caller wants said. Everything not given follows from the document, the partner and the flow."""

    body: Record
    recipient: PartyId
    interface: InterfaceCode
    mode: Mode
    verb: Verb = Verb.CREATED
    agreement: AgreementId | None = None
    conversation: ConversationId | None = None
    in_reply_to: MessageId | None = None
    expires: datetime | None = None
    # For files: the id that they were sealed for (gateway/attachments.py), and what that gave.
    id: MessageId | None = None
    attachments: tuple[AttachmentRef, ...] = ()


def send(gateway: Gateway, outgoing: Sequence[Outgoing], now: datetime) -> list[MessageId]:
    """Queue messages, all or none, and return their ids; they are on disk when this returns.

    Raises Refused as the recipient would (unknown flow, wrong role, schema, agreement not in force), and if one side has
    no keys for what the flow needs, so that a mistake is seen here and not in a receipt.
    """
    return queue(gateway, [_compose(gateway, out, now) for out in outgoing], now)


def check_sendable(gateway: Gateway, out: Outgoing, now: datetime) -> None:
    """Whether `send` would queue this now, as far as can be told without its files; raises as `send` does."""
    check_outgoing(gateway, _compose(gateway, out, now), now)


def send_raw(gateway: Gateway, raw: bytes, now: datetime) -> MessageId:
    """Queue a message that a caller wrote in full, header and id included. Sending the same bytes again is harmless."""
    return queue(gateway, [raw], now)[0]


def queue(gateway: Gateway, raws: Sequence[bytes], now: datetime) -> list[MessageId]:
    """Check finished messages and queue them in one transaction."""
    checked = [check_outgoing(gateway, raw, now) for raw in raws]
    entries = [
        Entry(
            kind=Kind.MESSAGE_OUT,
            at=now,
            partner=message.recipient,
            message=message.id,
            digest=message.leaf.hex(),
        )
        for message in checked
    ]
    gateway.store.add_outgoing(checked, entries, now)
    return [message.id for message in checked]


def check_outgoing(gateway: Gateway, raw: bytes, now: datetime) -> NewMessage:
    """What the recipient's step 9 will ask, asked first."""
    envelope = read_envelope(raw)
    header = envelope.header
    if header.sender != gateway.party.id:
        raise Refused(
            Code.HEADER_NOT_PARCEL, f"sent as {header.sender}, this is {gateway.party.id}", message=header.id
        )
    partner = find_partner(gateway, header.recipient)
    check_live(partner.trial, header.conversation, header.agreement)
    flow = gateway.catalogue.admit(header, gateway.party.roles, partner.roles)
    if header.expires <= now:
        raise Refused(Code.EXPIRED, message=header.id, partner=partner.party)
    check_protectable(header, flow, gateway.keys, partner.keys, gateway.policy_on(now))
    read_body(envelope)
    if flow.agreement and not partner.agreement_in_force(header.agreement, now):
        detail = f"agreement {header.agreement or '(none named)'} with {partner.party} is not in force"
        raise Refused(Code.AGREEMENT_NOT_IN_FORCE, detail, message=header.id, partner=partner.party)
    check_sealed(gateway, envelope)
    return new_message(raw, leaf_hash(raw), 0, header)


def find_partner(gateway: Gateway, party: PartyId) -> Partner:
    """The partner, or a refusal that says what to do."""
    partner = gateway.partners.find(party)
    if partner is None:
        raise Refused(
            Code.UNKNOWN_SENDER, f"{party} is not a partner here; `intertie partner add` makes it one"
        )
    return partner


def _compose(gateway: Gateway, out: Outgoing, now: datetime) -> bytes:
    """The message's bytes: header from the flow, body as given."""
    kind = document_of(out.body)
    partner = find_partner(gateway, out.recipient)
    header = Header(
        id=out.id or new_message_id(now),
        verb=out.verb,
        document=kind.name,
        version=kind.version,
        interface=out.interface,
        mode=out.mode,
        sender=gateway.party.id,
        recipient=out.recipient,
        agreement=out.agreement,
        conversation=out.conversation,
        in_reply_to=out.in_reply_to,
        created=utc(now),
        expires=utc(out.expires or now + DEFAULT_LIFE),
    )
    flow = gateway.catalogue.admit(header, gateway.party.roles, partner.roles)
    header = msgspec.structs.replace(header, priority=flow.priority)
    return write_message(header, out.body, out.attachments)
