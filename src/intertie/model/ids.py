"""Names of things. Each is a type of its own, so that one cannot be passed for another (mypy holds us to it)."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, NewType

from msgspec import Meta

PartyId = NewType("PartyId", str)
MessageId = NewType("MessageId", str)
ParcelId = NewType("ParcelId", str)
ConversationId = NewType("ConversationId", str)
AgreementId = NewType("AgreementId", str)
ConfirmationId = NewType("ConfirmationId", str)
AggregationId = NewType("AggregationId", str)
DerId = NewType("DerId", str)
MeterId = NewType("MeterId", str)
ConnectionPointId = NewType("ConnectionPointId", str)
InterfaceCode = NewType("InterfaceCode", str)
DocumentName = NewType("DocumentName", str)
KeyId = NewType("KeyId", str)

# `(?!\n)`: a dollar alone would let one line end pass, and with it a second line into logs and files.
UUID7 = r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(?!\n)$"  # RFC 9562 s.5.7
# A party is named like a host: lower case, and short enough to be a SAN and a folder name.
PARTY = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*(?!\n)$"
# Names that partners choose: visible, no blanks, no path tricks (no '..', never begins with a dot or slash).
NAME = r"^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._:/#@+-]{0,127}(?!\n)$"
INTERFACE = r"^[A-Z][A-Z0-9]{1,7}(?!\n)$"
WORD = r"^[a-z][a-z0-9_]{1,63}(?!\n)$"

# The forms in which a record holds an id: the type and what it must look like.
PartyName = Annotated[PartyId, Meta(pattern=PARTY, max_length=120)]
MessageRef = Annotated[MessageId, Meta(pattern=UUID7)]
ParcelRef = Annotated[ParcelId, Meta(pattern=UUID7)]
ConversationRef = Annotated[ConversationId, Meta(pattern=NAME)]
AgreementRef = Annotated[AgreementId, Meta(pattern=NAME)]
ConfirmationRef = Annotated[ConfirmationId, Meta(pattern=NAME)]
AggregationRef = Annotated[AggregationId, Meta(pattern=NAME)]
DerRef = Annotated[DerId, Meta(pattern=NAME)]
MeterRef = Annotated[MeterId, Meta(pattern=NAME)]
PointRef = Annotated[ConnectionPointId, Meta(pattern=NAME)]
InterfaceRef = Annotated[InterfaceCode, Meta(pattern=INTERFACE)]
DocumentRef = Annotated[DocumentName, Meta(pattern=WORD)]
Name = Annotated[str, Meta(pattern=NAME)]
Text = Annotated[str, Meta(max_length=2000)]
ShortText = Annotated[str, Meta(max_length=200)]


# Steps of 32 random bits: the next id is not guessed, and a thousand billion of them fit into a millisecond.
STEP_BITS = 32
NUMBER_BITS = 74


class Rising:
    """Random numbers that rise within a millisecond (RFC 9562 s.6.2, method 2). Safe to use from any thread."""

    def __init__(self, bits: Callable[[int], int] = secrets.randbits) -> None:
        self._bits = bits
        self._lock = threading.Lock()
        self._last = (-1, 0)

    def next(self, millis: int) -> tuple[int, int]:
        """The millisecond, and the next number in it."""
        with self._lock:
            before, number = self._last
            step = 1 + self._bits(STEP_BITS)
            fresh = millis != before or number + step >= 1 << NUMBER_BITS
            self._last = millis, self._bits(NUMBER_BITS - 1) if fresh else number + step  # half: room to rise
            return self._last


MESSAGES = Rising()


def new_uuid7(now: datetime) -> str:
    """A UUIDv7 (RFC 9562 s.5.7): 48 bits of Unix milliseconds, then 74 random bits. Sorts by time."""
    return uuid7(_millis(now), secrets.randbits(NUMBER_BITS))


def derived_uuid7(scheme: str, name: str) -> str:
    """The id, in the form of a UUIDv7, of what another protocol names: always the same. Its time says nothing."""
    digest = hashlib.sha256(f"{scheme}:{name}".encode()).digest()
    return uuid7(int.from_bytes(digest[:6], "big"), int.from_bytes(digest[6:16], "big") >> 6)


def new_message_id(now: datetime) -> MessageId:
    """A fresh message id. Of those that one process makes, a later one sorts after an earlier one of the same millisecond:
    what was written first counts first when both arrive in one parcel."""
    return MessageId(uuid7(*MESSAGES.next(_millis(now))))


def uuid7(millis: int, number: int) -> str:
    """The UUIDv7 of a millisecond and a number of 74 bits."""
    value = millis << 80 | 0x7 << 76 | (number >> 62) << 64 | 0b10 << 62 | number & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _millis(now: datetime) -> int:
    return int(now.timestamp() * 1000)


def new_parcel_id(now: datetime) -> ParcelId:
    """A fresh parcel id."""
    return ParcelId(new_uuid7(now))


def party_id(text: str) -> PartyId:
    """The party a person or file named; ValueError if it is not a party's name."""
    if len(text) > 120 or not re.fullmatch(PARTY, text):
        raise ValueError(f"not a party id: {text!r} (lower-case letters, digits, '-', '.', as a host name)")
    return PartyId(text)


def uuid7_time(value: str) -> datetime:
    """When a UUIDv7 was made, to the millisecond."""
    return datetime.fromtimestamp(int(value.replace("-", "")[:12], 16) / 1000, UTC)
