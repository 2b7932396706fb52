"""The waybill: what the sender of a parcel says to relays, signed; and the consignment, a parcel with its waybill and its trail.

    "ITC1" | u32 length | waybill JWS | u32 length | trail JSON | parcel, byte for byte as it was sealed

The parcel is none of a relay's business. The waybill says what it may know: from whom to whom, which flows are inside, until when
it is worth carrying, and over how many relays. The trail is the hop receipts so far, in the order of the relays (seal/hop.py).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from intertie.model.errors import Code, Refused
from intertie.model.ids import ParcelRef, PartyName
from intertie.model.record import Record
from intertie.seal.certificates import TrustStore
from intertie.seal.encoding import read_canonical, require_utc, write_canonical
from intertie.seal.jws import Jws, read_jws, sign_json, verify_jws
from intertie.seal.keys import PrivateKeys, PublicKeys
from intertie.seal.parcel import Frame, read_frame
from intertie.seal.profile import Profile, profile_of_suite

CONSIGNMENT = b"ITC1"
WAYBILL_TYP = "intertie-waybill+jws"
# As many flows as a catalogue has, several times over, at 100 bytes each; and two signatures of hybrid-high.
FLOWS_MAX = 400
WAYBILL_BYTES_MAX = 64 * 1024
# More relays one after the other than anybody has reason to: each adds its time, and one that loops is found at the latest here.
HOPS_MAX = 8
# What a sender allows if its settings do not say: its own relay, its partner's, and one between them.
HOPS_DEFAULT = 3
# One hop receipt has two signatures of hybrid-high: 12 KB in base64.
TRAIL_BYTES_MAX = HOPS_MAX * 16 * 1024

_U32 = struct.Struct(">I")
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?!\n)$")]
FlowKey = Annotated[str, Meta(pattern=r"^[A-Z][A-Z0-9]{1,7}(\.[a-z][a-z0-9_>]{1,140}){3}(?!\n)$")]


class Waybill(Record, frozen=True, kw_only=True, rename={"sender": "from", "recipient": "to"}):
    """Which parcel (`digest`: SHA-256 of its bytes), from whom to whom, what is inside by name of flow, and how far it may go."""

    v: Literal[1]
    parcel: ParcelRef
    digest: Sha256
    sender: PartyName
    recipient: PartyName
    created: datetime
    expires: datetime
    hops: Annotated[int, Meta(ge=1, le=HOPS_MAX)]
    flows: Annotated[tuple[FlowKey, ...], Meta(min_length=1, max_length=FLOWS_MAX)]

    def check(self) -> None:
        """One instant, one spelling; each flow once, in order."""
        require_utc("created", self.created)
        require_utc("expires", self.expires)
        if list(self.flows) != sorted(set(self.flows)):
            raise ValueError("flows: repeated or out of order")


class Consignment(NamedTuple):
    """A consignment's parts. Nothing is believed yet."""

    waybill: Waybill
    signed: Jws
    waybill_bytes: bytes
    trail: tuple[bytes, ...]  # hop receipts, each a JWS
    parcel: bytes
    frame: Frame

    @property
    def digest(self) -> str:
        """SHA-256 of the parcel that is here, in hex; what the waybill says it should be is another matter."""
        return hashlib.sha256(self.parcel).hexdigest()


_WAYBILL = msgspec.json.Decoder(Waybill)
_TRAIL = msgspec.json.Decoder(tuple[msgspec.Raw, ...])


def sign_waybill(waybill: Waybill, keys: PrivateKeys, profile: Profile) -> bytes:
    """The waybill as a JWS with every signature of the parcel's profile; Refused(PROTECTION_TOO_WEAK) if a key is missing."""
    missing = [alg for alg in profile.signatures if alg not in keys.signing]
    if missing:
        detail = f"{keys.party} has no {', '.join(missing)} key to sign a waybill of {profile.name}"
        raise Refused(Code.PROTECTION_TOO_WEAK, detail, partner=waybill.recipient)
    return sign_json(write_canonical(waybill), WAYBILL_TYP, [keys.signing[alg] for alg in profile.signatures])


def flows_of(waybill: bytes) -> tuple[str, ...]:
    """The flows on a waybill that was verified when it came; Refused(BAD_WAYBILL) if it is none."""
    try:
        signed = read_jws(waybill, WAYBILL_TYP, limit=WAYBILL_BYTES_MAX)
        return read_canonical(signed.payload, _WAYBILL).flows
    except (ValueError, Refused) as error:
        raise Refused(Code.BAD_WAYBILL, str(error)[:300]) from error


def write_consignment(waybill: bytes, trail: Sequence[bytes], parcel: bytes) -> bytes:
    """The bytes that go to the next hop."""
    receipts = write_trail(trail)
    return b"".join(
        (CONSIGNMENT, _U32.pack(len(waybill)), waybill, _U32.pack(len(receipts)), receipts, parcel)
    )


def write_trail(trail: Sequence[bytes]) -> bytes:
    """Hop receipts as one JSON array."""
    return write_canonical([msgspec.Raw(one) for one in trail])


def read_trail(raw: bytes) -> tuple[bytes, ...]:
    """The hop receipts of such an array; Refused(BAD_WAYBILL)."""
    try:
        found = tuple(bytes(one) for one in _TRAIL.decode(raw))
        if write_trail(found) != raw:
            raise ValueError("not in canonical form")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Refused(Code.BAD_WAYBILL, f"the trail: {error}"[:300]) from error
    if len(found) > HOPS_MAX:
        raise Refused(Code.HOP_LIMIT, f"{len(found)} relays, {HOPS_MAX} at most")
    return found


def read_consignment(blob: bytes, *, limit: int) -> Consignment:
    """Steps 1 and 2 for a consignment: size, frame, waybill, and the parcel's own frame and header, which agree with it.

    Raises Refused(TOO_LARGE | BAD_FRAME | BAD_HEADER | BAD_WAYBILL | HOP_LIMIT); `limit` in bytes, for the parcel.
    """
    if len(blob) > limit + WAYBILL_BYTES_MAX + TRAIL_BYTES_MAX + 12:
        raise Refused(Code.TOO_LARGE, f"{len(blob)} bytes, {limit} at most for a parcel")
    if not blob.startswith(CONSIGNMENT):
        raise Refused(Code.BAD_FRAME, "it does not begin with ITC1")
    raw, at = _part(blob, len(CONSIGNMENT), WAYBILL_BYTES_MAX, "waybill")
    trail, at = _part(blob, at, TRAIL_BYTES_MAX, "trail")
    parcel = blob[at:]
    frame = read_frame(parcel, limit=limit)
    try:
        signed = read_jws(raw, WAYBILL_TYP, limit=WAYBILL_BYTES_MAX, partner=frame.header.sender)
        waybill = read_canonical(signed.payload, _WAYBILL)
    except (ValueError, Refused) as error:
        raise Refused(Code.BAD_WAYBILL, str(error)[:300], partner=frame.header.sender) from error
    header = frame.header
    same = (waybill.parcel, waybill.sender, waybill.recipient) == (
        header.parcel,
        header.sender,
        header.recipient,
    )
    if not same:
        raise Refused(Code.BAD_WAYBILL, "it is of another parcel than it comes with", partner=header.sender)
    return Consignment(waybill, signed, raw, read_trail(trail), parcel, frame)


def verify_waybill(one: Consignment, sender: PublicKeys, trust: TrustStore, now: datetime) -> None:
    """Steps 7 and 8 as far as a relay can see: every signature of the parcel's profile is on the waybill, and the waybill is of
    these bytes. Raises Refused(SIGNATURE_* | CERTIFICATE_* | UNKNOWN_CERTIFICATE | ROOT_MISMATCH)."""
    profile = profile_of_suite(one.frame.header.suite, sender.party)
    verify_jws(
        one.signed,
        chains=sender.signing_at(now),
        party=sender.party,
        trust=trust,
        now=now,
        profile=profile,
    )
    if one.digest != one.waybill.digest:
        detail = "the parcel is not the one that its waybill was signed for"
        raise Refused(Code.ROOT_MISMATCH, detail, partner=sender.party)


def _part(blob: bytes, at: int, limit: int, what: str) -> tuple[bytes, int]:
    """The part with its length before it that begins here, and where the next one does; Refused(BAD_FRAME)."""
    begin = at + _U32.size
    if len(blob) < begin:
        raise Refused(Code.BAD_FRAME, f"it ends within the {what}'s length")
    (length,) = _U32.unpack_from(blob, at)
    if length > limit:
        raise Refused(Code.BAD_FRAME, f"a {what} of {length} bytes, {limit} at most")
    if length > len(blob) - begin:
        raise Refused(Code.BAD_FRAME, f"it ends within the {what}")
    return blob[begin : begin + length], begin + length
