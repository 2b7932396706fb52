"""What a party signs about journals when a partner asks: a head of its own, and the heads of the partner's that it holds.

A checkpoint says of one's own journal: over its first `size` entries the root is `root`, and at this moment it has
`present` entries. So the present head (size = present) and the root at an earlier size are the same kind of statement,
and two of them can contradict each other (seal/equivocation.py). A witness statement says of the asker's journal: these
are the heads that its receipts committed to.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from intertie.model.errors import Code, Refused
from intertie.model.ids import PartyId, PartyName
from intertie.model.record import Record
from intertie.seal.certificates import TrustStore
from intertie.seal.encoding import read_canonical, require_utc, write_canonical
from intertie.seal.jws import sign_json, verify_json
from intertie.seal.keys import PrivateKeys, PublicKeys, SigningKey
from intertie.seal.profile import PROFILES, Profile
from intertie.seal.receipt import JournalHead, Sha256

CHECKPOINT_TYP = "intertie-checkpoint+jws"
WITNESS_TYP = "intertie-witness+jws"
# With the signatures of hybrid-high a checkpoint is 7 KB, with a time stamp in it, twice in base64, at most 30 KB more.
CHECKPOINT_BYTES_MAX = 64 * 1024
# A reply with a chain of RSA certificates is 6 KB; a larger one is kept, but not handed on.
STAMP_BYTES_MAX = 16 * 1024
# One line of a witness statement is 85 bytes; a page of them stays small, and a page costs one pair of signatures.
HEADS_MAX = 1000
WITNESS_BYTES_MAX = 256 * 1024
# What a party says of its journal must hold for as long as what it receipts.
PROFILE = PROFILES["hybrid"]

Size = Annotated[int, Meta(ge=0, le=2**53 - 1)]
T = TypeVar("T", "Checkpoint", "Witness")


class StampWord(Record, frozen=True, kw_only=True):
    """A third party's time over an earlier head of the same journal: an RFC 3161 reply over `stamped_bytes`."""

    size: Size
    root: Sha256
    reply: Annotated[str, Meta(max_length=STAMP_BYTES_MAX * 4 // 3 + 3)]  # base64url


class Checkpoint(Record, frozen=True, kw_only=True, rename={"sender": "from", "recipient": "to"}):
    """`sender` says this of its own journal, to `recipient`, at `at`. `stamp`: the newest time stamp over it, if any."""

    v: Literal[1]
    sender: PartyName
    recipient: PartyName
    at: datetime
    size: Size
    root: Sha256
    present: Size
    stamp: StampWord | None = None

    def check(self) -> None:
        """One spelling; nothing is said of entries that are not there."""
        require_utc("at", self.at)
        if self.size > self.present:
            raise ValueError("size: more than present")
        if self.stamp is not None and self.stamp.size > self.size:
            raise ValueError("stamp: over more entries than size")


class Witness(Record, frozen=True, kw_only=True, rename={"sender": "from", "recipient": "to"}):
    """`sender` holds these heads of `recipient`'s journal, by size and root; `more` follow after the last one."""

    v: Literal[1]
    sender: PartyName
    recipient: PartyName
    at: datetime
    heads: Annotated[tuple[JournalHead, ...], Meta(max_length=HEADS_MAX)]
    more: bool

    def check(self) -> None:
        """One spelling, in order, none twice."""
        require_utc("at", self.at)
        pairs = [(head.size, head.root) for head in self.heads]
        if pairs != sorted(set(pairs)):
            raise ValueError("heads: repeated or out of order")


_CHECKPOINT = msgspec.json.Decoder(Checkpoint)
_WITNESS = msgspec.json.Decoder(Witness)


def stamped_bytes(party: PartyId, size: int, root: bytes) -> bytes:
    """What a time stamp over a head of a party's journal is over: `{"party","root","size","v"}`, canonical."""
    return write_canonical({"party": party, "root": root.hex(), "size": size, "v": 1})


def sign_checkpoint(checkpoint: Checkpoint, keys: PrivateKeys) -> bytes:
    """The JWS; Refused(PROTECTION_TOO_WEAK) if a key of the profile is missing here."""
    return _sign(write_canonical(checkpoint), CHECKPOINT_TYP, keys)


def sign_witness(witness: Witness, keys: PrivateKeys) -> bytes:
    """The JWS; Refused(PROTECTION_TOO_WEAK) if a key of the profile is missing here."""
    return _sign(write_canonical(witness), WITNESS_TYP, keys)


def verify_checkpoint(
    raw: bytes, *, writer: PublicKeys, reader: PartyId, trust: TrustStore, now: datetime
) -> Checkpoint:
    """The checkpoint, if this writer signed it for this reader. Raises Refused as `verify_json`, BAD_MANIFEST if it is
    none or another's, PROTECTION_TOO_WEAK for less than the profile."""
    payload = _verify(raw, CHECKPOINT_TYP, CHECKPOINT_BYTES_MAX, writer, trust, now)
    return _addressed(read_checkpoint(payload, writer.party), writer.party, reader)


def verify_witness(
    raw: bytes, *, writer: PublicKeys, reader: PartyId, trust: TrustStore, now: datetime
) -> Witness:
    """The statement, if this writer signed it for this reader; Refused as `verify_checkpoint`."""
    payload = _verify(raw, WITNESS_TYP, WITNESS_BYTES_MAX, writer, trust, now)
    return _addressed(_read(payload, _WITNESS, WITNESS_TYP, writer.party), writer.party, reader)


def read_checkpoint(payload: bytes, partner: PartyId | None = None) -> Checkpoint:
    """The checkpoint of a JWS payload; Refused(BAD_MANIFEST)."""
    return _read(payload, _CHECKPOINT, CHECKPOINT_TYP, partner)


def _sign(payload: bytes, typ: str, keys: PrivateKeys) -> bytes:
    return sign_json(payload, typ, signers_of(keys, PROFILE))


def signers_of(keys: PrivateKeys, profile: Profile) -> list[SigningKey]:
    """The keys of a profile; Refused(PROTECTION_TOO_WEAK) if one is missing."""
    missing = [alg for alg in profile.signatures if alg not in keys.signing]
    if missing:
        detail = f"{keys.party} has no {', '.join(missing)} key to sign with {profile.name}"
        raise Refused(Code.PROTECTION_TOO_WEAK, detail)
    return [keys.signing[alg] for alg in profile.signatures]


def _verify(raw: bytes, typ: str, limit: int, writer: PublicKeys, trust: TrustStore, now: datetime) -> bytes:
    chains = writer.signing_at(now)
    signed = verify_json(raw, typ, chains=chains, party=writer.party, trust=trust, now=now, limit=limit)
    if signed.profile.rank < PROFILE.rank:
        detail = f"{typ} signed with {signed.profile.name}, {PROFILE.name} is the least"
        raise Refused(Code.PROTECTION_TOO_WEAK, detail, partner=writer.party)
    return signed.payload


def _read(payload: bytes, decoder: msgspec.json.Decoder[T], typ: str, partner: PartyId | None) -> T:
    try:
        return read_canonical(payload, decoder)
    except ValueError as error:
        raise Refused(Code.BAD_MANIFEST, f"not {typ}: {error}"[:300], partner=partner) from error


def _addressed(statement: T, writer: PartyId, reader: PartyId) -> T:
    if (statement.sender, statement.recipient) != (writer, reader):
        detail = f"a statement from {statement.sender} to {statement.recipient}"
        raise Refused(Code.BAD_MANIFEST, detail, partner=writer)
    return statement
