"""One message with everything that proves it: what a third person needs to verify it alone, offline."""

from __future__ import annotations

import hashlib
from datetime import datetime

from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import MessageRow, ParcelRow
from intertie.gateway.proving.chains import chains_for
from intertie.gateway.proving.erase import what_is_left
from intertie.gateway.translating.export_translated import NoEvidenceError, export_translated, partner_of
from intertie.journal.entry import Kind, read_entry
from intertie.journal.rows import TreeRows
from intertie.model.ids import MessageId
from intertie.seal.evidence import build_evidence
from intertie.seal.evidence_hops import write_hops
from intertie.seal.evidence_stamp import StampedEntry
from intertie.seal.hop import read_hop
from intertie.seal.jws import read_jws
from intertie.seal.parcel import MANIFEST_BYTES_MAX, MANIFEST_TYP
from intertie.seal.receipt import RECEIPT_BYTES_MAX, RECEIPT_TYP
from intertie.seal.signed_part import Part
from intertie.seal.tree import HASH_BYTES

__all__ = ["NoEvidenceError", "export", "export_row", "is_translated", "partner_of"]


def export(gateway: Gateway, message: MessageId, now: datetime) -> bytes:
    """The evidence file of a message, sent or received. Raises NoEvidenceError."""
    row = gateway.store.message(message)
    if row is None:
        raise NoEvidenceError(
            f"no message {message} here", do="`intertie inbox` and `intertie outbox` list them"
        )
    return export_row(gateway, row, now)


def export_row(gateway: Gateway, row: MessageRow, now: datetime) -> bytes:
    """The evidence file of a message that was looked up. Raises NoEvidenceError, EvidenceError if a part is damaged."""
    if row.erased is not None:
        raise NoEvidenceError(
            f"of message {row.id} {what_is_left(row)}",
            do="Evidence exported before stays valid; whoever holds the bytes can compare their hash",
        )
    if row.parcel is None or row.position is None:
        raise NoEvidenceError(
            f"message {row.id} is {row.state.value}: it is in no parcel yet", do="Wait until it is sent"
        )
    other = partner_of(row)  # two partners may have chosen the same parcel id
    parcel = gateway.store.parcel(row.parcel, outgoing=row.outgoing, partner=other)
    if parcel is None:
        raise NoEvidenceError(f"parcel {row.parcel} of message {row.id} is not here")
    if is_translated(parcel.manifest):
        return export_translated(gateway, row, parcel, now)
    return _build(gateway, row, parcel)


def is_translated(manifest: bytes) -> bool:
    """Whether a parcel is a message in a partner's own protocol: then it has that protocol's name in place of a manifest."""
    return not manifest.startswith(b"{")


def _build(gateway: Gateway, row: MessageRow, parcel: ParcelRow) -> bytes:
    leaves = [parcel.leaves[i : i + HASH_BYTES] for i in range(0, len(parcel.leaves), HASH_BYTES)]
    manifest = read_jws(parcel.manifest, MANIFEST_TYP, limit=MANIFEST_BYTES_MAX)
    receiver_chains, stamp = None, None
    if parcel.receipt is not None:
        receipt = read_jws(parcel.receipt, RECEIPT_TYP, limit=RECEIPT_BYTES_MAX)
        receiver_chains = chains_for(gateway, receipt, row.recipient)
        stamp = _stamp(gateway, parcel, parcel.receipt)
    return build_evidence(
        message=row.body,
        index=row.position or 0,
        leaves=leaves,
        manifest=parcel.manifest,
        sender_chains=chains_for(gateway, manifest, row.sender),
        receipt=parcel.receipt,
        receiver_chains=receiver_chains,
        stamp=stamp,
        hops=_hops(gateway, row, parcel),
    )


def _hops(gateway: Gateway, row: MessageRow, parcel: ParcelRow) -> tuple[Part, ...]:
    """What the relays signed that it went over, if there were any."""
    statements = gateway.store.hops(parcel.id, outgoing=row.outgoing, partner=parcel.partner)
    read = [read_hop(raw) for raw in statements]
    chains = {stated.hop.by: chains_for(gateway, stated.jws, stated.hop.by) for stated in read}
    return write_hops(statements, chains)


def _stamp(gateway: Gateway, parcel: ParcelRow, receipt: bytes) -> StampedEntry | None:
    """The first time stamp over a head of our journal with the line about this receipt in it, if there is one."""
    digest = hashlib.sha256(receipt).hexdigest()
    for index, raw in gateway.store.parcel_entries(parcel.id):
        entry = read_entry(raw)
        if entry.kind not in (Kind.RECEIPT_IN, Kind.RECEIPT_OUT) or entry.digest != digest:
            continue
        for stamp in gateway.store.stamps(answered=True, least=index + 1, limit=1):
            size, root = stamp.head
            proof = TreeRows(gateway.store).inclusion(index, size)
            return StampedEntry(gateway.party.id, size, root, index, raw, proof, stamp.reply or b"")
    return None
