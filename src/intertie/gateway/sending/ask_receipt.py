"""Receipts that were lost for good are asked for: of parcels that were given up, by their ids, since their bytes are gone.

A receipt that comes so is a late receipt like any other: what the partner accepted is delivered, and, if the trade is about it,
in our book at the time that the receipt says. So two books that differ because a receipt was lost are one again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from intertie.exchange.outbound import State
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.ports import ParcelRow, Query
from intertie.gateway.proving.audit_partner import WitnessLink
from intertie.gateway.proving.export_evidence import is_translated
from intertie.gateway.sending.answers import Delivery, close_by_receipt, read_receipt_of
from intertie.gateway.sending.send_message import find_partner
from intertie.model.errors import PartnerError, Refused
from intertie.model.ids import MessageId, PartyId

# Dead letters of a partner that are looked at: of more than this, the newest.
LETTERS_MAX = 1000
NOT_FOUND = 404
# The code of the page, in its problem document.
NEVER_TAKEN = b'"no_such_receipt"'


class Asked(NamedTuple):
    """What became of one parcel: its messages with their states now, and why nothing changed, if nothing did."""

    parcel: ParcelRow
    messages: list[tuple[MessageId, State]]
    why: str = ""


def unanswered(gateway: Gateway, party: PartyId) -> Iterator[ParcelRow]:
    """Parcels to a partner that were given up without a receipt, each once; of its own protocol none, which answers by itself."""
    seen = set()
    query = Query(
        outgoing=True, partner=party, states=(State.EXPIRED, State.FAILED), limit=LETTERS_MAX, bodies=False
    )
    for row in gateway.store.messages(query):
        if row.parcel is None or row.parcel in seen:
            continue
        seen.add(row.parcel)
        parcel = gateway.store.parcel(row.parcel, outgoing=True)
        if parcel is not None and parcel.receipt is None and not is_translated(parcel.manifest):
            yield parcel


async def ask_receipts(gateway: Gateway, link: WitnessLink, party: PartyId, now: datetime) -> list[Asked]:
    """Ask a partner for the receipts of all these parcels. PartnerError if it does not answer."""
    partner = find_partner(gateway, party)
    return [await _ask(gateway, link, partner, parcel, now) for parcel in list(unanswered(gateway, party))]


async def _ask(
    gateway: Gateway, link: WitnessLink, partner: Partner, parcel: ParcelRow, now: datetime
) -> Asked:
    answer = await link.get(partner, f"/journal/receipt?parcel={parcel.id}")
    rows = gateway.store.parcel_messages(parcel.id, outgoing=True)
    if (
        answer.status == NOT_FOUND and NEVER_TAKEN in answer.body
    ):  # a gateway of before has no such page at all
        return Asked(parcel, [(row.id, row.state) for row in rows], "it never took the parcel")
    if answer.status != 200:
        raise PartnerError(f"{partner.party} answers {answer.status} when asked for a receipt")
    try:
        receipt = read_receipt_of(gateway, partner, parcel, answer.body, now)
    except Refused as refused:
        return Asked(parcel, [(row.id, row.state) for row in rows], f"what it gave is no receipt: {refused}")
    closed: Delivery = close_by_receipt(gateway, partner, parcel, rows, receipt, answer, now, float)
    assert closed.receipted
    after = gateway.store.parcel_messages(parcel.id, outgoing=True)
    return Asked(parcel, [(row.id, row.state) for row in after])
