"""The parcel, wire format v1 (docs/parcel.md): one signature over many messages, sealed for one recipient.

    "ITP1" | u32 length | header JSON | HPKE enc || ciphertext
    plaintext = u32 length | manifest JWS | count x ( u32 length | message bytes )

The header's bytes are HPKE's `info`: whoever changes one of them makes a parcel that does not open.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from intertie.model.errors import Code, Refused
from intertie.model.ids import ParcelId, ParcelRef, PartyId, PartyName
from intertie.model.message import MESSAGE_BYTES_MAX
from intertie.model.record import Record
from intertie.seal.certificates import TrustStore
from intertie.seal.encoding import read_canonical, require_utc, write_canonical
from intertie.seal.hpke import open_sealed, seal
from intertie.seal.jws import read_jws, sign_json, verify_jws
from intertie.seal.keys import PrivateKeys, PublicKeys, SigningKey
from intertie.seal.profile import Profile, profile_of_suite
from intertie.seal.protect import Protected, Proven
from intertie.seal.tree import leaf_hash, root

MAGIC = b"ITP1"
MANIFEST_TYP = "intertie-manifest+jws"
# A header is about 350 bytes; both names at their longest make 600.
HEADER_BYTES_MAX = 4 * 1024
# Two signatures of hybrid-high in base64 are 6.5 KB.
MANIFEST_BYTES_MAX = 64 * 1024
# A proof is then at most 16 hashes; gateways take fewer (their limits say how many).
MESSAGES_MAX = 65_536
# Counters beyond this are not exact in every language's JSON.
SEQ_MAX = 2**53 - 1

_U32 = struct.Struct(">I")
Seq = Annotated[int, Meta(ge=1, le=SEQ_MAX)]


class ParcelHeader(Record, frozen=True, kw_only=True, rename={"sender": "from", "recipient": "to"}):
    """In the clear, bound to the content. `zip` is "none" in this version: content is not compressed."""

    v: Literal[1]
    parcel: ParcelRef
    sender: PartyName
    recipient: PartyName
    seq: Seq
    suite: Annotated[str, Meta(max_length=64)]
    kid: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}(?!\n)$")]
    created: datetime
    zip: Literal["none"]

    def check(self) -> None:
        """One instant, one spelling."""
        require_utc("created", self.created)


class Manifest(Record, frozen=True, kw_only=True, rename={"sender": "from", "recipient": "to"}):
    """What is signed: which parcel, by whom, for whom, and the root over its messages (hex)."""

    v: Literal[1]
    parcel: ParcelRef
    sender: PartyName
    recipient: PartyName
    seq: Seq
    created: datetime
    count: Annotated[int, Meta(ge=1, le=MESSAGES_MAX)]
    root: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?!\n)$")]

    def check(self) -> None:
        """One instant, one spelling."""
        require_utc("created", self.created)


_HEADER = msgspec.json.Decoder(ParcelHeader)
_MANIFEST = msgspec.json.Decoder(Manifest)


class SealedParcel(NamedTuple):
    """A parcel ready to go, and what its sender keeps of it."""

    blob: bytes
    manifest: bytes
    root: bytes
    header: ParcelHeader


class Frame(NamedTuple):
    """A parcel's outer parts."""

    header: ParcelHeader
    header_bytes: bytes
    sealed: bytes


class Opened(NamedTuple):
    """What was inside, not yet verified."""

    manifest: bytes
    messages: tuple[bytes, ...]


class Verified(NamedTuple):
    """What the sender signed, and what its signatures proved of the protection."""

    manifest: Manifest
    root: bytes
    proven: Proven
    leaf_hashes: tuple[bytes, ...]

    @property
    def profile(self) -> Profile:
        """The profile that the parcel satisfies; its receipt is signed with the same."""
        return self.proven.profile


def seal_parcel(protected: Protected, *, parcel: ParcelId, seq: int, created: datetime) -> SealedParcel:
    """Sign and seal messages, in order, for their recipient, as the policy protected them (seal/protect.py).

    Raises Refused(TOO_LARGE) for too many or too large messages.
    """
    return _assemble(
        protected.messages,
        parcel=parcel,
        recipient=protected.recipient,
        seq=seq,
        created=created,
        profile=protected.profile,
        keys=protected.keys,
    )


def _assemble(
    messages: Sequence[bytes],
    *,
    parcel: ParcelId,
    recipient: PublicKeys,
    seq: int,
    created: datetime,
    profile: Profile,
    keys: PrivateKeys,
) -> SealedParcel:
    """The format alone, for this file and for tests of the format: no message is read, no need is asked for.

    Raises Refused(PROTECTION_TOO_WEAK) if either side lacks a key of the profile, Refused(TOO_LARGE).
    """
    _check_messages(messages, recipient.party)
    signers = _signers(keys, profile)
    key = recipient.sealing_key(profile.suite)
    if key is None:
        raise Refused(
            Code.PROTECTION_TOO_WEAK,
            f"{recipient.party} has no key for {profile.name}",
            partner=recipient.party,
        )
    at = created.astimezone(UTC)
    tree_root = root([leaf_hash(message) for message in messages])
    manifest = Manifest(
        v=1,
        parcel=parcel,
        sender=keys.party,
        recipient=recipient.party,
        seq=seq,
        created=at,
        count=len(messages),
        root=tree_root.hex(),
    )
    header = ParcelHeader(
        v=1,
        parcel=parcel,
        sender=keys.party,
        recipient=recipient.party,
        seq=seq,
        suite=profile.suite,
        kid=key.kid,
        created=at,
        zip="none",
    )
    signed = sign_json(write_canonical(manifest), MANIFEST_TYP, signers)
    header_bytes = write_canonical(header)
    plaintext = b"".join(part for piece in (signed, *messages) for part in (_U32.pack(len(piece)), piece))
    blob = MAGIC + _U32.pack(len(header_bytes)) + header_bytes + seal(plaintext, key, header_bytes)
    return SealedParcel(blob, signed, tree_root, header)


def _check_messages(messages: Sequence[bytes], partner: PartyId) -> None:
    if not 1 <= len(messages) <= MESSAGES_MAX:
        raise Refused(
            Code.TOO_LARGE,
            f"a parcel holds 1 to {MESSAGES_MAX} messages, not {len(messages)}",
            partner=partner,
        )
    longest = max(len(message) for message in messages)
    if longest > MESSAGE_BYTES_MAX:
        raise Refused(
            Code.TOO_LARGE, f"a message of {longest} bytes; {MESSAGE_BYTES_MAX} at most", partner=partner
        )


def _signers(keys: PrivateKeys, profile: Profile) -> list[SigningKey]:
    missing = [alg for alg in profile.signatures if alg not in keys.signing]
    if missing:
        raise Refused(
            Code.PROTECTION_TOO_WEAK, f"{keys.party} has no {', '.join(missing)} key for {profile.name}"
        )
    return [keys.signing[alg] for alg in profile.signatures]


def read_frame(blob: bytes, *, limit: int) -> Frame:
    """Steps 1 and 2: size, frame, header. Nothing is believed yet.

    Raises Refused(TOO_LARGE | BAD_FRAME | BAD_HEADER); `limit` in bytes.
    """
    if len(blob) > limit:
        raise Refused(Code.TOO_LARGE, f"{len(blob)} bytes, {limit} at most")
    if not blob.startswith(MAGIC):
        raise Refused(Code.BAD_FRAME, "it does not begin with ITP1")
    start = len(MAGIC) + _U32.size
    if len(blob) < start:
        raise Refused(Code.BAD_FRAME, "it ends within the header's length")
    (length,) = _U32.unpack_from(blob, len(MAGIC))
    if length > HEADER_BYTES_MAX:
        raise Refused(Code.BAD_FRAME, f"a header of {length} bytes, {HEADER_BYTES_MAX} at most")
    header_bytes = blob[start : start + length]
    if len(header_bytes) != length:
        raise Refused(Code.BAD_FRAME, "it ends within the header")
    return Frame(_read_header(header_bytes), header_bytes, blob[start + length :])


def _read_header(raw: bytes) -> ParcelHeader:
    try:
        header = read_canonical(raw, _HEADER)
    except ValueError as error:
        raise Refused(Code.BAD_HEADER, str(error)[:300]) from error
    profile_of_suite(header.suite, header.sender)
    return header


def open_frame(frame: Frame, keys: PrivateKeys) -> Opened:
    """Step 6: open with our key. Raises Refused(UNKNOWN_KEY | CANNOT_OPEN | BAD_MANIFEST | BAD_FRAME)."""
    header = frame.header
    key = next((key for key in keys.opening.values() if key.kid == header.kid), None)
    if key is None or key.suite != header.suite:
        raise Refused(Code.UNKNOWN_KEY, f"sealed for key {header.kid}, {header.suite}", partner=header.sender)
    try:
        plaintext = open_sealed(frame.sealed, key, frame.header_bytes)
    except Refused as refused:
        raise Refused(refused.code, partner=header.sender) from refused
    return read_content(plaintext, header.sender)


def read_content(plaintext: bytes, sender: PartyId) -> Opened:
    """The manifest and the messages; Refused(BAD_MANIFEST) if there is no manifest, Refused(BAD_FRAME) for the rest."""
    (length,) = _U32.unpack_from(plaintext) if len(plaintext) >= _U32.size else (0,)
    if not 0 < length <= min(MANIFEST_BYTES_MAX, len(plaintext) - _U32.size):
        raise Refused(Code.BAD_MANIFEST, f"no manifest of 1 to {MANIFEST_BYTES_MAX} bytes", partner=sender)
    start = _U32.size + length
    return Opened(plaintext[_U32.size : start], tuple(_split_messages(plaintext, start, sender)))


def _split_messages(plaintext: bytes, start: int, sender: PartyId) -> Iterator[bytes]:
    count = 0
    while start < len(plaintext):
        count += 1
        if count > MESSAGES_MAX:
            raise Refused(Code.BAD_FRAME, f"more than {MESSAGES_MAX} messages", partner=sender)
        if len(plaintext) - start < _U32.size:
            raise Refused(Code.BAD_FRAME, "it ends within a message's length", partner=sender)
        (length,) = _U32.unpack_from(plaintext, start)
        start += _U32.size
        if length > MESSAGE_BYTES_MAX:
            raise Refused(
                Code.BAD_FRAME, f"a message of {length} bytes, {MESSAGE_BYTES_MAX} at most", partner=sender
            )
        if length > len(plaintext) - start:
            raise Refused(Code.BAD_FRAME, "it ends within a message", partner=sender)
        yield plaintext[start : start + length]
        start += length


def verify_manifest(
    frame: Frame, opened: Opened, sender: PublicKeys, trust: TrustStore, now: datetime
) -> Verified:
    """Steps 7 and 8: every signature of the profile that the header declares, then the messages.

    The profile in the answer is what the parcel is, never what it claims: header and signatures agree on it.
    Raises Refused(SIGNATURE_* | CERTIFICATE_* | BAD_MANIFEST | ROOT_MISMATCH).
    """
    party = sender.party
    profile = profile_of_suite(frame.header.suite, party)
    jws = read_jws(opened.manifest, MANIFEST_TYP, limit=MANIFEST_BYTES_MAX, partner=party)
    signed = verify_jws(
        jws, chains=sender.signing_at(now), party=party, trust=trust, now=now, profile=profile
    )
    manifest = read_manifest(signed.payload, party)
    _check_against_header(manifest, frame.header)
    leaves = tuple(leaf_hash(message) for message in opened.messages)
    if len(leaves) != manifest.count:
        detail = f"{manifest.count} messages were signed, {len(leaves)} are here"
        raise Refused(Code.ROOT_MISMATCH, detail, partner=party)
    found = root(leaves)
    if found.hex() != manifest.root:
        raise Refused(Code.ROOT_MISMATCH, partner=party)
    return Verified(manifest, found, Proven(signed), leaves)


def read_manifest(payload: bytes, partner: PartyId | None = None) -> Manifest:
    """The manifest of a JWS payload; Refused(BAD_MANIFEST)."""
    try:
        return read_canonical(payload, _MANIFEST)
    except ValueError as error:
        raise Refused(Code.BAD_MANIFEST, str(error)[:300], partner=partner) from error


def _check_against_header(manifest: Manifest, header: ParcelHeader) -> None:
    for name in ("parcel", "sender", "recipient", "seq", "created"):
        if getattr(manifest, name) != getattr(header, name):
            detail = f"the manifest was signed for another parcel: {name} differs from the header's"
            raise Refused(Code.BAD_MANIFEST, detail, partner=header.sender)
