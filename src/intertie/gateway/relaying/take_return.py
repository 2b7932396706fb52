"""What became of a parcel comes back from the relay that took it: to its sender, or to the relay before.

The recipient's receipt closes a parcel of ours by the same code as one that came as an answer; a relay's notice refuses it, or
ends it, by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from intertie.exchange.outbound import State
from intertie.exchange.relaying import Event
from intertie.gateway.gateway import Gateway, LinkAnswer, Partner, Peer
from intertie.gateway.ports import ParcelRow
from intertie.gateway.proving.chains import chains_for
from intertie.gateway.receiving.accept_parcel import keep_refusal
from intertie.gateway.relaying.relay_parcel import check_scope, known
from intertie.gateway.relaying.relay_ports import Relayed
from intertie.gateway.sending.answers import close_by_receipt, judge_answer, profile_of, read_receipt_of
from intertie.gateway.sending.own_keys import keys_towards, own_chains
from intertie.journal.entry import Entry, Kind
from intertie.model.errors import RULES, Code, Refused
from intertie.model.ids import ParcelId, PartyId
from intertie.model.message import utc
from intertie.seal.certificates import thumbprint
from intertie.seal.hop import (
    Hop,
    Return,
    part_of,
    read_hop,
    read_return,
    sign_hop,
    verify_part,
    write_return,
)
from intertie.seal.jws import read_jws
from intertie.seal.profile import Profile, profile_of_suite
from intertie.seal.receipt import RECEIPT_BYTES_MAX, RECEIPT_TYP, JournalHead, read_receipt, verify_receipt
from intertie.seal.signed_part import Part, read_chains

Random = Callable[[], float]


def take_return(gateway: Gateway, blob: bytes, *, peer: Peer | None, now: datetime, random: Random) -> bytes:
    """Take what became of a parcel; our signed confirmation, once it is on disk. Raises Refused, journaled; StoreError."""
    party = peer.party if peer is not None else None
    digest = hashlib.sha256(blob).digest()
    parcel: ParcelId | None = None
    try:
        came = read_return(blob)
        parcel = came.parcel
        if peer is None:
            raise Refused(Code.TRANSPORT_NOT_SENDER, "the connection belongs to nobody")
        known(gateway, peer.party)
        check_scope(peer)
        ours = gateway.store.parcel(parcel, outgoing=True)
        if ours is not None:
            return _at_sender(gateway, ours, came, peer, now, random)
        row = gateway.store.relayed(parcel)
        if row is None or row.next != peer.party:
            raise Refused(Code.NOT_RELAYED, partner=peer.party)
        return _at_relay(gateway, row, came, peer, now)
    except Refused as refused:
        keep_refusal(gateway, refused, parcel, party, digest, now)
        raise


def _at_sender(
    gateway: Gateway, parcel: ParcelRow, came: Return, peer: Peer, now: datetime, random: Random
) -> bytes:
    partner = gateway.partners.find(parcel.partner)
    if partner is None or partner.via != peer.party:
        raise Refused(Code.NOT_RELAYED, f"parcels to {parcel.partner} go another way", partner=peer.party)
    profile = profile_of(gateway, parcel)
    about = parcel.id, parcel.digest.hex(), gateway.party.id, parcel.partner
    _keep_hops(gateway, parcel, came.hops, about, profile, now)
    if came.receipt is not None:
        receipt = read_receipt_of(gateway, partner, parcel, came.receipt, now)
        rows = gateway.store.parcel_messages(parcel.id, outgoing=True)
        if parcel.receipt is None and len(rows) * 32 == len(parcel.leaves):
            answer = LinkAnswer(200, came.receipt, None, peer.transport)
            close_by_receipt(gateway, partner, parcel, rows, receipt, answer, now, random)
    elif came.notice is not None:
        notice = _notice(gateway, came.notice, about, profile, now)
        _keep_hops(gateway, parcel, [came.notice], about, profile, now)
        if parcel.receipt is None and parcel.blob is not None:
            _end(gateway, partner, parcel, notice, now, random)
    return _confirmation(gateway, parcel.id, about, profile, peer.party, now)


def _end(
    gateway: Gateway, partner: Partner, parcel: ParcelRow, notice: Hop, now: datetime, random: Random
) -> None:
    """A relay will not carry it any further: refused with its code, or expired on the way."""
    if notice.status == "refused":
        code = notice.code if notice.code in RULES else Code.NOT_RELAYED.value
        said = f"{notice.by}: {notice.detail}"[:300]
        body = msgspec.json.encode({"code": code, "detail": said, "retry": False})
        judge_answer(
            gateway, partner, parcel, LinkAnswer(RULES[Code(code or "")].http, body, None), now, random
        )
        return
    rows = gateway.store.parcel_messages(parcel.id, outgoing=True)
    said = f"expired at {notice.by}, which could not hand it to {notice.next}: {notice.detail}"[:300]
    entry = Entry(
        kind=Kind.ACT,
        at=now,
        partner=parcel.partner,
        parcel=parcel.id,
        digest=parcel.digest.hex(),
        note="expired",
    )
    outcomes = [(row.id, State.EXPIRED, said) for row in rows]
    gateway.store.close_parcel(parcel.id, None, outcomes, [entry], now)


def _at_relay(gateway: Gateway, row: Relayed, came: Return, peer: Peer, now: datetime) -> bytes:
    """It goes on back: with the hop receipt of the relay that brought it, and of those behind."""
    profile = profile_of_suite(row.suite)
    about = row.parcel, row.digest.hex(), row.sender, row.recipient
    behind = [*onward_parts(gateway, row), *came.hops]
    if came.receipt is not None:
        check_passing_receipt(gateway, row, came.receipt, profile, now)
        answer, event = write_return(row.parcel, behind, receipt=came.receipt), Event.RECEIPT
        note, digest = "relay: receipt", hashlib.sha256(came.receipt).digest()
    else:
        assert came.notice is not None
        notice = _notice(gateway, came.notice, about, profile, now)
        event = Event.REFUSE if notice.status == "refused" else Event.EXPIRE
        answer = write_return(row.parcel, behind, notice=came.notice)
        note, digest = f"relay: {notice.status}", row.digest
    entry = Entry(
        kind=Kind.ACT, at=now, partner=peer.party, parcel=row.parcel, digest=digest.hex(), note=note
    )
    gateway.store.move_relayed(row.parcel, event, entry, answer=answer)
    return _confirmation(gateway, row.parcel, about, profile, peer.party, now)


def check_passing_receipt(
    gateway: Gateway, row: Relayed, raw: bytes, profile: Profile, now: datetime
) -> None:
    """The recipient's receipt for this parcel, as far as a relay can tell: what it says of each message the sender checks.
    Of a recipient that is no partner here the signature is not ours to judge. Raises Refused."""
    recipient = gateway.partners.find(row.recipient)
    if recipient is not None and recipient.keys.signing:
        receipt = verify_receipt(raw, writer=recipient.keys, trust=gateway.trust, now=now, least=profile)
    else:
        receipt = read_receipt(read_jws(raw, RECEIPT_TYP, limit=RECEIPT_BYTES_MAX).payload, row.next)
    if (receipt.parcel, receipt.sender, receipt.recipient) != (row.parcel, row.recipient, row.sender):
        raise Refused(Code.BAD_MANIFEST, "the receipt is for something else", partner=row.next)


def onward_parts(gateway: Gateway, row: Relayed) -> list[Part]:
    """The hop receipt of the relay that took it from us, with its certificates; none if it went to its recipient."""
    if row.onward is None:
        return []
    return [part_of(row.onward, chains_for(gateway, read_hop(row.onward).jws, row.next))]


def _notice(gateway: Gateway, part: Part, about: tuple[str, ...], profile: Profile, now: datetime) -> Hop:
    """A relay's notice about this parcel, verified; Refused."""
    hop = verify_part(part, gateway.trust, now, profile)
    if (
        hop.status not in ("refused", "expired")
        or (hop.parcel, hop.digest, hop.sender, hop.recipient) != about
    ):
        raise Refused(Code.BAD_WAYBILL, "it is no notice about this parcel", partner=hop.by)
    return hop


def _keep_hops(
    gateway: Gateway,
    parcel: ParcelRow,
    parts: Sequence[Part],
    about: tuple[str, ...],
    profile: Profile,
    now: datetime,
) -> None:
    """What relays behind ours signed is kept as proof where it verifies by roots that we trust: it is nothing that the parcel's
    outcome hangs on."""
    kept = []
    for part in parts:
        try:
            hop = verify_part(part, gateway.trust, now, profile)
        except Refused:
            continue
        if (hop.parcel, hop.digest, hop.sender, hop.recipient) != about:
            continue
        gateway.store.keep_chains(
            {thumbprint(chain[0]): chain for chain in read_chains(part.chains).values()}
        )
        kept.append(bytes(part.jws))
    gateway.store.keep_hops(parcel.id, outgoing=True, partner=parcel.partner, statements=kept, now=now)


def _confirmation(
    gateway: Gateway,
    parcel: ParcelId,
    about: tuple[str, ...],
    profile: Profile,
    towards: PartyId,
    now: datetime,
) -> bytes:
    """That it arrived, signed for the relay that brought it."""
    keys = keys_towards(gateway, towards, now)
    gateway.store.keep_chains(own_chains(keys))
    head = gateway.store.head()
    said = Hop(
        v=1,
        status="returned",
        parcel=parcel,
        digest=about[1],
        sender=PartyId(about[2]),
        recipient=PartyId(about[3]),
        by=gateway.party.id,
        hop=0,
        at=utc(now),
        expires=utc(now),
        journal=JournalHead(size=head.size, root=head.root.hex()),
    )
    return sign_hop(said, keys, profile)
