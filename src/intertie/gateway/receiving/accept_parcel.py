"""Receiving a parcel: the ten steps of the order of verification (docs/parcel.md), then one transaction, then the answer.

The steps before 5 cost little and keep nothing secret in memory; each later one is reached only by what passed
the ones before it. A refused message never takes the parcel down with it: the receipt says which, and why.
Step 11, answering, belongs to the binding: it sends what `accept` returned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from intertie.catalogue.flow import Flow
from intertie.exchange.joining import check_live
from intertie.gateway.attaching.take_attachment import check_arrived
from intertie.gateway.gateway import Gateway, Partner, Peer
from intertie.gateway.ports import NewMessage, ParcelRow, Refusal
from intertie.gateway.receiving.scopes import check_scopes
from intertie.gateway.sending.own_keys import good_receipt, keys_towards, own_chains
from intertie.gateway.trading.trade import Rules
from intertie.journal.checkpoint import Head
from intertie.model.documents import read_body
from intertie.model.errors import Code, Refused
from intertie.model.ids import MessageId, ParcelId, PartyId
from intertie.model.message import Envelope, Header, read_envelope
from intertie.seal.parcel import Frame, Opened, Verified, open_frame, read_frame, verify_manifest
from intertie.seal.receipt import JournalHead, Outcome, Receipt, sign_receipt


class _Reading(NamedTuple):
    """What step 9 found in a parcel, message by message."""

    messages: list[NewMessage]
    refusals: list[Refusal]
    outcomes: list[Outcome]


class _Verdict(NamedTuple):
    """What a message that is not refused is."""

    new: bool
    traded: bool


_DUPLICATE, _PLAIN, _TRADED = _Verdict(False, False), _Verdict(True, False), _Verdict(True, True)


def accept(gateway: Gateway, blob: bytes, *, peer: Peer | None, now: datetime) -> bytes:
    """Take a parcel in; the bytes of the signed receipt, once everything it says is on disk.

    `peer` is the party that the transport authenticated, and how (None where it authenticated nobody, and then step 4
    refuses). Raises Refused, journaled, when the parcel as a whole is refused; StoreError when
    nothing could be kept, and then nothing was.
    """
    digest = hashlib.sha256(blob).digest()
    party = peer.party if peer is not None else None
    try:
        with gateway.observer.span("frame"):
            frame = read_frame(blob, limit=gateway.limits.parcel_bytes)  # steps 1 and 2
    except Refused as refused:
        keep_refusal(gateway, refused, None, party, digest, now)
        raise
    try:
        return _accept_frame(gateway, frame, digest, peer, now)
    except Refused as refused:
        keep_refusal(gateway, refused, frame.header.parcel, party, digest, now)
        raise


def _accept_frame(gateway: Gateway, frame: Frame, digest: bytes, peer: Peer | None, now: datetime) -> bytes:
    header, span = frame.header, gateway.observer.span
    partner = _known_sender(gateway, frame)  # step 3
    if peer is None or peer.party != header.sender:  # step 4
        belongs = peer.party if peer is not None else "nobody"
        raise Refused(
            Code.TRANSPORT_NOT_SENDER, f"the connection belongs to {belongs}", partner=header.sender
        )
    with span("repeat"):
        receipt = _repeat(gateway, frame, digest, now)  # step 5
    if receipt is not None:
        return receipt
    with span("open"):
        opened = open_frame(frame, gateway.keys)  # step 6
    with span("verify"):
        verified = verify_manifest(frame, opened, partner.keys, gateway.trust, now)  # steps 7 and 8
    if len(opened.messages) > gateway.limits.messages_per_parcel:
        raise Refused(
            Code.TOO_LARGE, f"more than {gateway.limits.messages_per_parcel} messages", partner=header.sender
        )
    envelopes = [_envelope_or_refusal(raw) for raw in opened.messages]
    # Step 4 for what only an open parcel shows. The whole of it: its sender knew the scopes of its token.
    if peer.scopes is not None:
        headers = (envelope.header for envelope in envelopes if isinstance(envelope, Envelope))
        check_scopes(headers, peer.scopes, header.sender)
    with span("messages"):
        reading = _read_messages(
            gateway, partner, peer, opened, verified, envelopes, header.parcel, now
        )  # step 9
    with span("commit"):
        return _commit(gateway, partner, peer, frame, opened, verified, reading, digest, now)  # step 10


def _known_sender(gateway: Gateway, frame: Frame) -> Partner:
    """Step 3: sender known and not suspended; recipient is this party."""
    header = frame.header
    partner = gateway.partners.find(header.sender)
    if partner is None:
        raise Refused(Code.UNKNOWN_SENDER, partner=header.sender)
    if partner.suspended:
        raise Refused(Code.SENDER_SUSPENDED, partner=header.sender)
    if header.recipient != gateway.party.id:
        raise Refused(
            Code.WRONG_RECIPIENT, f"for {header.recipient}, this is {gateway.party.id}", partner=header.sender
        )
    return partner


def _repeat(gateway: Gateway, frame: Frame, digest: bytes, now: datetime) -> bytes | None:
    """Step 5: a repeat changes nothing and gets the very same receipt, as long as its signatures count."""
    known = gateway.store.find_incoming_parcel(frame.header.sender, frame.header.parcel)
    if known is None:
        return None
    if known.digest != digest:
        raise Refused(Code.PARCEL_ID_REUSED, partner=frame.header.sender)
    if known.receipt is None:
        return None
    return good_receipt(gateway, known.partner, known.id, known.receipt, now)


def _read_messages(
    gateway: Gateway,
    partner: Partner,
    peer: Peer,
    opened: Opened,
    verified: Verified,
    envelopes: Sequence[Envelope | Refused],
    parcel: ParcelId,
    now: datetime,
) -> _Reading:
    """Step 9 for each message, in order."""
    reading = _Reading([], [], [])
    within: dict[MessageId, bytes] = {}
    proven = partial(
        verified.proven.admit,
        transport=peer.transport,
        sender_roles=partner.roles,
        recipient_roles=gateway.party.roles,
        policy=gateway.policy_on(now),
    )
    admit = _once_a_flow(partial(_on_waybill, proven, peer.waybill))
    rules = Rules(gateway, partner, now, sending=False)
    ids = [e.header.id for e in envelopes if isinstance(e, Envelope)]
    known = gateway.store.find_incoming(partner.party, ids) if ids else {}
    for position, (raw, leaf, envelope) in enumerate(
        zip(opened.messages, verified.leaf_hashes, envelopes, strict=True)
    ):
        try:
            if isinstance(envelope, Refused):
                raise envelope
            header = envelope.header
            seen = within.get(header.id) or known.get(header.id)
            verdict = _check_message(gateway, partner, envelope, leaf, seen, admit, rules, now)
        except Refused as refused:
            message = envelope.header.id if isinstance(envelope, Envelope) else None
            reading.outcomes.append(refused_outcome(message, leaf, refused))
            reading.refusals.append(
                refusal_of(refused, parcel, partner.party, message, hashlib.sha256(raw).digest(), now)
            )
            continue
        within[header.id] = leaf
        outcome = Outcome(
            message=header.id, leaf=leaf.hex(), status="accepted" if verdict.new else "duplicate"
        )
        reading.outcomes.append(outcome)
        if verdict.new:
            kept = new_message(raw, leaf, position, header)
            reading.messages.append(kept._replace(traded=True) if verdict.traded else kept)
    return reading


def _on_waybill(admit: Callable[[Header], Flow], waybill: frozenset[str] | None, header: Header) -> Flow:
    """The flow of a message; Refused(RELAY_NOT_ALLOWED) if it came by a relay and may not, or its waybill is silent about it."""
    flow = admit(header)
    if waybill is not None and (not flow.relay or flow.key not in waybill):
        detail = f"{flow.key} came by a relay" + (
            "" if flow.relay else ", which the catalogue does not let it"
        )
        raise Refused(Code.RELAY_NOT_ALLOWED, detail, message=header.id, partner=header.sender)
    return flow


def _once_a_flow(admit: Callable[[Header], Flow]) -> Callable[[Header], Flow]:
    """The same answers for the messages of one parcel: what a header says of its flow decides, and a parcel has few flows. A
    refusal names its message, and is found anew."""
    found: dict[tuple[str, str, str], Flow] = {}

    def once(header: Header) -> Flow:
        place = header.interface, header.document, header.mode
        flow = found.get(place)
        if flow is None:
            flow = found[place] = admit(header)
        return flow

    return once


def _envelope_or_refusal(raw: bytes) -> Envelope | Refused:
    try:
        return read_envelope(raw)
    except Refused as refused:
        return refused


def _check_message(
    gateway: Gateway,
    partner: Partner,
    envelope: Envelope,
    leaf: bytes,
    seen: bytes | None,
    admit: Callable[[Header], Flow],
    rules: Rules,
    now: datetime,
) -> _Verdict:
    """Step 9 for one message, in the order of the design. Raises Refused.

    `admit` gives the flow of a header if the parcel's protection, and its connection, are what the flow needs.
    """
    header = envelope.header
    sender = header.sender
    if sender != partner.party or header.recipient != gateway.party.id:
        raise Refused(
            Code.HEADER_NOT_PARCEL,
            f"from {sender} to {header.recipient}",
            message=header.id,
            partner=partner.party,
        )
    if envelope.translated is not None:  # only we say what our translation is of
        raise Refused(Code.BAD_MESSAGE, "translated: not in a parcel", message=header.id, partner=sender)
    check_live(partner.trial, header.conversation, header.agreement)
    flow = admit(header)
    if seen is not None:  # before the clock: a late repeat of what was accepted is still a repeat
        if seen != leaf:
            raise Refused(Code.MESSAGE_ID_REUSED, message=header.id, partner=sender)
        return _DUPLICATE
    check_times(header, gateway.limits.clock_skew_seconds, now)
    traded = rules.check(header, read_body(envelope), flow)
    check_arrived(gateway, partner.party, header.id, envelope.attachments, now)
    return _TRADED if traded else _PLAIN


def check_times(header: Header, skew_seconds: int, now: datetime) -> None:
    """Whether a message lives, and is not of our future; Refused(EXPIRED | FROM_THE_FUTURE)."""
    if header.expires <= now:
        raise Refused(
            Code.EXPIRED, f"expired {header.expires.isoformat()}", message=header.id, partner=header.sender
        )
    if header.created > now and header.created > now + timedelta(seconds=skew_seconds):
        detail = f"created {header.created.isoformat()}, here it is {now.isoformat()}"
        raise Refused(Code.FROM_THE_FUTURE, detail, message=header.id, partner=header.sender)


def _commit(
    gateway: Gateway,
    partner: Partner,
    peer: Peer,
    frame: Frame,
    opened: Opened,
    verified: Verified,
    reading: _Reading,
    digest: bytes,
    now: datetime,
) -> bytes:
    """Step 10: messages, refusals, journal entries and receipt in one transaction.

    The receipt is signed under a certificate that the partner knows; the chains of both sides' signatures are kept
    first, so that no message is there whose evidence could not be exported after the keys have changed.
    """
    header = frame.header
    keys = keys_towards(gateway, partner.party, now)
    gateway.store.keep_chains({**partner.keys.chains, **own_chains(keys)})

    final: list[Outcome] = []

    def write_receipt(outcomes: Sequence[Outcome], head: Head) -> bytes:
        final[:] = outcomes  # the store may write twice; the last time counts
        receipt = Receipt(
            v=1,
            parcel=header.parcel,
            root=verified.root.hex(),
            sender=gateway.party.id,
            recipient=partner.party,
            received=now,
            outcomes=tuple(outcomes),
            journal=JournalHead(size=head.size, root=head.root.hex()),
        )
        return sign_receipt(receipt, keys, verified.profile)

    row = ParcelRow(
        id=header.parcel,
        outgoing=False,
        partner=partner.party,
        digest=digest,
        blob=None,
        manifest=opened.manifest,
        leaves=b"".join(verified.leaf_hashes),
        receipt=None,
        at=now,
        transport=peer.transport,
    )
    receipt = gateway.store.accept(
        row, reading.messages, reading.refusals, reading.outcomes, write_receipt, now
    )
    gateway.observer.accepted(partner.party, reading.messages, final)
    return receipt


def new_message(raw: bytes, leaf: bytes, position: int, header: Header) -> NewMessage:
    """The index row of a message from its header."""
    return NewMessage(  # by place: one for each message, and names cost as much as the row
        raw,
        leaf,
        position,
        header.id,
        header.sender,
        header.recipient,
        header.interface,
        header.document,
        header.mode.value,
        header.conversation,
        header.agreement,
        header.created,
        header.expires,
        header.priority,
    )


def refused_outcome(message: MessageId | None, leaf: bytes, refused: Refused) -> Outcome:
    """The line of the receipt for a message that is refused."""
    return Outcome(
        message=message,
        leaf=leaf.hex(),
        status="refused",
        code=refused.code.value,
        detail=refused.detail[:300],
    )


def refusal_of(
    refused: Refused,
    parcel: ParcelId | None,
    partner: PartyId | None,
    message: MessageId | None,
    digest: bytes,
    now: datetime,
) -> Refusal:
    """What is kept of something refused."""
    return Refusal(
        at=now,
        partner=partner,
        parcel=parcel,
        message=message,
        code=refused.code.value,
        step=refused.step,
        detail=refused.detail[:300],
        digest=digest,
    )


def keep_refusal(
    gateway: Gateway,
    refused: Refused,
    parcel: ParcelId | None,
    partner: PartyId | None,
    digest: bytes,
    now: datetime,
) -> None:
    """A refused parcel leaves nothing behind but this. Only a party that the transport named, with a token that covers
    what it hands in, can make us write it: nobody else writes anything to our disk."""
    if refused.code is Code.INSUFFICIENT_SCOPE:
        return
    if partner is not None and gateway.partners.find(partner) is not None:
        gateway.store.refuse(refusal_of(refused, parcel, partner, None, digest, now))
