"""A sealed parcel, or what answers one, that came as a file: it is taken as what it is, whichever door for files it came by.

The carrier verified whose file it is, as a connection does. What goes back is the same signed receipt, as a file; the carrier's
own receipt says beside it, for people, that it was taken, or why not.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from intertie.gateway.gateway import Gateway, LinkAnswer, Partner, Peer
from intertie.gateway.ports import ParcelRow
from intertie.gateway.receiving.pull import confirm
from intertie.gateway.receiving.receive import OURS, is_ours, name_of, receive
from intertie.gateway.receiving.scopes import FETCH, granted_to
from intertie.gateway.relaying.consign import take_hop_receipt
from intertie.gateway.translating.files import File, Item, Judged, Purpose
from intertie.gateway.translating.foreign import check_legacy
from intertie.model.errors import Code, Refused
from intertie.model.ids import ParcelId, derived_uuid7
from intertie.seal.hop import RETURN, read_hop, read_return
from intertie.seal.jws import read_jws
from intertie.seal.parcel import read_frame
from intertie.seal.receipt import RECEIPT_BYTES_MAX, RECEIPT_TYP, Outcome, is_receipt, read_receipt
from intertie.seal.waybill import CONSIGNMENT, read_consignment

# A receipt or a relay's statement: a JWS in its one spelling begins so.
_JWS = b'{"payload":"'
KIND = "application/jose+json"
# Makes what is kept as our answer; as gateway.translating.accept_file.AnswerWriter.
Writer = Callable[[Sequence[Judged], Sequence[File]], bytes]


class _Said(NamedTuple):
    """What became of it: for the carrier's receipt, and the signed answer, if there is one."""

    parcel: str
    refused: Refused | None
    file: File | None


# How anything between gateways begins: what a door without TLS asks of the first bytes of an upload.
BEGINNINGS = (*OURS, _JWS)


def is_carried(content: bytes) -> bool:
    """Whether a file is something between gateways, and none of a format for others."""
    return is_ours(content) or (content.startswith(_JWS) and _answered(content) is not None)


def is_sealed(content: bytes) -> bool:
    """Whether it may go where nothing protects it: a parcel whose frame can be read, or a signed answer to one. That it can be
    opened, and that its signatures verify, its recipient finds."""
    try:
        return is_carried(content) and (not is_ours(content) or bool(name_of(content)))
    except Refused:
        return False


def accept_carried(
    gateway: Gateway, partner: Partner, binding: str, content: bytes, write: Writer, now: datetime
) -> bytes:
    """Take it; our answer, once it is on disk that it is owed. The same again changes nothing. Raises StoreError."""
    said = _take(gateway, partner, content, now)
    outcome = Outcome(leaf=hashlib.sha256(content).hexdigest(), status="accepted")
    if said.refused is not None:
        outcome = Outcome(
            leaf=outcome.leaf,
            status="refused",
            code=said.refused.code.value,
            detail=said.refused.detail[:300],
        )
    # What was refused may be taken another time: its answer is of this time only.
    name = f"{content[:4]!r} {said.parcel}" + (f" {now.isoformat()}" if said.refused is not None else "")
    row = ParcelRow(
        id=ParcelId(derived_uuid7(binding, name)),
        outgoing=False,
        partner=partner.party,
        digest=hashlib.sha256(name.encode()).digest(),
        blob=None,
        manifest=binding.encode(),
        leaves=b"",
        receipt=None,
        at=now,
        owes=True,
    )
    known = gateway.store.find_incoming_parcel(partner.party, row.id)
    if known is not None and known.receipt is not None:
        gateway.store.owe_answer(partner.party, known.id, now)
        return known.receipt
    judged = [Judged(Item("the parcel", b""), outcome)]
    kept = write(judged, [said.file] if said.file is not None else [])
    return gateway.store.accept(row, [], [], [], lambda outcomes, head: kept, now)


def _take(gateway: Gateway, partner: Partner, content: bytes, now: datetime) -> _Said:
    peer = Peer(partner.party, None, granted_to(gateway, partner) - {FETCH})
    try:
        if partner.foreign is not None:
            check_legacy(partner.party, partner.foreign, now.date())
    except Refused as refused:
        about = _parcel_of(gateway, content) if is_ours(content) else _answered(content)
        return _Said(about or hashlib.sha256(content).hexdigest(), refused, None)
    if not is_ours(content):
        return _take_answer(gateway, peer, content, now)
    try:
        raw = receive(gateway, content, peer=peer, now=now)
    except Refused as refused:
        return _Said(_parcel_of(gateway, content) or hashlib.sha256(content).hexdigest(), refused, None)
    parcel = _parcel_of(gateway, content) or ""
    kind = "receipt" if is_receipt(raw) else read_hop(raw).hop.status
    name = f"{parcel}.{kind}.json"
    return _Said(parcel, None, File(name=name, kind=KIND, content=raw, purpose=Purpose.RECEIPT))


def _take_answer(gateway: Gateway, peer: Peer, content: bytes, now: datetime) -> _Said:
    """A receipt for a parcel that lay here as a file, or a relay's hop receipt for one that goes on by it."""
    about = _answered(content)
    assert about is not None
    ours = gateway.store.parcel(about, outgoing=True)
    behind = gateway.partners.find(ours.partner) if ours is not None else None
    try:
        if ours is not None and behind is not None and behind.via == peer.party:
            if ours.blob is not None:
                relay = gateway.partners.find(peer.party)
                assert relay is not None
                take_hop_receipt(gateway, relay, ours, content, now)
            return _Said(about, None, None)
        found = confirm(gateway, peer, about, LinkAnswer(200, content, None), now, random.random)
    except Refused as refused:
        return _Said(about, refused, None)
    if found is None:
        return _Said(about, Refused(Code.NOT_RELAYED, partner=peer.party), None)
    refusal = None if found.receipted else Refused(Code.BAD_MANIFEST, found.detail, partner=peer.party)
    return _Said(about, refusal, None)


def _parcel_of(gateway: Gateway, content: bytes) -> ParcelId | None:
    """Which parcel it is, or is about; None if that cannot be read."""
    limit = gateway.limits.parcel_bytes
    try:
        if content.startswith(RETURN):
            return read_return(content).parcel
        if content.startswith(CONSIGNMENT):
            return read_consignment(content, limit=limit).waybill.parcel
        return read_frame(content, limit=limit).header.parcel
    except Refused:
        return None


def _answered(content: bytes) -> ParcelId | None:
    """The parcel that a receipt, or a relay's statement, is about; None if it is neither."""
    try:
        return read_receipt(read_jws(content, RECEIPT_TYP, limit=RECEIPT_BYTES_MAX).payload).parcel
    except Refused:
        pass
    try:
        return read_hop(content).hop.parcel
    except Refused:
        return None
