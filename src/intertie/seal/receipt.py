"""The receipt: what became of each message of a parcel, signed by its recipient, committing to the recipient's journal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from intertie.model.errors import Code, Refused
from intertie.model.ids import MessageRef, ParcelId, ParcelRef, PartyId, PartyName
from intertie.model.record import Record
from intertie.seal.certificates import TrustStore
from intertie.seal.encoding import read_canonical, require_utc, write_canonical
from intertie.seal.jws import check_certificate, read_jws, sign_json, verify_jws
from intertie.seal.keys import PrivateKeys, PublicKeys
from intertie.seal.parcel import MESSAGES_MAX
from intertie.seal.profile import PROFILES, Profile
from intertie.seal.tree import root

RECEIPT_TYP = "intertie-receipt+jws"
# 4,096 outcomes of 200 bytes, each with the longest detail, in base64.
RECEIPT_BYTES_MAX = 8 * 1024 * 1024

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?!\n)$")]


class Outcome(Record, frozen=True, kw_only=True):
    """What became of one message; `message` is None if it could not be read, `leaf` names its bytes either way."""

    message: MessageRef | None = None
    leaf: Sha256
    status: Literal["accepted", "duplicate", "refused"]
    code: Annotated[str, Meta(max_length=64)] | None = None
    detail: Annotated[str, Meta(max_length=300)] = ""


class JournalHead(Record, frozen=True, kw_only=True):
    """The head of the writer's journal once everything this receipt says was in it."""

    size: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    root: Sha256


class Receipt(Record, frozen=True, kw_only=True, rename={"sender": "from", "recipient": "to"}):
    """`sender` writes the receipt, `recipient` sent the parcel; outcomes are in the order of the messages."""

    v: Literal[1]
    parcel: ParcelRef
    root: Sha256
    sender: PartyName
    recipient: PartyName
    received: datetime
    outcomes: Annotated[tuple[Outcome, ...], Meta(min_length=1, max_length=MESSAGES_MAX)]
    journal: JournalHead

    def check(self) -> None:
        """One instant, one spelling."""
        require_utc("received", self.received)


class Sent(NamedTuple):
    """The parcel that a receipt has to be for."""

    parcel: ParcelId
    sender: PartyId
    recipient: PartyId
    leaves: Sequence[bytes]  # leaf hashes of its messages, in order


_RECEIPT = msgspec.json.Decoder(Receipt)


def sign_receipt(receipt: Receipt, keys: PrivateKeys, profile: Profile) -> bytes:
    """The receipt as a JWS with every signature of the parcel's profile.

    Raises Refused(PROTECTION_TOO_WEAK) if a key of the profile is missing here.
    """
    missing = [alg for alg in profile.signatures if alg not in keys.signing]
    if missing:
        detail = f"{keys.party} has no {', '.join(missing)} key to sign a receipt of {profile.name}"
        raise Refused(Code.PROTECTION_TOO_WEAK, detail, partner=receipt.recipient)
    return sign_json(write_canonical(receipt), RECEIPT_TYP, [keys.signing[alg] for alg in profile.signatures])


def verify_receipt(
    raw: bytes,
    *,
    writer: PublicKeys,
    trust: TrustStore,
    now: datetime,
    least: Profile = PROFILES["hybrid"],
) -> Receipt:
    """The receipt, if this writer signed it with a profile not weaker than `least` (the parcel's).

    Certificates must hold now, and at the time that it names: a third person will judge them as of then. Raises
    Refused(BAD_MANIFEST | SIGNATURE_* | CERTIFICATE_* | PROTECTION_TOO_WEAK). Whether it is for what was sent,
    `check_receipt_of` says.
    """
    jws = read_jws(raw, RECEIPT_TYP, limit=RECEIPT_BYTES_MAX, partner=writer.party)
    chains = writer.signing_at(now)
    signed = verify_jws(jws, chains=chains, party=writer.party, trust=trust, now=now)
    if signed.profile.rank < least.rank:
        detail = f"the receipt has {signed.profile.name}, the parcel {least.name}"
        raise Refused(Code.PROTECTION_TOO_WEAK, detail, partner=writer.party)
    receipt = read_receipt(signed.payload, writer.party)
    if receipt.sender != writer.party:
        raise Refused(Code.BAD_MANIFEST, f"the receipt says it is {receipt.sender}'s", partner=writer.party)
    for signature in jws.signatures:
        check_certificate(signature, chains, writer.party, trust, receipt.received)
    return receipt


def check_receipt_of(receipt: Receipt, sent: Sent) -> None:
    """That a verified receipt is for exactly this parcel; Refused(BAD_MANIFEST)."""
    same = (
        receipt.parcel == sent.parcel
        and receipt.sender == sent.recipient
        and receipt.recipient == sent.sender
        and [outcome.leaf for outcome in receipt.outcomes] == [leaf.hex() for leaf in sent.leaves]
        and receipt.root == root(sent.leaves).hex()
    )
    if not same:
        detail = "the receipt is for something else than was sent"
        raise Refused(Code.BAD_MANIFEST, detail, partner=sent.recipient)


def is_receipt(raw: bytes) -> bool:
    """Whether it has the form of a signed receipt, whatever it says."""
    try:
        read_jws(raw, RECEIPT_TYP, limit=RECEIPT_BYTES_MAX)
    except Refused:
        return False
    return True


def read_receipt(payload: bytes, partner: PartyId | None = None) -> Receipt:
    """The receipt of a JWS payload; Refused(BAD_MANIFEST)."""
    try:
        return read_canonical(payload, _RECEIPT)
    except ValueError as error:
        raise Refused(Code.BAD_MANIFEST, f"not a receipt: {error}"[:300], partner=partner) from error
