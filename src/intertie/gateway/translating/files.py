"""Files, as carriers move them and formats say them: what both know of each other.

A *carrier* (AS2, SFTP, ...) moves a file from or to a partner whose identity it verified. A *format* (X12, CSV, JSON) turns the
bytes of a file into messages, and a message into a file. Neither knows the other; a partner's legacy file names one of each.

    carrier --> accept_file  --> format.read    messages, refusals, answers to ours
    carrier <-- deliver_file <-- format.write   our message; format.answer: our answers to their file
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, NamedTuple, Protocol

import msgspec
from msgspec import Meta

from intertie.gateway.translating.accept_translated import Said
from intertie.gateway.translating.foreign import Foreign
from intertie.model.errors import Fault, IntertieError
from intertie.model.ids import MessageId, PartyId, derived_uuid7
from intertie.model.message import Header
from intertie.model.record import Record
from intertie.seal.receipt import Outcome

# A name that any partner's file system takes, and that leads nowhere.
FileName = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,100}(\.[A-Za-z0-9_-]{1,40}){0,4}(?!\n)$")
]


class FileError(IntertieError):
    """A file that says nothing that we could take."""

    fault = Fault.THEIRS


class Purpose(StrEnum):
    """Why a file goes to a partner."""

    MESSAGE = "message"
    ANSWER = "answer"  # of its format: a 997, an 824, a table of results
    RECEIPT = "receipt"  # of its carrier: these bytes are kept
    REFUSAL = "refusal"  # the same, where nothing of them is kept


class File(Record, frozen=True, kw_only=True):
    """A file. `kind` is its content type; `about`, of a file that goes out, the message that it is."""

    name: FileName
    kind: Annotated[str, Meta(pattern=r"^[a-z0-9.+-]+/[a-z0-9.+-]+(?!\n)$", max_length=100)]
    content: bytes
    purpose: Purpose = Purpose.MESSAGE
    about: MessageId | None = None


def carried_id(binding: str, file: File) -> str:
    """What a carrier calls a file that is no message of ours, a sealed parcel: the same for the same bytes."""
    return derived_uuid7(binding, hashlib.sha256(file.content).hexdigest())


class FileReply(NamedTuple):
    """What a file of the partner says about a message of ours.

    `exact` is its id, if that is said; else `may_be` says by an id whether it may be the one, and `is_about` by the file that
    went.
    """

    level: str  # gateway/translating/foreign.py: Level
    accepted: bool
    detail: str
    exact: MessageId | None
    may_be: Callable[[MessageId], bool]
    is_about: Callable[[bytes], bool]
    at: datetime | None = None  # when the partner had the message, if the answer says it


class Item(NamedTuple):
    """One thing that a file says: a message, or why it is none, or answers to messages of ours."""

    place: str  # where in the file, for people
    part: bytes  # of the file, as a file of its own: kept with the message
    said: Said | None = None
    error: IntertieError | None = None
    replies: tuple[FileReply, ...] = ()
    source: object = None  # what the format itself wants to see again when it answers


class Judged(NamedTuple):
    """An item and what became of it."""

    item: Item
    outcome: Outcome


class FileFormat(Protocol):
    """A format. It knows neither carrier nor store."""

    name: str
    suffix: str
    kinds: tuple[str, ...]  # content types under which it comes, ours first

    def knows(self, content: bytes) -> bool:
        """Whether a file is of this format, as far as its beginning tells it from others."""

    def read(self, content: bytes, foreign: Foreign, sender: PartyId) -> Sequence[Item]:
        """What a file of this party says, in its order; at least one item. IntertieError if it cannot be read as a whole."""

    def write(self, foreign: Foreign, header: Header, body: Record, number: int) -> File:
        """A message of ours as a file; `number` is its own among all to this partner. IntertieError for what it cannot say."""

    def answer(
        self, judged: Sequence[Judged], foreign: Foreign, us: PartyId, at: datetime, number: int
    ) -> Sequence[File]:
        """What the format itself answers to a file; none, if it has no answers, or the file was one. `number` and the one after
        it are free."""


class _Kept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    kind: str
    size: int
    purpose: Purpose = Purpose.MESSAGE
    about: str | None = None


_KEPT = msgspec.json.Decoder(_Kept)


def write_files(files: Sequence[File]) -> bytes:
    """Files as one piece of bytes, to be kept until they go: for each a line of JSON, then its content as it is."""
    out = []
    for file in files:
        size = len(file.content)
        kept = _Kept(name=file.name, kind=file.kind, size=size, purpose=file.purpose, about=file.about)
        out += [msgspec.json.encode(kept), b"\n", file.content, b"\n"]
    return b"".join(out)


def read_files(raw: bytes) -> list[File]:
    """What `write_files` wrote. FileError if it did not."""
    found, at = [], 0
    try:
        while at < len(raw):
            end = raw.index(b"\n", at)
            kept = _KEPT.decode(raw[at:end])
            begin, at = end + 1, end + 1 + kept.size + 1
            if kept.size < 0 or raw[at - 1 : at] != b"\n":
                raise ValueError("size")
            about = MessageId(kept.about) if kept.about else None
            content = raw[begin : at - 1]
            fields = {"name": kept.name, "kind": kept.kind, "purpose": kept.purpose, "about": about}
            found.append(msgspec.convert({**fields, "content": content}, File))
    except (ValueError, msgspec.MsgspecError) as error:
        raise FileError("not what was kept of files of ours") from error
    return found
