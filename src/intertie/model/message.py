"""A message: a header after the pattern of IEC 61968-100 and a typed body, as the exact bytes its sender wrote."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from intertie.model.attachment import AttachmentRef, check_attachments
from intertie.model.errors import Code, Refused
from intertie.model.explain import why_unreadable
from intertie.model.ids import (
    WORD,
    AgreementRef,
    ConversationRef,
    DocumentRef,
    InterfaceRef,
    MessageRef,
    PartyName,
)
from intertie.model.interval import Instant
from intertie.model.record import Record, RuleError

# One message fits in memory many times over; larger content rides as an attachment.
MESSAGE_BYTES_MAX = 8 * 1024 * 1024
# A key or a certificate in base64; one of ML-DSA-87 with its signature is 10 kB.
KEY_MAX = 16 * 1024


class Verb(StrEnum):
    """What the message does to its document (IEC 61968-100, Verb)."""

    CREATE = "create"
    CREATED = "created"
    CHANGE = "change"
    CHANGED = "changed"
    CANCEL = "cancel"
    CANCELED = "canceled"
    CLOSE = "close"
    CLOSED = "closed"
    GET = "get"
    REPLY = "reply"
    EXECUTE = "execute"
    EXECUTED = "executed"


class Mode(StrEnum):
    """How a flow runs; registration and real-time traffic have different needs (minutes of 20 November 2024)."""

    REGISTRATION = "registration"
    SCHEDULED = "scheduled"
    REAL_TIME = "real_time"


class Header(Record, frozen=True, kw_only=True, rename={"sender": "from", "recipient": "to"}):
    """Who says what to whom, about what, until when. Times are UTC; priority 0 goes first."""

    id: MessageRef
    verb: Verb
    document: DocumentRef
    version: Annotated[int, Meta(ge=1, le=999)]
    interface: InterfaceRef
    mode: Mode
    sender: PartyName
    recipient: PartyName
    agreement: AgreementRef | None = None
    conversation: ConversationRef | None = None
    in_reply_to: MessageRef | None = None
    created: Instant
    expires: Instant
    priority: Annotated[int, Meta(ge=0, le=9)] = 5

    def check(self) -> None:
        """A message lives for some time."""
        if self.expires <= self.created:
            raise RuleError("expires: not after created")


class Original(Record, frozen=True, kw_only=True):
    """The same message in the protocol that the partner speaks: the bytes that its author signed, in base64 (docs/uftp.md)."""

    binding: Annotated[str, Meta(pattern=WORD)]
    # The largest that fits a message.
    signed: Annotated[str, Meta(max_length=MESSAGE_BYTES_MAX)]
    # The key that was pinned for its author then, as the protocol writes it: it may be another one by now.
    key: Annotated[str, Meta(max_length=KEY_MAX)] = ""


def original_bytes(original: Original) -> bytes:
    """What its author signed."""
    return base64.b64decode(original.signed)


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message with its body still unread. `translated` never comes in a parcel: it says what our translation is of."""

    header: Header
    body: msgspec.Raw
    attachments: tuple[AttachmentRef, ...] = ()
    translated: Original | None = None

    def __post_init__(self) -> None:
        if self.attachments:
            check_attachments(self.attachments)


_ENVELOPE = msgspec.json.Decoder(Envelope)
_ENCODER = msgspec.json.Encoder(decimal_format="string")


def read_envelope(raw: bytes) -> Envelope:
    """The header, strictly, and the body's bytes. Refused(BAD_MESSAGE) says what is wrong."""
    if len(raw) > MESSAGE_BYTES_MAX:
        raise Refused(Code.BAD_MESSAGE, f"larger than {MESSAGE_BYTES_MAX} bytes")
    try:  # Depth: the types bound it everywhere but in the body's skip, which the interpreter's own limit stops.
        return _ENVELOPE.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(Code.BAD_MESSAGE, why_unreadable(error)) from error


def write_message(
    header: Header,
    body: Record | msgspec.Raw,
    attachments: Sequence[AttachmentRef] = (),
    translated: Original | None = None,
) -> bytes:
    """The bytes of a message: what is signed, sealed and kept. Decimals are strings, times RFC 3339 in UTC."""
    said: dict[str, object] = {"header": header, "body": body}
    if attachments:
        said["attachments"] = attachments
    if translated is not None:
        said["translated"] = translated
    return _ENCODER.encode(said)


def utc(at: datetime) -> datetime:
    """The same instant in UTC, so that it is written with Z."""
    return at.astimezone(UTC)
