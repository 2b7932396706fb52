"""A partner that moves from a protocol of its own to parcels, in the middle of a conversation.

A message was translated when it was queued, and may have been posted since. As a parcel it could arrive twice, and dropped it
would be lost. So what began in the old protocol ends there, while there is a legacy file, and what is said from then on goes as
parcels.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import MessageRow, ParcelRow
from intertie.gateway.translating.accept_translated import original_of
from intertie.model.ids import ParcelId, PartyId

# Bodies that do not hold it need not be read: it is looked for in each message that goes.
_TRANSLATED = b'"translated"'


def is_translated(row: MessageRow) -> bool:
    """Whether it was queued for a protocol of the partner's own."""
    return _TRANSLATED in row.body and original_of(row.body) is not None


def of_kind(rows: Sequence[MessageRow], *, translated: bool) -> list[MessageRow]:
    """Those that were, or those that were not."""
    return [row for row in rows if is_translated(row) is translated]


def unfinished(
    gateway: Gateway, party: PartyId, now: datetime, *, translated: bool, without: Collection[ParcelId] = ()
) -> ParcelRow | None:
    """The oldest parcel without an answer that is due again: of posts in the old protocol, or of sealed ones."""
    others = list(without)
    while (parcel := gateway.store.unfinished_parcel(party, now, without=others)) is not None:
        if (parcel.blob is None) is translated:
            return parcel
        others.append(parcel.id)
    return None
