"""Sending: a body becomes a message under our name, checked as its recipient will check it, then queued durably."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from intertie.exchange.escalation import answer_by
from intertie.exchange.joining import check_live, is_test
from intertie.gateway.attaching.attachments import check_reachable, check_sealed
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.ports import NewMessage
from intertie.gateway.receiving.accept_parcel import new_message
from intertie.gateway.relaying.consign import check_relayed, check_way_back
from intertie.gateway.trading.trade import Rules
from intertie.gateway.translating.accept_translated import known_of, with_original
from intertie.gateway.translating.foreign import check_legacy
from intertie.journal.entry import Entry, Kind
from intertie.model.attachment import AttachmentRef
from intertie.model.documents import document_of, read_body
from intertie.model.errors import Code, IntertieError, Refused
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
from intertie.seal.profile import Profile
from intertie.seal.protect import check_able, profiles_of
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
    # For files: the id that they were sealed for (gateway/attaching/attachments.py), and what that gave.
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
    writer = Writer(gateway, now)
    checked = [writer.check(raw) for raw in raws]
    gateway.store.add_outgoing(checked, [queued_entry(message, now) for message in checked], now)
    return [message.id for message in checked]


def queued_entry(message: NewMessage, now: datetime) -> Entry:
    """The journal entry of a message that is queued."""
    return Entry(
        kind=Kind.MESSAGE_OUT,
        at=now,
        partner=message.recipient,
        message=message.id,
        digest=message.leaf.hex(),
    )


class Writer:
    """Checks messages that are written at one time: partners, keys and policy are looked up once for all of them."""

    def __init__(self, gateway: Gateway, now: datetime) -> None:
        self._gateway = gateway
        self._now = now
        self._keys = gateway.keys
        self._policy = gateway.policy_on(now)
        self._partners: dict[PartyId, tuple[Partner, list[Profile]]] = {}
        self._rules: dict[PartyId, Rules] = {}

    def check(self, raw: bytes) -> NewMessage:
        """What the recipient's step 9 will ask, asked first. Raises Refused as it would."""
        envelope = read_envelope(raw)
        header = envelope.header
        us = self._gateway.party
        if header.sender != us.id:
            raise Refused(
                Code.HEADER_NOT_PARCEL, f"sent as {header.sender}, this is {us.id}", message=header.id
            )
        partner, able = self._partner(header.recipient)
        check_live(partner.trial, header.conversation, header.agreement)
        flow, needed = self._policy.flow_of(header, us.roles, partner.roles)
        if header.expires <= self._now:
            raise Refused(Code.EXPIRED, message=header.id, partner=partner.party)
        check_relayed(flow, partner, header.id)
        check_way_back(flow, partner, header.id)
        if partner.translated:
            check_translated(partner, header, self._now)
        else:
            check_able(header, flow, needed, able, self._keys, partner.keys)
        body = read_body(envelope)
        self._rules_of(partner).check(header, body, flow)
        if partner.translated:
            raw = self._translate(partner, header, body)
        if envelope.attachments:
            check_reachable(partner)
            check_sealed(self._gateway, envelope)
        checked = new_message(raw, leaf_hash(raw), 0, header)
        if is_test(header.conversation):  # nothing happens if it comes late
            return checked
        return checked._replace(answer_by=answer_by(flow, self._now, header.expires))

    def _translate(self, partner: Partner, header: Header, body: Record) -> bytes:
        """The message with what it says in the partner's protocol, signed: so its author hears of what cannot be said there."""
        foreign, gateway = partner.foreign, self._gateway
        translator = gateway.translators.get(foreign.binding) if foreign is not None else None
        if foreign is None or translator is None:
            detail = f"{partner.party} speaks a protocol for which there are no settings here"
            raise Refused(Code.PROTECTION_TOO_WEAK, detail, message=header.id, partner=partner.party)
        again = self._queued_before(header, body)
        if again is not None:
            return again
        try:
            signed = translator.write(foreign, header, body, known_of(gateway, partner.party))
        except Refused:
            raise
        except IntertieError as error:
            raise Refused(Code.SCHEMA, str(error), message=header.id, partner=partner.party) from error
        return with_original(
            header, body, foreign.binding, signed, translator.keys(foreign, header.created).ours[0]
        )

    def _queued_before(self, header: Header, body: Record) -> bytes | None:
        """What was kept of this message when it was queued, if it was: some protocols number, sign or encrypt anew each time."""
        row = self._gateway.store.message(header.id, outgoing=True, partner=header.recipient)
        if row is None or not row.body:
            return None
        known = read_envelope(row.body)
        return row.body if known.header == header and read_body(known) == body else None

    def _rules_of(self, partner: Partner) -> Rules:
        found = self._rules.get(partner.party)
        if found is None:
            found = self._rules[partner.party] = Rules(
                self._gateway, partner, self._now, sending=True, beside=self._rules
            )
        return found

    def _partner(self, party: PartyId) -> tuple[Partner, list[Profile]]:
        """The partner, and the profiles that we and it can do."""
        found = self._partners.get(party)
        if found is None:
            partner = find_partner(self._gateway, party)
            found = self._partners[party] = partner, profiles_of(self._keys, partner.keys)
        return found


def check_translated(partner: Partner, header: Header, now: datetime) -> None:
    """Whether the partner's own protocol may carry anything now; Refused(PROTECTION_TOO_WEAK)."""
    if partner.foreign is not None:
        check_legacy(partner.party, partner.foreign, now.date(), header.id)


def check_outgoing(gateway: Gateway, raw: bytes, now: datetime) -> NewMessage:
    """One message, checked as its recipient will check it. Raises Refused as the recipient would."""
    return Writer(gateway, now).check(raw)


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
