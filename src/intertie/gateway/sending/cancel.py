"""The end of a message that never left: taken back, or unable to go."""

from __future__ import annotations

from datetime import datetime

from intertie.exchange.outbound import ImpossibleEvent, State
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import MessageRow
from intertie.journal.entry import Entry, Kind
from intertie.model.ids import MessageId


def cancel(gateway: Gateway, message: MessageId, now: datetime) -> bool:
    """Take a message back before it leaves; False if it is already on its way or done."""
    row = gateway.store.message(message, outgoing=True)
    if row is None or row.state is not State.QUEUED:
        return False
    try:
        finish(gateway, row, State.CANCELLED, "cancelled before sending", now)
    except ImpossibleEvent:  # it left a moment ago
        return False
    return True


def finish(gateway: Gateway, row: MessageRow, state: State, detail: str, now: datetime) -> None:
    entry = Entry(
        kind=Kind.ACT, at=now, partner=row.recipient, message=row.id, digest=row.leaf.hex(), note=state.value
    )
    gateway.store.set_state(row.id, state, detail[:300], [entry], now)
