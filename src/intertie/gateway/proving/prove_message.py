"""That a message is in the partner's journal: the partner's lines about it, under a head that the partner signs."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import NamedTuple

import msgspec

from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.ports import MessageRow
from intertie.gateway.proving.audit_partner import WitnessLink
from intertie.gateway.proving.export_evidence import NoEvidenceError, partner_of
from intertie.gateway.proving.witness import Lines, hashes_of
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Entry, Kind, read_entry
from intertie.journal.proof import check_entry
from intertie.model.errors import EvidenceError, PartnerError, Refused
from intertie.seal.checkpoint import verify_checkpoint
from intertie.seal.encoding import from_base64url, read_canonical

_LINES = msgspec.json.Decoder(Lines)


class Proven(NamedTuple):
    """The partner's head, signed by it at `at`, and its entries about the message and its parcel, by index."""

    partner: Partner
    head: Head
    at: datetime
    entries: list[tuple[int, Entry]]


async def prove_message(gateway: Gateway, link: WitnessLink, row: MessageRow, now: datetime) -> Proven:
    """What the partner's journal has about a message that we sent, or that it sent. Raises NoEvidenceError if there is no
    partner or no parcel, PartnerError if the partner gives no proof of an entry for these very bytes."""
    partner = gateway.partners.find(partner_of(row))
    if partner is None or row.parcel is None:
        raise NoEvidenceError(f"message {row.id} was never in a parcel with a present partner")
    raw = await _get(link, partner, "/journal/checkpoint")
    try:
        said = verify_checkpoint(
            raw, writer=partner.keys, reader=gateway.party.id, trust=gateway.trust, now=now
        )
    except Refused as refused:
        raise PartnerError(f"the checkpoint of {partner.party} is none: {refused}") from refused
    head = Head(said.size, bytes.fromhex(said.root))
    path = f"/journal/lines?size={head.size}&parcel={row.parcel}&message={row.id}"
    entries = _check(await _get(link, partner, path), partner, head)
    if not any(_is_about(entry, row, gateway) for _, entry in entries):
        raise PartnerError(
            f"{partner.party} proves no entry for message {row.id} in its journal",
            do="`intertie journal audit` shows whether it was rewritten; the receipt proves the delivery either way.",
        )
    return Proven(partner, head, said.at, entries)


def _check(raw: bytes, partner: Partner, head: Head) -> list[tuple[int, Entry]]:
    """Entries that lie under the head; PartnerError for anything else."""
    try:
        lines = [
            (line.index, from_base64url(line.entry), line.hashes)
            for line in read_canonical(raw, _LINES).entries
        ]
        for index, entry, hashes in lines:
            check_entry(entry, index, hashes_of(hashes), head)
        return [(index, read_entry(entry)) for index, entry, _ in lines]
    except (ValueError, EvidenceError) as error:
        raise PartnerError(f"{partner.party} gives no proof: {error}"[:300]) from error


def _is_about(entry: Entry, row: MessageRow, gateway: Gateway) -> bool:
    """Whether an entry of the partner's is the one that there must be: it accepted these bytes, or sealed this parcel."""
    if row.outgoing:
        accepted = entry.kind is Kind.MESSAGE_IN and (entry.message, entry.digest) == (row.id, row.leaf.hex())
        return accepted or (entry.kind is Kind.RECEIPT_OUT and entry.digest == _receipt_digest(row, gateway))
    return entry.kind is Kind.PARCEL_OUT and entry.parcel == row.parcel


def _receipt_digest(row: MessageRow, gateway: Gateway) -> str | None:
    """Of the receipt that we hold, if there is one."""
    if row.parcel is None:
        return None
    parcel = gateway.store.parcel(row.parcel, outgoing=True, partner=row.recipient)
    receipt = parcel.receipt if parcel is not None else None
    return hashlib.sha256(receipt).hexdigest() if receipt is not None else None


async def _get(link: WitnessLink, partner: Partner, path: str) -> bytes:
    answer = await link.get(partner, path)
    if answer.status != 200:
        raise PartnerError(f"{partner.party} answers {answer.status} when asked for {path.partition('?')[0]}")
    return answer.body
