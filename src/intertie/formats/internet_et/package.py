"""What the file of a request is: PGP/MIME (RFC 3156), and inside, once it is opened, a MIME header and then the file itself."""

from __future__ import annotations

import re

from intertie.formats.as2 import mime
from intertie.formats.as2.flaws import As2Error

ENCRYPTED = "multipart/encrypted"
# What begins a file that has a header before it.
_HEADED = re.compile(rb"[ \t\r\n]*content-[a-z-]+:", re.IGNORECASE)


def write_package(message: bytes, boundary: str) -> tuple[str, bytes]:
    """A message of OpenPGP as the file: its content type, and its bytes."""
    control = mime.write([("Content-Type", "application/pgp-encrypted")], b"Version: 1")
    inside = mime.write([("Content-Type", "application/octet-stream")], message)
    kind = f'{ENCRYPTED}; boundary="{boundary}"; protocol="application/pgp-encrypted"'
    return kind, mime.multipart(boundary, [control, inside])


def read_package(kind: str, data: bytes) -> bytes:
    """The message of OpenPGP in a file: of its second part, or all of it, where a partner sends it as it is."""
    try:
        said = mime.entity(f"Content-Type: {kind or 'application/octet-stream'}\r\n\r\n".encode() + data)
        if said.kind != ENCRYPTED:
            return data
        pieces = mime.parts(said)
        wanted = [one for one in pieces if one.kind != "application/pgp-encrypted"]
        return wanted[0].content() if wanted else b""
    except As2Error:  # it is looked into as it is: what is missing has its own code
        return data


def write_inside(content: bytes, kind: str) -> bytes:
    """A file with its header."""
    return mime.write([("Content-Type", kind)], content)


def read_inside(content: bytes) -> tuple[str, bytes]:
    """The content type, if it is said, and the file."""
    if not _HEADED.match(content):
        return "", content
    try:
        said = mime.entity(content.lstrip(b" \t\r\n"))
        return said.kind, said.content()
    except As2Error:
        return "", content
