"""Messages to measure with: availability declarations of about the size asked for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from intertie.model.documents import example
from intertie.model.ids import AgreementId, ConversationId, DocumentName, MessageId, PartyId, new_message_id
from intertie.model.message import utc, write_message

AGREEMENT = AgreementId("BENCH-1")
# What a declaration takes without its values, and a value with its comma.
FRAME_BYTES, VALUE_BYTES = 1060, 6
STEP = timedelta(minutes=15)


def availability(
    sender: PartyId, recipient: PartyId, number: int, size: int, created: datetime, expires: datetime
) -> tuple[MessageId, bytes]:
    """An availability declaration of its own conversation, and its id; `size` bytes within a few."""
    header, body = example(DocumentName("availability_declaration"))
    header = msgspec.structs.replace(
        header,
        id=new_message_id(created),
        sender=sender,
        recipient=recipient,
        agreement=AGREEMENT,
        conversation=ConversationId(f"bench-{number}"),
        created=utc(created),
        expires=utc(expires),
    )
    return header.id, write_message(header, msgspec.structs.replace(body, **_series(body, number, size)))


def _series(body: Any, number: int, size: int) -> dict[str, Any]:
    """Quarter hours of power up and down, as many as fill the size."""
    count = max(4, (size - FRAME_BYTES) // (2 * VALUE_BYTES))
    start = body.window.start
    end = start + count * STEP
    replace = msgspec.structs.replace
    made: dict[str, Any] = {"window": replace(body.window, end=end)}
    for name in ("up_kw", "down_kw"):
        values = tuple(10_000 + (number * 7 + place * 13) % 90_000 for place in range(count))
        made[name] = replace(
            getattr(body, name), step_seconds=int(STEP.total_seconds()), power_of_ten=-3, values=values
        )
    return made
