"""What is kept of an AS2 message of ours, and of a receipt of ours: the bytes that go, the same each time, as one MIME entity.

A message that went is kept twice in it: as it is sent, which only its recipient can open, and as it was signed, which is what its
receipt has the MIC of, and what we show of it. Both are encrypted with the store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from intertie.formats.as2 import mime
from intertie.formats.as2.flaws import As2Error, Flaw
from intertie.formats.as2.message import Post, Sent
from intertie.formats.as2.names import read_names
from intertie.seal.cms import Digest, digest_named

# Where a receipt of ours goes, if it is not the answer of a connection. Ours alone: it is never sent.
ADDRESS = "X-Intertie-Address"
# By what the receipt's MIC is.
DIGEST = "X-Intertie-Digest"
KIND = "multipart/x-intertie-sent"
# A receipt with the answers of its file's format, which go as messages of their own.
ANSWERS = "multipart/x-intertie-answers"


class KeptMessage(NamedTuple):
    """A message of ours."""

    post: Post
    signed: bytes  # the multipart/signed
    over: bytes  # what its receipt's MIC is over
    digest: Digest


class KeptReceipt(NamedTuple):
    """A receipt of ours, and where it goes; without an address it was the answer of a connection, and goes nowhere else."""

    post: Post
    address: str


class KeptAnswers(NamedTuple):
    """A receipt of ours, and answers of the file's format."""

    receipt: KeptReceipt
    messages: tuple[KeptMessage, ...]


def keep_answers(receipt: bytes, messages: Sequence[bytes]) -> bytes:
    """As one entity; the receipt alone if there is nothing else."""
    if not messages:
        return receipt
    boundary = f"answers-{hashlib.sha256(receipt).hexdigest()[:40]}"
    whole = mime.multipart(boundary, [receipt, *messages])
    return mime.write([("Content-Type", f'{ANSWERS}; boundary="{boundary}"')], whole)


def keep_message(sent: Sent) -> bytes:
    """As one entity."""
    boundary = f"sent-{hashlib.sha256(sent.post.body).hexdigest()[:40]}"
    whole = mime.multipart(boundary, [sent.signed, mime.write(sent.post.headers, sent.post.body)])
    return mime.write(
        [("Content-Type", f'{KIND}; boundary="{boundary}"'), (DIGEST, sent.digest.value)], whole
    )


def keep_receipt(post: Post, address: str) -> bytes:
    """As one entity."""
    return mime.write([(ADDRESS, address), *post.headers], post.body)


def read_kept(raw: bytes) -> KeptMessage | KeptReceipt | KeptAnswers:
    """What was kept. Raises As2Error if it is none of it."""
    found = mime.entity(raw)
    if found.kind == ANSWERS:
        receipt, *messages = (_read(part) for part in mime.parts(found))
        sent = tuple(one for one in messages if isinstance(one, KeptMessage))
        if not isinstance(receipt, KeptReceipt) or len(sent) != len(messages):
            raise As2Error(Flaw.BAD_MIME, "not what was kept of answers of ours")
        return KeptAnswers(receipt, sent)
    return _read(found)


def _read(found: mime.Entity) -> KeptMessage | KeptReceipt:
    if found.kind != KIND:
        return KeptReceipt(_post(found), mime.header(found, ADDRESS))
    pieces = mime.parts(found)
    digest = digest_named(mime.header(found, DIGEST))
    if len(pieces) != 2 or digest is None:
        raise As2Error(Flaw.BAD_MIME, "not what was kept of a message of ours")
    inner = mime.parts(pieces[0])[0]
    read_names(pieces[1])
    return KeptMessage(_post(pieces[1]), pieces[0].raw, inner.raw, digest)


def _post(found: mime.Entity) -> Post:
    headers = tuple((name, str(value)) for name, value in found.headers.items() if name != ADDRESS)
    return Post(headers, found.body)
