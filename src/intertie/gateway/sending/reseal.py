"""A parcel that a partner refuses because of keys, or of its size: its bytes will never be taken, its messages may be,
under other keys or in smaller parcels.

No message can arrive twice: the parcel was refused whole, and the messages keep their ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from intertie.gateway.gateway import Gateway, Link
from intertie.gateway.partners.descriptors import fetch_descriptor
from intertie.gateway.ports import MessageRow, ParcelRow
from intertie.gateway.sending.own_keys import keys_towards, own_chains
from intertie.model.errors import Code, PartnerError, Refused
from intertie.seal.jws import read_jws
from intertie.seal.parcel import MANIFEST_BYTES_MAX, MANIFEST_TYP, read_frame
from intertie.seal.tree import HASH_BYTES

# Refusals of a signature's certificate: ours was revoked, ran out, or is not known to the partner (yet, or any more).
CERTIFICATE_CODES = frozenset({Code.UNKNOWN_CERTIFICATE, Code.CERTIFICATE_REVOKED, Code.CERTIFICATE_EXPIRED})


class Remedy(StrEnum):
    """What to do with a parcel that was refused because of keys or size."""

    FINAL = "final"  # nothing helps: refused for good
    WAIT = "wait"  # the same bytes again, later: keys have to change first
    AGAIN = "again"  # its messages, in a new parcel, under the keys as they are now
    SMALLER = "smaller"  # its messages, in smaller parcels


async def find_remedy(gateway: Gateway, link: Link, parcel: ParcelRow, code: str, now: datetime) -> Remedy:
    """What helps against a refusal of the whole parcel; asks the partner for its descriptor if that may be it."""
    if code == Code.UNKNOWN_KEY:
        try:
            await fetch_descriptor(gateway, link, parcel.partner, now)
        except (PartnerError, Refused):
            return Remedy.WAIT
    return remedy_here(gateway, parcel, code, now)


def remedy_here(gateway: Gateway, parcel: ParcelRow, code: str, now: datetime) -> Remedy:
    """The same, by what is known here of the partner."""
    if code == Code.TOO_LARGE:  # its limits are its own; a single message that is too large stays it
        return Remedy.SMALLER if len(parcel.leaves) > HASH_BYTES else Remedy.FINAL
    if code == Code.UNKNOWN_KEY:
        # Sealed for the very key that its descriptor names: its door has not taken that key up yet, as right after a turn.
        return Remedy.AGAIN if _sealed_for_old(gateway, parcel) else Remedy.WAIT
    if code in CERTIFICATE_CODES:
        return Remedy.AGAIN if _signed_with_old(gateway, parcel, now) else Remedy.WAIT
    # Not the parcel but the connection was refused: once our TLS certificate is another, the same bytes are welcome.
    return Remedy.WAIT if code == Code.TRANSPORT_CERTIFICATE else Remedy.FINAL


def shrink(rows: Sequence[MessageRow], count: int, size: int) -> list[MessageRow]:
    """The first of these messages, fewer if a parcel with one of them was too large for the partner: half of `count` and of
    `size` (bytes) for each time that it was; at least one."""
    halved = max((row.attempts for row in rows if row.detail.startswith(f"{Code.TOO_LARGE}:")), default=0)
    if not halved:
        return list(rows)
    kept = list(rows[: max(1, count >> halved)])
    while len(kept) > 1 and sum(row.size for row in kept) > size >> halved:
        kept.pop()
    return kept


def _sealed_for_old(gateway: Gateway, parcel: ParcelRow) -> bool:
    """Whether the partner has a newer key for the suite than the one that this parcel is sealed for."""
    header = read_frame(parcel.blob or b"", limit=gateway.limits.parcel_bytes).header
    partner = gateway.partners.find(parcel.partner)
    key = partner.keys.sealing_key(header.suite) if partner is not None else None
    return key is not None and key.kid != header.kid


def _signed_with_old(gateway: Gateway, parcel: ParcelRow, now: datetime) -> bool:
    """Whether we would sign it with other keys today."""
    present = own_chains(keys_towards(gateway, parcel.partner, now))
    signatures = read_jws(parcel.manifest, MANIFEST_TYP, limit=MANIFEST_BYTES_MAX).signatures
    return any(signature.thumbprint not in present for signature in signatures)
