"""What a relay signs: that it took a parcel for forwarding (the hop receipt), or that it will not go on (the notice), or that
what became of it arrived. And the return, which brings the recipient's receipt, or a notice, back to the parcel's sender.

A hop receipt is not the recipient's receipt: it says that the parcel was on a relay's disk, and nothing of what is inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from intertie.model.errors import Code, EvidenceError, Refused
from intertie.model.ids import ParcelId, ParcelRef, PartyId, PartyName
from intertie.model.record import Record
from intertie.seal.certificates import TrustStore
from intertie.seal.encoding import read_canonical, read_whole, require_utc, write_canonical
from intertie.seal.jws import Chains, Jws, read_jws, sign_json, verify_jws
from intertie.seal.keys import PrivateKeys, PublicKeys
from intertie.seal.profile import Profile
from intertie.seal.receipt import RECEIPT_BYTES_MAX, JournalHead
from intertie.seal.signed_part import Part, read_chains, write_chains
from intertie.seal.waybill import HOPS_MAX, Sha256

RETURN = b"ITR1"
HOP_TYP = "intertie-hop+jws"
# Two signatures of hybrid-high, and a detail.
HOP_BYTES_MAX = 16 * 1024
# The largest receipt, and a statement with its certificates for each relay and for the notice.
RETURN_BYTES_MAX = RECEIPT_BYTES_MAX + (HOPS_MAX + 1) * 128 * 1024


class Hop(Record, frozen=True, kw_only=True, rename={"sender": "from", "recipient": "to"}):
    """A relay's statement about one parcel. `hop`: its place among the relays, from 1. `next`: whom it goes to."""

    v: Literal[1]
    status: Literal["taken", "refused", "expired", "returned"]
    parcel: ParcelRef
    digest: Sha256
    sender: PartyName
    recipient: PartyName
    by: PartyName
    hop: Annotated[int, Meta(ge=0, le=HOPS_MAX)]
    at: datetime
    expires: datetime
    next: PartyName | None = None
    code: Annotated[str, Meta(max_length=64)] | None = None
    detail: Annotated[str, Meta(max_length=300)] = ""
    journal: JournalHead

    def check(self) -> None:
        """One instant, one spelling."""
        require_utc("at", self.at)
        require_utc("expires", self.expires)


class Stated(NamedTuple):
    """A statement with the JWS that it is the payload of, not yet verified."""

    hop: Hop
    jws: Jws
    raw: bytes


class Return(NamedTuple):
    """What came back about a parcel. Either the receipt or the notice is there. Nothing is believed yet."""

    parcel: ParcelId
    hops: tuple[Part, ...]  # of the relays behind the one that brings it
    receipt: bytes | None
    notice: Part | None


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    v: Literal[1]
    parcel: ParcelRef
    hops: Annotated[tuple[Part, ...], Meta(max_length=HOPS_MAX)]
    receipt: msgspec.Raw
    notice: Part | None


_HOP = msgspec.json.Decoder(Hop)
_FILE = msgspec.json.Decoder(_File)
_NULL = b"null"


def sign_hop(hop: Hop, keys: PrivateKeys, profile: Profile) -> bytes:
    """The statement as a JWS with every signature of the parcel's profile; Refused(PROTECTION_TOO_WEAK) if a key is missing."""
    missing = [alg for alg in profile.signatures if alg not in keys.signing]
    if missing:
        detail = f"{keys.party} has no {', '.join(missing)} key to sign for a parcel of {profile.name}"
        raise Refused(Code.PROTECTION_TOO_WEAK, detail, partner=hop.sender)
    return sign_json(write_canonical(hop), HOP_TYP, [keys.signing[alg] for alg in profile.signatures])


def read_hop(raw: bytes, partner: PartyId | None = None) -> Stated:
    """A statement, unverified; Refused(BAD_WAYBILL)."""
    try:
        jws = read_jws(raw, HOP_TYP, limit=HOP_BYTES_MAX, partner=partner)
        return Stated(read_canonical(jws.payload, _HOP), jws, raw)
    except (ValueError, Refused) as error:
        detail = f"not a relay's statement: {error}"[:300]
        raise Refused(Code.BAD_WAYBILL, detail, partner=partner) from error


def verify_hop(stated: Stated, writer: PublicKeys, trust: TrustStore, now: datetime, least: Profile) -> Hop:
    """The statement, if this party signed it with a profile not weaker than `least` (the parcel's).

    Raises Refused(BAD_WAYBILL | SIGNATURE_* | CERTIFICATE_* | UNKNOWN_CERTIFICATE | PROTECTION_TOO_WEAK).
    """
    return _verified(stated, writer.signing_at(now), writer.party, trust, now, least)


def verify_part(part: Part, trust: TrustStore, now: datetime, least: Profile) -> Hop:
    """The same for a statement that brings its own certificates, by the party that it names; Refused as `verify_hop`."""
    stated = read_hop(bytes(part.jws))
    try:
        chains = {alg: (chain,) for alg, chain in read_chains(part.chains).items()}
    except ValueError as error:
        raise Refused(Code.BAD_WAYBILL, f"its certificates: {error}", partner=stated.hop.by) from error
    return _verified(stated, chains, stated.hop.by, trust, now, least)


def _verified(
    stated: Stated, chains: Chains, party: PartyId, trust: TrustStore, now: datetime, least: Profile
) -> Hop:
    if stated.hop.by != party:
        raise Refused(Code.BAD_WAYBILL, f"the statement says it is {stated.hop.by}'s", partner=party)
    signed = verify_jws(stated.jws, chains=chains, party=party, trust=trust, now=now)
    if signed.profile.rank < least.rank:
        detail = f"the statement has {signed.profile.name}, the parcel {least.name}"
        raise Refused(Code.PROTECTION_TOO_WEAK, detail, partner=party)
    return stated.hop


def part_of(raw: bytes, chains: Chains) -> Part:
    """A statement with its certificates, of all that are known; EvidenceError if one is missing."""
    return Part(jws=msgspec.Raw(raw), chains=write_chains(read_hop(raw).jws, chains, 0))


def write_return(
    parcel: ParcelId, hops: Sequence[Part], *, receipt: bytes | None = None, notice: Part | None = None
) -> bytes:
    """The bytes that bring back what became of a parcel."""
    file = _File(
        v=1,
        parcel=parcel,
        hops=tuple(hops),
        receipt=msgspec.Raw(_NULL if receipt is None else receipt),
        notice=notice,
    )
    return RETURN + write_canonical(file)


def read_return(blob: bytes) -> Return:
    """The parts of it; Refused(BAD_FRAME)."""
    if len(blob) > RETURN_BYTES_MAX or not blob.startswith(RETURN):
        raise Refused(Code.BAD_FRAME, "not what became of a parcel, or larger than that can be")
    try:
        file = read_whole(blob[len(RETURN) :], _FILE)
        receipt = None if bytes(file.receipt) == _NULL else bytes(file.receipt)
        if (receipt is None) is (file.notice is None):
            raise ValueError("either a receipt or a notice")
    except (ValueError, EvidenceError) as error:
        raise Refused(Code.BAD_FRAME, f"not what became of a parcel: {error}"[:300]) from error
    return Return(file.parcel, file.hops, receipt, file.notice)
