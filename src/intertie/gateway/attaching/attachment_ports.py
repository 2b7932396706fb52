"""What the acts need of whatever keeps attached files: sealed, as they travel. stores/attachment_files.py keeps these promises.

What a returned call wrote, moved or removed is so after a crash. Several processes may use one keeping at once. All
methods raise StoreError when it cannot be read or written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Annotated, BinaryIO, NamedTuple, Protocol

from msgspec import Meta

from intertie.model.attachment import ATTACHMENT_BYTES_MAX, AttachmentId
from intertie.model.ids import MessageId, PartyId
from intertie.model.record import Record


class Coming(NamedTuple):
    """A file on its way in: whose, which, and how long it is when it is whole (sealed bytes)."""

    partner: PartyId
    id: AttachmentId
    length: int


class Owner(NamedTuple):
    """The message that files belong to; `partner` None: one of our own. `at`: when they came to it."""

    partner: PartyId | None
    message: MessageId
    at: datetime


class AttachmentLimits(Record, frozen=True, kw_only=True):
    """How much of partners' files is kept here. What waits is what has come, or was begun, and no accepted message names."""

    # Relative to the gateway's directory; all processes of the gateway must reach it.
    folder: str = "attachments"
    file_bytes: Annotated[int, Meta(ge=1, le=ATTACHMENT_BYTES_MAX)] = ATTACHMENT_BYTES_MAX
    # Of one partner: two of the largest at once, or a filing of 200 parts.
    waiting_bytes: Annotated[int, Meta(ge=1)] = 2 * ATTACHMENT_BYTES_MAX + 2**20
    waiting_files: Annotated[int, Meta(ge=1, le=100_000)] = 256
    # Longer than a message of default life can be on its way, weekend and all.
    waiting_days: Annotated[int, Meta(ge=1, le=365)] = 7
    # The store shares the disk: files are refused before messages have to be.
    free_bytes: Annotated[int, Meta(ge=0)] = 2**30
    # Connections that bring files at once, of one partner; a sender uses one.
    uploads: Annotated[int, Meta(ge=1, le=64)] = 4


class OffsetError(Exception):
    """Bytes do not begin where the file ends; `there` is where that is."""

    def __init__(self, there: int) -> None:
        super().__init__()
        self.there = there


class AttachmentStore(Protocol):
    """Where sealed files lie: on their way out, on their way in, or with the message that they came with."""

    # Coming in
    def there(self, coming: Coming) -> int:
        """How many bytes of it are here, and will be after a crash."""

    def append(self, coming: Coming, offset: int, data: bytes, now: datetime) -> int:
        """Add bytes at its end; where the end is then. OffsetError if `offset` is not the end; never beyond `length`.
        Durable after `sync`."""

    def sync(self, coming: Coming) -> None:
        """What was added is on disk."""

    def coming(self, partner: PartyId | None = None) -> list[tuple[Coming, datetime]]:
        """What has come of which no message is known yet, of one partner or of all, and when its last bytes came."""

    def free(self) -> int:
        """Bytes that the disk has left for us."""

    def received(self, coming: Coming, message: MessageId) -> BinaryIO | None:
        """The whole sealed file for reading: on its way in, or with this message; None if there is none such."""

    def keep(self, coming: Coming, message: MessageId, now: datetime) -> None:
        """From now on it belongs to this message of its partner."""

    def drop(self, coming: Coming, message: MessageId | None = None) -> None:
        """Remove it from what comes in, and from this message's files."""

    # Going out
    def draft(self, message: MessageId, id: AttachmentId, now: datetime) -> AbstractContextManager[BinaryIO]:
        """A new file of a message that is being written; on disk at the end of the context."""

    def queue(self, message: MessageId, now: datetime) -> None:
        """All files of this message are written: they are to go out."""

    def sending(self) -> list[MessageId]:
        """Messages of which not all files are with the partner, oldest first."""

    def set_sent(self, message: MessageId) -> None:
        """All of its files are with the partner, or need not go there any more."""

    def is_sent(self, message: MessageId) -> bool:
        """Whether `set_sent` was said of it."""

    def link(self, old: MessageId, new: MessageId, now: datetime) -> None:
        """The files of one message are to go out with another one too. They are on disk once."""

    # With their message
    def open(self, partner: PartyId | None, message: MessageId, id: AttachmentId) -> BinaryIO | None:
        """The sealed file of a message, of a partner's or (None) our own, for reading; None if it is not here."""

    def owners(self) -> Iterator[Owner]:
        """Every message that has files here."""

    def destroy(self, partner: PartyId | None, message: MessageId) -> None:
        """Remove all files of a message; no effect if there are none."""

    def sweep_drafts(self, before: datetime) -> int:
        """Remove what was drafted before this time and never queued; how many messages' files that was."""


class Attachments(NamedTuple):
    """Where files are kept, and how many."""

    files: AttachmentStore
    limits: AttachmentLimits = AttachmentLimits()
