"""What is kept of packages and receipts: as MIME entities, with what the protocol does not sign beside, in headers of ours.

What was encrypted only its recipient can open. So of a package is kept what was in it and the signature over that, as a file and
a detached signature, which anybody can verify with `gpg`; of ours the message that goes, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from intertie.formats.as2 import mime
from intertie.formats.as2.flaws import As2Error, Flaw

SIGNED = "multipart/x-intertie-et-signed"
SENT = "multipart/x-intertie-et-sent"
ANSWERS = "multipart/x-intertie-et-answers"
# Headers of ours, beside what is signed.
FROM, TO, NAME, FORMAT = "X-ET-From", "X-ET-To", "X-ET-Name", "X-ET-Input-Format"


class Names(NamedTuple):
    """Who wrote to whom, and how the package is named: its first refnum, our message's id, or the hash of what is in it. Of a
    receipt it is the package's."""

    sender: str
    recipient: str
    name: str


class KeptSigned(NamedTuple):
    """What was in a package, and the signature over it."""

    names: Names
    input_format: str
    content: bytes
    signature: bytes


class KeptMessage(NamedTuple):
    """A package of ours: what was signed, and the message of OpenPGP that goes."""

    signed: KeptSigned
    message: bytes


class KeptReceipt(NamedTuple):
    """A receipt as it came or went on the connection; its names are those of who wrote it, and of the package."""

    names: Names
    kind: str
    body: bytes


class KeptAnswers(NamedTuple):
    """A receipt of ours, and answers of the file's format."""

    receipt: KeptReceipt
    messages: tuple[KeptMessage, ...]


Kept = KeptSigned | KeptMessage | KeptReceipt | KeptAnswers


def keep_signed(signed: KeptSigned) -> bytes:
    """As one entity."""
    headers = [*_headers(signed.names), (FORMAT, signed.input_format)]
    content = mime.write([("Content-Type", "application/octet-stream")], signed.content)
    signature = mime.write([("Content-Type", "application/pgp-signature")], signed.signature.rstrip())
    return _multipart(SIGNED, headers, [content, signature])


def keep_message(message: KeptMessage) -> bytes:
    """As one entity."""
    inside = mime.write([("Content-Type", "application/octet-stream")], message.message)
    return _multipart(SENT, [], [keep_signed(message.signed), inside])


def keep_receipt(receipt: KeptReceipt) -> bytes:
    """As one entity."""
    return mime.write([*_headers(receipt.names), ("Content-Type", receipt.kind)], receipt.body)


def keep_answers(receipt: bytes, messages: Sequence[bytes]) -> bytes:
    """As one entity; the receipt alone if there is nothing else."""
    return _multipart(ANSWERS, [], [receipt, *messages]) if messages else receipt


def read_kept(raw: bytes) -> Kept:
    """What was kept. Raises As2Error if it is none of it."""
    found = mime.entity(raw)
    if found.kind == ANSWERS:
        receipt, *messages = (read_kept(part.raw) for part in mime.parts(found))
        sent = tuple(one for one in messages if isinstance(one, KeptMessage))
        if not isinstance(receipt, KeptReceipt) or len(sent) != len(messages):
            raise _none()
        return KeptAnswers(receipt, sent)
    if found.kind == SENT:
        signed, message = _two(found)
        inside = read_kept(signed.raw)
        if not isinstance(inside, KeptSigned):
            raise _none()
        return KeptMessage(inside, message.body)
    names = Names(*(mime.header(found, name) for name in (FROM, TO, NAME)))
    if not all(names):
        raise _none()
    if found.kind == SIGNED:
        content, signature = _two(found)
        return KeptSigned(names, mime.header(found, FORMAT), content.body, signature.body)
    return KeptReceipt(names, mime.header(found, "content-type"), found.body)


def _headers(names: Names) -> list[tuple[str, str]]:
    return [(FROM, names.sender), (TO, names.recipient), (NAME, names.name)]


def _multipart(kind: str, headers: Sequence[tuple[str, str]], pieces: Sequence[bytes]) -> bytes:
    boundary = f"et-{hashlib.sha256(b''.join(pieces)).hexdigest()[:40]}"
    said = [*headers, ("Content-Type", f'{kind}; boundary="{boundary}"')]
    return mime.write(said, mime.multipart(boundary, pieces))


def _two(found: mime.Entity) -> list[mime.Entity]:
    pieces = mime.parts(found)
    if len(pieces) != 2:
        raise _none()
    return pieces


def _none() -> As2Error:
    return As2Error(Flaw.BAD_MIME, "not what was kept of Internet ET")
