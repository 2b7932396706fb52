"""The two encodings of everything that is signed: base64url without padding, and one canonical form of JSON.

Reading is decode, encode again, compare. So no byte of a signed or sealed thing is free: no padding bits, no blanks,
no repeated members, no second spelling of a number, a text or a time.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from intertie.model.explain import why_unreadable

T = TypeVar("T")

# Members in order of their names, no blanks, UTF-8, members at their default left out (docs/parcel.md, Encodings).
_ENCODER = msgspec.json.Encoder(order="sorted")
_ANY: msgspec.json.Decoder[object] = msgspec.json.Decoder(object)


def to_base64url(data: bytes) -> str:
    """RFC 4648 s.5 without padding, as RFC 7515 s.2 asks."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_base64url(text: str) -> bytes:
    """The bytes; ValueError for anything that `to_base64url` would not have written."""
    try:
        data = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("not base64url") from error
    if to_base64url(data) != text:
        raise ValueError("not canonical base64url")
    return data


def write_canonical(value: object) -> bytes:
    """The one encoding of a value."""
    return _ENCODER.encode(value)


def read_canonical(raw: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """The value; ValueError if the bytes are not its one encoding."""
    try:
        value = decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(why_unreadable(error)) from error
    if _ENCODER.encode(value) != raw:
        raise ValueError("not in canonical form (order of members, blanks, repeated members, spelling)")
    return value


def read_whole(raw: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """As `read_canonical`, for a file that carries signed parts as they are: those are in the one spelling, too. ValueError."""
    value = read_canonical(raw, decoder)
    read_canonical(raw, _ANY)
    return value


def require_utc(name: str, at: datetime) -> None:
    """ValueError unless a time is written in UTC: one instant, one spelling."""
    if at.utcoffset() != timedelta(0):
        raise ValueError(f"{name}: not in UTC")
