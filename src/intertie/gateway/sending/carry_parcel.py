"""Parcels that somebody carries: out to a file, and in from one. And flows without a way back, which need no more than that.

Who carries a parcel proves nothing, and need not: its signatures do. A receipt is carried back the same way, or is not.
"""

from __future__ import annotations

import random
from datetime import datetime
from typing import NamedTuple

from intertie.exchange.outbound import WAIT_MAX
from intertie.gateway.gateway import Gateway, LinkAnswer, Partner, Peer
from intertie.gateway.receiving.pull import confirm
from intertie.gateway.receiving.receive import is_ours, name_of, receive
from intertie.gateway.relaying.consign import consign, take_hop_receipt
from intertie.gateway.sending.answers import hand_over
from intertie.gateway.sending.next_parcel import next_parcel
from intertie.gateway.sending.send_message import find_partner
from intertie.model.errors import Code, PartnerError, Refused
from intertie.model.ids import ParcelId, PartyId
from intertie.seal.hop import RETURN, read_hop, read_return
from intertie.seal.jws import read_jws
from intertie.seal.parcel import read_frame
from intertie.seal.receipt import RECEIPT_BYTES_MAX, RECEIPT_TYP, is_receipt, read_receipt
from intertie.seal.waybill import CONSIGNMENT, read_consignment

# Parcels that were exported and not receipted: whoever carries them brings some receipts back before there are more.
CARRIED_MAX = 1000


class Exported(NamedTuple):
    """A parcel for somebody to carry."""

    parcel: ParcelId
    name: str  # how its file is called
    blob: bytes
    messages: int
    done: bool  # nothing comes back from this partner, and nothing is waited for


class Imported(NamedTuple):
    """What was carried here: `answer` is the signed statement to carry back, if there is one."""

    parcel: ParcelId
    what: str
    answer: bytes | None
    answer_name: str


def export_parcel(gateway: Gateway, party: PartyId, now: datetime) -> Exported | None:
    """The oldest parcel to a partner that is due, else what waits, sealed now; None if nothing is. The same bytes are due again
    after a while, until there is a receipt; to a partner from which nothing comes back they go once.

    Raises Refused for a partner that is none, PartnerError for one that is suspended or has no gateway.
    """
    partner = find_partner(gateway, party)
    if partner.suspended or partner.translated:
        what = "is suspended" if partner.suspended else "has no gateway"
        raise PartnerError(
            f"{party} {what}: no parcel goes to it", do="`intertie partner show` says how it stands."
        )
    found = next_parcel(gateway, partner, None, now, due=now, most=CARRIED_MAX)
    if found is None:
        return None
    parcel, rows, _ = found
    blob = parcel.blob or b""
    if partner.via is not None:
        blob = consign(gateway, partner, parcel, rows, now)
    said = "exported to be carried; no receipt yet"
    done = hand_over(gateway, parcel, rows, said, now)
    if not done:
        gateway.store.retry_parcel(parcel.id, now + WAIT_MAX, said)
    return Exported(parcel.id, name_of(blob), blob, len(rows), done)


def import_carried(gateway: Gateway, content: bytes, now: datetime, *, by: PartyId | None = None) -> Imported:
    """Take what somebody carried here: a parcel, one for another by us as its relay, what became of one, or a receipt. `by` says
    whose it is where its bytes do not: the relay that it comes from.

    Raises Refused, journaled, as over a connection; StoreError.
    """
    if not is_ours(content):
        return _answer(gateway, content, now)
    if content.startswith(RETURN):
        parcel, sender = read_return(content).parcel, _brings_back(gateway, content)
    elif content.startswith(CONSIGNMENT):
        one = read_consignment(content, limit=gateway.limits.parcel_bytes)
        last = read_hop(one.trail[-1]).hop.by if one.trail else one.waybill.sender
        parcel, sender = one.waybill.parcel, last
    else:
        header = read_frame(content, limit=gateway.limits.parcel_bytes).header
        parcel, sender = header.parcel, header.sender
    raw = receive(gateway, content, peer=Peer(by or sender), now=now)
    kind = "receipt" if is_receipt(raw) else read_hop(raw).hop.status
    return Imported(parcel, f"from {sender}", raw, f"{parcel}.{kind}.json")


def _answer(gateway: Gateway, content: bytes, now: datetime) -> Imported:
    """A receipt for a parcel of ours, or a relay's hop receipt, or a confirmation."""
    if is_receipt(content):
        receipt = read_receipt(read_jws(content, RECEIPT_TYP, limit=RECEIPT_BYTES_MAX).payload)
        parcel, writer = receipt.parcel, receipt.sender
    else:
        hop = read_hop(content).hop
        parcel, writer = hop.parcel, hop.by
        ours = gateway.store.parcel(parcel, outgoing=True)
        relay = gateway.partners.find(writer)
        if ours is not None and relay is not None and _goes_by(gateway, ours.partner) == writer:
            if ours.blob is not None:
                take_hop_receipt(gateway, relay, ours, content, now)
            return Imported(parcel, f"{hop.status} by {writer}", None, "")
    found = confirm(gateway, Peer(writer), parcel, LinkAnswer(200, content, None), now, random.random)
    if found is None:
        raise Refused(Code.NOT_RELAYED, partner=writer)
    if not found.receipted:
        raise Refused(Code.BAD_MANIFEST, found.detail, partner=writer)
    return Imported(parcel, f"receipt of {writer}", None, "")


def _goes_by(gateway: Gateway, party: PartyId) -> PartyId | None:
    partner: Partner | None = gateway.partners.find(party)
    return partner.via if partner is not None else None


def _brings_back(gateway: Gateway, content: bytes) -> PartyId:
    """The relay that a return comes from: the one that our parcel was handed to, or that we passed it on to."""
    parcel = read_return(content).parcel
    ours = gateway.store.parcel(parcel, outgoing=True)
    if ours is not None and (via := _goes_by(gateway, ours.partner)) is not None:
        return via
    row = gateway.store.relayed(parcel)
    if row is None:
        raise Refused(Code.NOT_RELAYED)
    return row.next
