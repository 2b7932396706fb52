"""One effect for a request that comes again: its key, what it asked, and what it was answered are kept on disk.

A request is written down before its act begins, with its time and the id of the message that it will make. If the process dies
between act and answer, the repeat does the act again with the same id at the same time: the store knows such a message already.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from intertie.model.errors import IntertieError
from intertie.model.ids import MessageId, new_message_id

# A request is repeated within minutes; over a long weekend of a broken line it may be days.
KEPT = timedelta(days=7)


class Begun(NamedTuple):
    """A request as it was written down. `status` is 0 until it was answered."""

    digest: str
    at: datetime
    message: MessageId
    status: int = 0
    body: bytes = b""


class Answered(NamedTuple):
    """What a request was answered."""

    status: int
    body: bytes
    repeated: bool = False


class AnswerBook(Protocol):
    """Where requests and answers are kept; several processes share it."""

    def alone(self, owner: str, key: str) -> AbstractContextManager[None]:
        """While it is entered nobody else, in any process, is at this key. The lock ends with the process."""

    def find(self, owner: str, key: str) -> Begun | None:
        """The request of this key."""

    def begin(self, owner: str, key: str, begun: Begun, forget_before: datetime) -> None:
        """Write it down; it is on disk when this returns. Those begun before the second time are forgotten."""

    def end(self, owner: str, key: str, answered: Answered) -> None:
        """Write down what it was answered."""

    def drop(self, owner: str, key: str) -> None:
        """It had no effect and may be tried anew."""


class KeyReused(IntertieError):
    """The key was used for another request."""


class Stamp(NamedTuple):
    """With what a request acts: the time, and the id of the first message that it makes. `again`: it may have been done."""

    at: datetime
    message: MessageId
    again: bool


def once(
    book: AnswerBook,
    owner: str,
    key: str,
    digest: str,
    now: datetime,
    act: Callable[[Stamp], Answered],
) -> Answered:
    """What the act answers, or answered. KeyReused if the key came with another request. An answer of 429 or above 499 is
    not kept: the act had no effect then, and a repeat tries it anew."""
    with book.alone(owner, key):
        known = book.find(owner, key)
        if known is not None and known.digest != digest:
            raise KeyReused(
                "this Idempotency-Key came with another request", do="Make up a new key for each request."
            )
        if known is not None and known.status:
            return Answered(known.status, known.body, repeated=True)
        begun = known or Begun(digest, now, new_message_id(now))
        if known is None:
            book.begin(owner, key, begun, now - KEPT)
        answered = act(Stamp(begun.at, begun.message, known is not None))
        if answered.status == 429 or answered.status >= 500:
            book.drop(owner, key)
        else:
            book.end(owner, key, answered)
        return answered
