"""Whatever another gateway hands over, by whichever door: a parcel, a parcel with its waybill, or what became of one of ours.

The first four bytes say which it is. What goes back is one signed statement in every case.
"""

from __future__ import annotations

import hashlib
import random
from datetime import datetime

from intertie.gateway.gateway import Gateway, Peer
from intertie.gateway.receiving.accept_parcel import accept, keep_refusal
from intertie.gateway.relaying.accept_relayed import accept_relayed
from intertie.gateway.relaying.relay_parcel import relay
from intertie.gateway.relaying.take_return import take_return
from intertie.model.errors import Refused
from intertie.seal.hop import RETURN, read_return
from intertie.seal.parcel import MAGIC, read_frame
from intertie.seal.waybill import CONSIGNMENT, TRAIL_BYTES_MAX, WAYBILL_BYTES_MAX, read_consignment

# How what goes between gateways begins, but for what answers it.
OURS = (MAGIC, CONSIGNMENT, RETURN)

# What may be around a parcel: its waybill and trail. A parcel alone is held to its own limit once it is here.
AROUND_BYTES_MAX = WAYBILL_BYTES_MAX + TRAIL_BYTES_MAX + 12


def receive(gateway: Gateway, blob: bytes, *, peer: Peer | None, now: datetime) -> bytes:
    """The bytes of the signed receipt, hop receipt or confirmation, once everything it says is on disk; raises as `accept`."""
    if blob.startswith(RETURN):
        return take_return(gateway, blob, peer=peer, now=now, random=random.random)
    if not blob.startswith(CONSIGNMENT):
        return accept(gateway, blob, peer=peer, now=now)
    digest = hashlib.sha256(blob).digest()
    try:
        one = read_consignment(blob, limit=gateway.limits.parcel_bytes)
    except Refused as refused:
        keep_refusal(gateway, refused, None, peer.party if peer is not None else None, digest, now)
        raise
    if one.waybill.recipient == gateway.party.id:
        return accept_relayed(gateway, one, digest, peer=peer, now=now)
    return relay(gateway, one, digest, peer=peer, now=now)


def name_of(blob: bytes) -> str:
    """How a file of it is called: by its parcel, and by what it is. Refused if that cannot be read."""
    if blob.startswith(RETURN):
        return f"{read_return(blob).parcel}.itr"
    if blob.startswith(CONSIGNMENT):
        return f"{read_consignment(blob, limit=len(blob)).waybill.parcel}.itc"
    return f"{read_frame(blob, limit=len(blob)).header.parcel}.itp"


def is_ours(content: bytes) -> bool:
    """Whether the bytes say that they are something between gateways: a file of another kind does not begin so."""
    return content.startswith(OURS)
