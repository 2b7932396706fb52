"""Waiting until messages that were queued have their receipts."""

from __future__ import annotations

import time
from collections.abc import Sequence

from intertie.exchange.outbound import State
from intertie.gateway.ports import MessageRow, Store
from intertie.model.ids import MessageId

# How often it is looked for a receipt.
STEP_SECONDS = 0.02


def wait_for(store: Store, ids: Sequence[MessageId], seconds: float) -> dict[MessageId, MessageRow]:
    """The messages, once none is on its way any more or the time is over."""
    end = time.monotonic() + seconds
    while True:
        rows = [store.message(id, outgoing=True) for id in ids]
        found = {row.id: row for row in rows if row is not None}
        moving = any(row.state in (State.QUEUED, State.SENDING) for row in found.values())
        if not moving or time.monotonic() >= end:
            return found
        time.sleep(STEP_SECONDS)
