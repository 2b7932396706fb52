"""Which waiting messages go into the next parcel: urgent first, but inside a conversation always in the order of seq.

A conversation whose earlier message is on its way, or may not go yet, waits; an urgent message pulls the earlier ones of
its conversation forward with it. DESIGN section 7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from intertie.model.ids import ConversationId


class Waiting(NamedTuple):
    """A message that could go now."""

    seq: int
    priority: int
    conversation: ConversationId | None
    size: int  # bytes


class Ahead(NamedTuple):
    """What stands before a message in its conversation."""

    blocked: bool  # by one on its way, or not due yet
    waiting: Sequence[Waiting]  # those that could go now, in the order of seq


# (conversation, seq) -> what stands before it.
LookAhead = Callable[[ConversationId, int], Ahead]


def choose(due: Iterable[Waiting], ahead: LookAhead, *, count: int, size: int) -> list[int]:
    """The seqs to send, in order: at most `count` messages and `size` bytes together, but at least one if any can go.

    `due` comes by priority, then seq, and is read no further than needed.
    """
    chosen: list[int] = []
    taken: set[int] = set()
    blocked: set[ConversationId] = set()
    room = size
    for message in due:
        if message.seq in taken or message.conversation in blocked:
            continue
        train = [message]
        if message.conversation is not None:
            before = ahead(message.conversation, message.seq)
            if before.blocked:
                blocked.add(message.conversation)
                continue
            train = [m for m in before.waiting if m.seq not in taken] + train
        for each in train:
            if chosen and (len(chosen) >= count or each.size > room):
                return chosen
            chosen.append(each.seq)
            taken.add(each.seq)
            room -= each.size
    return chosen
