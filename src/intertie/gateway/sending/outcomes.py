"""What a verified receipt means for each message of its parcel.

A refusal that time can mend (`retry` in model/errors.py: the message is from the recipient's future, because one of the two
clocks is wrong) sends the message back to the queue: the recipient kept nothing, its id is free, and it goes again in another
parcel until it expires. All other outcomes are final.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from intertie.exchange.outbound import State
from intertie.gateway.ports import MessageRow
from intertie.model.errors import RULES, Code
from intertie.model.ids import MessageId
from intertie.seal.receipt import Outcome

_STATES = {"accepted": State.ACCEPTED, "duplicate": State.DUPLICATE, "refused": State.REFUSED}
Moves = list[tuple[MessageId, State, str]]


def outcomes_of(
    rows: Sequence[MessageRow], said: Sequence[Outcome], now: datetime, *, again: bool = True
) -> Moves:
    """The state that each message goes to, and why; QUEUED for one that goes again. With `again` False none does."""
    moves: Moves = []
    overtaken: set[str] = (
        set()
    )  # conversations of which a later message is settled: an earlier one must not come after it
    for row, outcome in zip(reversed(rows), reversed(said), strict=True):
        state = _STATES[outcome.status]
        detail = f"{outcome.code}: {outcome.detail}" if outcome.code else ""
        in_order = row.conversation is None or row.conversation not in overtaken
        if again and state is State.REFUSED and _time_helps(outcome.code) and in_order and row.expires > now:
            state = State.QUEUED
        elif row.conversation is not None and state is not State.REFUSED:
            overtaken.add(row.conversation)
        moves.append((row.id, state, detail))
    moves.reverse()
    return moves


def _time_helps(code: str | None) -> bool:
    return code in RULES and RULES[Code(code)].retry
