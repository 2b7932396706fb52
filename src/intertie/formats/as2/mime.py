"""MIME entities as bytes: nothing is written again to be hashed, what was signed is a slice of what came.

Headers are read by the standard library's `email`; where a part begins and ends is found here, because that library would give
the parts back in other bytes than those that were signed.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections.abc import Iterable
from email.message import Message
from email.parser import HeaderParser
from email.policy import compat32
from typing import NamedTuple

from intertie.formats.as2.flaws import As2Error, Flaw

# Longer headers carry no message of this protocol.
HEADER_BYTES_MAX = 32 * 1024
# A signed entity has two parts, a report three at most.
PARTS_MAX = 8
# RFC 2046 s.5.1.1.
BOUNDARY = re.compile(r"^[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]\Z")
# A file name that a partner gives is a name, and not a place.
FILE_NAME = re.compile(r"^[^\x00-\x1f\x7f/\\:]{1,200}\Z")
TOKEN = re.compile(r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")


class Entity(NamedTuple):
    """A MIME entity: `raw` is all of it, as it stood in what came; `body` is not decoded yet."""

    headers: Message
    body: bytes
    raw: bytes

    @property
    def kind(self) -> str:
        """Its content type, without parameters."""
        said = _one(self.headers, "content-type").partition(";")[0].strip().lower()
        return said or "text/plain"

    def parameter(self, name: str) -> str:
        """Of its content type; empty if it has none."""
        try:
            found = self.headers.get_param(name)
        except (ValueError, TypeError, LookupError, UnicodeError) as error:
            raise As2Error(Flaw.BAD_MIME, "a parameter of the content type cannot be read") from error
        return found.strip() if isinstance(found, str) else ""

    @property
    def file_name(self) -> str:
        """What its sender calls it, if that is a plain name; else nothing. It is for people, and never a path."""
        try:
            found = self.headers.get_filename()
        except (ValueError, TypeError, LookupError, UnicodeError):
            return ""
        return found if found and FILE_NAME.match(found) and found not in (".", "..") else ""

    def content(self) -> bytes:
        """The body, decoded. Raises As2Error."""
        return _decoded(self.body, _one(self.headers, "content-transfer-encoding"))


def entity(raw: bytes) -> Entity:
    """Bytes that begin with headers. Raises As2Error."""
    if raw.startswith((b"\r\n", b"\n")):  # no headers at all
        return Entity(Message(), raw[1 + raw.startswith(b"\r\n") :], raw)
    found = re.compile(rb"\r?\n\r?\n").search(raw, 0, HEADER_BYTES_MAX)
    if found is None:
        raise As2Error(Flaw.BAD_MIME, "no end of the headers")
    return Entity(_headers(raw[: found.start()]), raw[found.end() :], raw)


def of_http(headers: Iterable[tuple[str, str]], body: bytes) -> Entity:
    """What came over HTTP, whose headers are the entity's."""
    said = Message()
    for name, value in headers:
        said[name] = value
    return Entity(said, body, body)


def _headers(raw: bytes) -> Message:
    try:
        said = HeaderParser(policy=compat32).parsestr(_text(raw))
    except (ValueError, TypeError, IndexError, LookupError) as error:
        raise As2Error(Flaw.BAD_MIME, "the headers cannot be read") from error
    if said.get_payload():
        raise As2Error(Flaw.BAD_MIME, "a line among the headers is none")
    return said


def _text(raw: bytes) -> str:
    """Headers are ASCII; file names in them are sometimes UTF-8."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _one(headers: Message, name: str) -> str:
    """The value of a header that stands at most once, on one line."""
    values = headers.get_all(name, [])
    if len(values) > 1:
        raise As2Error(Flaw.BAD_MIME, f"{name} stands {len(values)} times")
    return re.sub(r"\s+", " ", str(values[0])).strip() if values else ""


def header(found: Entity, name: str) -> str:
    """The value of a header that stands at most once; empty if it does not stand at all. Raises As2Error."""
    return _one(found.headers, name)


def _decoded(body: bytes, encoding: str) -> bytes:
    encoding = encoding.lower()
    if encoding in ("", "binary", "7bit", "8bit"):
        return body
    if encoding == "base64":
        try:
            return base64.b64decode(re.sub(rb"\s+", b"", body), validate=True)
        except (binascii.Error, ValueError) as error:
            raise As2Error(Flaw.BAD_MIME, "not base64") from error
    if encoding == "quoted-printable":
        return quopri.decodestring(body)
    raise As2Error(Flaw.UNSUPPORTED, "a transfer encoding that is not taken")


def parts(found: Entity) -> list[Entity]:
    """Of a multipart: each as the bytes between its delimiters, whose line ends belong to the delimiters. Raises As2Error."""
    boundary = found.parameter("boundary")
    if not BOUNDARY.match(boundary):
        raise As2Error(Flaw.BAD_MIME, "a multipart without a boundary")
    line = rb"(?:^|\r?\n)--" + re.escape(boundary.encode()) + rb"(--)?[ \t]*(?=\r?\n|\Z)"
    pieces: list[Entity] = []
    start = -1
    for mark in re.finditer(line, found.body):
        if start >= 0:
            pieces.append(entity(_after_line(found.body[start : mark.start()])))
        if mark.group(1):
            return pieces
        if len(pieces) >= PARTS_MAX:
            raise As2Error(Flaw.BAD_MIME, f"more than {PARTS_MAX} parts")
        start = mark.end()
    raise As2Error(Flaw.BAD_MIME, "a multipart without an end")


def _after_line(piece: bytes) -> bytes:
    """Without the line end of the delimiter before it."""
    return piece[2:] if piece.startswith(b"\r\n") else piece[1:]


def write(headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """An entity; values are ours, and hold no line ends."""
    lines = [f"{name}: {value}\r\n" for name, value in headers]
    return "".join(lines).encode() + b"\r\n" + body


def coded(headers: Iterable[tuple[str, str]], content: bytes, encoding: str) -> bytes:
    """An entity whose content is `binary`, or in lines of `base64`."""
    said = [*headers, ("Content-Transfer-Encoding", encoding)]
    return write(said, in_lines(content) if encoding == "base64" else content)


def in_lines(content: bytes) -> bytes:
    """As base64 in lines (RFC 2045 s.6.8)."""
    return base64.encodebytes(content).replace(b"\n", b"\r\n")


def multipart(boundary: str, pieces: Iterable[bytes]) -> bytes:
    """The body of a multipart with these entities."""
    mark = b"--" + boundary.encode()
    return b"".join(mark + b"\r\n" + piece + b"\r\n" for piece in pieces) + mark + b"--\r\n"


def quoted(text: str) -> str:
    """A parameter's value, quoted if it has to be (RFC 2045)."""
    if TOKEN.match(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
