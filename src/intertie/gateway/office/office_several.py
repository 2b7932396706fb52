"""One request that says something to several partners: to each in a message of its own, whose id follows from the request's."""

from __future__ import annotations

import hashlib
from uuid import UUID

from intertie.gateway.office.office_once import Stamp
from intertie.model.ids import MessageId, PartyId, uuid7

# The part of an id that is no time and no version.
_RANDOM_BITS = 74


def stamp_for(stamp: Stamp, partner: PartyId) -> Stamp:
    """The stamp for one of them: the same whenever the request is done again, and another one for each partner."""
    number = hashlib.sha256(f"{stamp.message} {partner}".encode()).digest()
    millis = UUID(stamp.message).int >> 80
    derived = uuid7(millis, int.from_bytes(number) >> (256 - _RANDOM_BITS))
    return stamp._replace(message=MessageId(derived))
