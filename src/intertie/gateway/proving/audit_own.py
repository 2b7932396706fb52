"""Our own journal, audited: it verifies, and it passes every head that we signed and every head that partners hold of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.proving.audit_partner import FIRST, WitnessLink
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.journal.checkpoint import Head
from intertie.journal.rows import TreeRows
from intertie.model.errors import EvidenceError, PartnerError, Refused
from intertie.model.record import Record
from intertie.seal.checkpoint import verify_witness
from intertie.seal.equivocation import read_claim

# Receipts in memory at once; the largest is 8 MiB, the usual one 10 KB.
PAGE = 100
DO = "Stop this gateway; compare the store with its last backup. Partners can prove what they hold."


class OwnAudit(Record, frozen=True, kw_only=True, omit_defaults=False):
    """`consistent`: every entry, every head that we signed in receipts and every head that partners hold agrees."""

    state: Literal["consistent", "rewritten"]
    detail: str
    size: int
    root: str
    receipts: int  # whose heads were compared
    witnessed: int  # heads that partners hold, compared


def audit_entries(gateway: Gateway) -> OwnAudit:
    """Read the whole journal back and compare with the heads in every receipt that we wrote. Takes 200 bytes of memory
    for each receipt, and reads each receipt and each entry once."""
    heads = list(_signed_heads(gateway))
    try:
        head = verify_journal(gateway.store, heads)
    except EvidenceError as error:
        return _rewritten(gateway, error.why, len(heads), 0)
    return OwnAudit(
        state="consistent",
        detail="every entry agrees with the head, and the head with every receipt that we wrote",
        size=head.size,
        root=head.root.hex(),
        receipts=len(heads),
        witnessed=0,
    )


def compare_witnessed(gateway: Gateway, own: OwnAudit, partner: Partner, heads: list[Head]) -> OwnAudit:
    """The same finding once the heads that a partner holds of our journal were compared, too."""
    tree, present = TreeRows(gateway.store), gateway.store.head()
    for head in heads:
        same = head.size <= present.size and tree.root(head.size) == head.root
        if not same:
            detail = f"{partner.party} holds a head of size {head.size} that is not this journal's"
            return _rewritten(gateway, detail, own.receipts, own.witnessed)
    detail = f"{own.detail}; partners hold no other head" if not own.witnessed and heads else own.detail
    return OwnAudit(
        state=own.state,
        detail=detail,
        size=own.size,
        root=own.root,
        receipts=own.receipts,
        witnessed=own.witnessed + len(heads),
    )


async def ask_witness(gateway: Gateway, link: WitnessLink, partner: Partner, now: datetime) -> list[Head]:
    """The heads of our journal that a partner holds, as it signed them. Raises PartnerError if it does not say."""
    heads: list[Head] = []
    after, more = FIRST, True
    while more:
        query = f"?size={after.size}&root={after.root.hex()}" if heads else ""
        answer = await link.get(partner, f"/journal/witnessed{query}")
        if answer.status != 200:
            raise PartnerError(
                f"{partner.party} answers {answer.status} when asked which heads it holds of ours"
            )
        try:
            said = verify_witness(
                answer.body, writer=partner.keys, reader=gateway.party.id, trust=gateway.trust, now=now
            )
        except Refused as refused:
            raise PartnerError(
                f"{partner.party} signs no statement of the heads it holds: {refused}"
            ) from refused
        page = [Head(head.size, bytes.fromhex(head.root)) for head in said.heads]
        if (page and page[0] <= after) or (said.more and not page):
            raise PartnerError(f"{partner.party} repeats itself when asked which heads it holds")
        heads += page
        after, more = (page[-1] if page else after), said.more
    return heads


def _signed_heads(gateway: Gateway) -> Iterator[Head]:
    """Every head that a receipt of ours commits to, as the receipts say it."""
    after = 0
    while page := gateway.store.signed_parcels(after=after, limit=PAGE, outgoing=False):
        for parcel in page:
            if parcel.receipt is not None:
                claim = read_claim(parcel.receipt)[1]
                yield Head(claim.size, bytes.fromhex(claim.root))
        after = page[-1].number


def _rewritten(gateway: Gateway, why: str, receipts: int, witnessed: int) -> OwnAudit:
    head = gateway.store.head()
    return OwnAudit(
        state="rewritten",
        detail=f"{why}. {DO}",
        size=head.size,
        root=head.root.hex(),
        receipts=receipts,
        witnessed=witnessed,
    )
