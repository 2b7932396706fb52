"""Evidence: one message of a parcel, with what proves it to a third person who has only the trust roots.

The file is canonical JSON: the message's bytes, its place in the tree, the manifest with its signatures, the receipt if
there is one, and the certificate chains. Nothing of the other messages. docs/evidence.md numbers the steps of the check;
an EvidenceError carries the number of the one that failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from intertie.model.errors import EvidenceError
from intertie.model.message import Header, read_envelope
from intertie.seal.certificates import TrustStore
from intertie.seal.encoding import from_base64url, read_whole, to_base64url, write_canonical
from intertie.seal.evidence_hops import check_hops
from intertie.seal.evidence_report import EvidenceReport, Signatory, algorithm_lines, signatories
from intertie.seal.evidence_stamp import (
    STAMP_EARLY,
    StampedEntry,
    StampPart,
    check_stamp,
    read_stamp,
    write_stamp,
)
from intertie.seal.jws import Chains, read_jws
from intertie.seal.parcel import MANIFEST_BYTES_MAX, MANIFEST_TYP, MESSAGES_MAX, Manifest, read_manifest
from intertie.seal.profile import Profile, profile_of_algorithms
from intertie.seal.receipt import RECEIPT_BYTES_MAX, RECEIPT_TYP, Receipt, read_receipt
from intertie.seal.signed_part import (
    FileChains,
    Part,
    TextChains,
    check_algorithms,
    check_signed,
    read_chains,
    step,
    write_chains,
)
from intertie.seal.timestamp import Stamped, TsaTrust
from intertie.seal.tree import HASH_BYTES, inclusion_proof, leaf_hash, verify_inclusion
from intertie.seal.waybill import HOPS_MAX

__all__ = ["EvidenceReport", "Signatory", "build_evidence", "verify_evidence"]

# The largest message in base64, the largest receipt, and the rest.
EVIDENCE_BYTES_MAX = 24 * 1024 * 1024

# A hop receipt and a notice of each relay.
HOPS_KEPT_MAX = 2 * HOPS_MAX

STEP_FILE = 1
STEP_MESSAGE = 2
STEP_MANIFEST = 3
STEP_CERTIFICATES = 4
STEP_SIGNATURES = 5
STEP_TREE = 6
STEP_PARTIES = 7
STEP_RECEIPT = 8
STEP_RECEIPT_CERTIFICATES = 9
STEP_RECEIPT_SIGNATURES = 10
STEP_ALGORITHMS = 11


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    v: Literal[1]
    message: str
    index: Annotated[int, Meta(ge=0, lt=MESSAGES_MAX)]
    proof: Annotated[tuple[str, ...], Meta(max_length=16)]  # log2(MESSAGES_MAX)
    manifest: msgspec.Raw
    sender_chains: TextChains
    receipt: msgspec.Raw
    receiver_chains: TextChains
    stamp: StampPart | None = None
    hops: Annotated[tuple[Part, ...], Meta(max_length=HOPS_KEPT_MAX)] = ()


_FILE = msgspec.json.Decoder(_File)
_NULL = b"null"


class _Parts(NamedTuple):
    """The file, decoded."""

    message: bytes
    place: int
    proof: tuple[bytes, ...]
    manifest: bytes
    sender_chains: FileChains
    receipt: bytes | None
    receiver_chains: FileChains
    stamp: StampedEntry | None
    hops: tuple[Part, ...]


class _Receipted(NamedTuple):
    receipt: Receipt
    profile: Profile
    signatories: tuple[Signatory, ...]


def build_evidence(
    *,
    message: bytes,
    index: int,
    leaves: Sequence[bytes],
    manifest: bytes,
    sender_chains: Chains,
    receipt: bytes | None = None,
    receiver_chains: Chains | None = None,
    stamp: StampedEntry | None = None,
    hops: Sequence[Part] = (),
) -> bytes:
    """The evidence file of message `index` of a parcel with these leaf hashes; `hops`: what relays signed (write_hops).

    The chains may be more than the signatures need; those are left out. Raises EvidenceError if the message
    is not the leaf, a chain is missing or of other certificates, or a part cannot be read.
    """
    if not 0 <= index < len(leaves) or leaf_hash(message) != leaves[index]:
        raise EvidenceError(STEP_TREE, f"the message is not leaf {index} of its parcel")
    with step(STEP_MANIFEST):
        jws = read_jws(manifest, MANIFEST_TYP, limit=MANIFEST_BYTES_MAX)
    receipt_chains: TextChains = {}
    if receipt is not None:
        with step(STEP_RECEIPT):
            receipt_jws = read_jws(receipt, RECEIPT_TYP, limit=RECEIPT_BYTES_MAX)
        receipt_chains = write_chains(receipt_jws, receiver_chains or {}, STEP_RECEIPT_CERTIFICATES)
    return write_canonical(
        _File(
            v=1,
            message=to_base64url(message),
            index=index,
            proof=tuple(to_base64url(node) for node in inclusion_proof(leaves, index)),
            manifest=msgspec.Raw(manifest),
            sender_chains=write_chains(jws, sender_chains, STEP_CERTIFICATES),
            receipt=msgspec.Raw(_NULL if receipt is None else receipt),
            receiver_chains=receipt_chains,
            stamp=None if stamp is None else write_stamp(stamp),
            hops=tuple(hops),
        )
    )


def verify_evidence(
    raw: bytes, roots: TrustStore, now: datetime, tsa: TsaTrust | None = None
) -> EvidenceReport:
    """What the file proves. Needs nothing but the roots (and those of time-stamping authorities, if a stamp in it is to
    count); certificates are judged at the time of signing, algorithms at `now`. Raises EvidenceError with the step that
    failed."""
    parts = _read_file(raw)  # 1
    with step(STEP_MESSAGE):
        header = read_envelope(parts.message).header
    with step(STEP_MANIFEST):
        jws = read_jws(parts.manifest, MANIFEST_TYP, limit=MANIFEST_BYTES_MAX)
        manifest = read_manifest(jws.payload)
        profile = profile_of_algorithms(jws.algorithms, manifest.sender)
    steps = (STEP_CERTIFICATES, STEP_SIGNATURES)
    check_signed(jws, parts.sender_chains, manifest.sender, roots, manifest.created, steps)
    _check_tree(parts, manifest)
    _check_parties(header, manifest)
    receipted = _check_receipt(parts, manifest, profile, roots)  # 8 to 10
    profiles = [profile] if receipted is None else [profile, receipted.profile]
    holds_until = check_algorithms(profiles, now, STEP_ALGORITHMS)
    stamped = None if parts.stamp is None else check_stamp(parts.stamp, parts.receipt, tsa)  # 12 and 13
    hops = check_hops(parts.hops, manifest, profile, roots)  # 14 to 16
    report = _report(header, parts, manifest, profile, receipted, holds_until, stamped, now)
    return msgspec.structs.replace(report, hops=hops)


def _read_file(raw: bytes) -> _Parts:
    if len(raw) > EVIDENCE_BYTES_MAX:
        raise EvidenceError(STEP_FILE, f"larger than {EVIDENCE_BYTES_MAX} bytes")
    try:
        file = read_whole(raw, _FILE)
        proof = tuple(from_base64url(node) for node in file.proof)
        if any(len(node) != HASH_BYTES for node in proof):
            raise ValueError("a hash of the proof is not a SHA-256")
        receipt = bytes(file.receipt)
        return _Parts(
            message=from_base64url(file.message),
            place=file.index,
            proof=proof,
            manifest=bytes(file.manifest),
            sender_chains=read_chains(file.sender_chains),
            receipt=None if receipt == _NULL else receipt,
            receiver_chains=read_chains(file.receiver_chains),
            stamp=None if file.stamp is None else read_stamp(file.stamp),
            hops=file.hops,
        )
    except ValueError as error:
        do = "Use the file exactly as it was exported: it must not be reformatted or edited."
        raise EvidenceError(STEP_FILE, f"not an evidence file: {error}", do=do) from error


def _check_tree(parts: _Parts, manifest: Manifest) -> None:
    leaf, root = leaf_hash(parts.message), bytes.fromhex(manifest.root)
    if not verify_inclusion(leaf, parts.place, manifest.count, parts.proof, root):
        raise EvidenceError(
            STEP_TREE, f"the message is not number {parts.place} of the parcel that was signed"
        )


def _check_parties(header: Header, manifest: Manifest) -> None:
    if header.sender != manifest.sender or header.recipient != manifest.recipient:
        why = (
            f"the message is from {header.sender} to {header.recipient}, "
            f"the parcel from {manifest.sender} to {manifest.recipient}"
        )
        raise EvidenceError(STEP_PARTIES, why)


def _check_receipt(
    parts: _Parts, manifest: Manifest, profile: Profile, roots: TrustStore
) -> _Receipted | None:
    if parts.receipt is None:
        if parts.receiver_chains:
            raise EvidenceError(STEP_RECEIPT, "certificates of a receipt, but no receipt")
        return None
    with step(STEP_RECEIPT):
        jws = read_jws(parts.receipt, RECEIPT_TYP, limit=RECEIPT_BYTES_MAX)
        receipt = read_receipt(jws.payload)
        signed = profile_of_algorithms(jws.algorithms, receipt.sender)
    _check_receipt_fits(receipt, parts, manifest)
    if signed.rank < profile.rank:
        raise EvidenceError(STEP_RECEIPT, f"the receipt has {signed.name}, the parcel {profile.name}")
    steps = (STEP_RECEIPT_CERTIFICATES, STEP_RECEIPT_SIGNATURES)
    check_signed(jws, parts.receiver_chains, receipt.sender, roots, receipt.received, steps)
    return _Receipted(receipt, signed, signatories(parts.receiver_chains, receipt.sender))


def _check_receipt_fits(receipt: Receipt, parts: _Parts, manifest: Manifest) -> None:
    """The receipt is for this parcel, by its recipient, and its line for this message names these bytes."""
    same = (
        receipt.parcel == manifest.parcel
        and receipt.root == manifest.root
        and receipt.sender == manifest.recipient
        and receipt.recipient == manifest.sender
        and len(receipt.outcomes) == manifest.count
    )
    if not same:
        raise EvidenceError(STEP_RECEIPT, "the receipt is for another parcel")
    if receipt.outcomes[parts.place].leaf != leaf_hash(parts.message).hex():
        raise EvidenceError(STEP_RECEIPT, "the receipt's line is for another message")


def _report(
    header: Header,
    parts: _Parts,
    manifest: Manifest,
    profile: Profile,
    receipted: _Receipted | None,
    holds_until: date | None,
    stamped: Stamped | None,
    now: datetime,
) -> EvidenceReport:
    receipt = receipted.receipt if receipted else None
    outcome = receipt.outcomes[parts.place] if receipt else None
    notes = []
    if receipt is None:
        notes.append("without a receipt: it proves who said it, not that it arrived")
    if manifest.created > now:
        notes.append("sealed later than the time of this check: one of the clocks is wrong")
    if receipt is not None and receipt.received < manifest.created:
        notes.append("received earlier than sealed: the parties' clocks differ")
    if parts.stamp is not None and stamped is None:
        notes.append("carries a time stamp that was not checked: no time-stamping authority was named")
    if stamped is not None and receipt is not None and stamped.at < receipt.received - STAMP_EARLY:
        notes.append("time-stamped earlier than received: the recipient's clock and the authority's differ")
    profiles = [profile] if receipted is None else [profile, receipted.profile]
    return EvidenceReport(
        message=header.id,
        document=header.document,
        version=header.version,
        verb=header.verb.value,
        interface=header.interface,
        mode=header.mode.value,
        sender=header.sender,
        recipient=header.recipient,
        agreement=header.agreement,
        conversation=header.conversation,
        written=header.created,
        sealed=manifest.created,
        parcel=manifest.parcel,
        index=parts.place,
        count=manifest.count,
        leaf=leaf_hash(parts.message).hex(),
        root=manifest.root,
        profile=profile.name,
        signers=signatories(parts.sender_chains, manifest.sender),
        received=receipt.received if receipt else None,
        outcome=outcome.status if outcome else None,
        outcome_code=outcome.code if outcome else None,
        journal_size=receipt.journal.size if receipt else None,
        journal_root=receipt.journal.root if receipt else None,
        witnesses=receipted.signatories if receipted else (),
        algorithms=algorithm_lines(profiles),
        stamped=stamped.at if stamped else None,
        stamped_by=stamped.authority if stamped else None,
        stamped_with=stamped.algorithm if stamped else None,
        holds_until=holds_until,
        notes=tuple(notes),
    )
