"""What is kept of AS4, as one MIME entity each: a message of ours as it goes, a partner's as it was signed, and signals.

A file is kept as it was signed: decrypted, and compressed if it was. All of it is encrypted with the store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from intertie.formats.as2 import mime
from intertie.formats.as4.flaws import As4Error, Flaw, in_words
from intertie.formats.as4.message import Attached, Opened, Post, Received, Sent, open_post, without_file
from intertie.formats.as4.names import SOAP_KIND
from intertie.formats.as4.user_message import Party
from intertie.formats.as4.xml import Envelope, parse_envelope

SENT = "multipart/x-intertie-as4-sent"
CAME = "multipart/x-intertie-as4-came"
# A receipt with the answers of its file's format, which go as messages of their own.
ANSWERS = "multipart/x-intertie-as4-answers"
# From whom to whom a signal went: it has no names in it. Ours alone: they are never sent.
FROM, TO = "X-Intertie-From", "X-Intertie-To"


class KeptMessage(NamedTuple):
    """A message, and its file as it was signed; without a post it came from a partner."""

    envelope: Envelope
    attached: Attached
    post: Post | None = None


class KeptSignal(NamedTuple):
    """A receipt or an error, and between whom."""

    envelope: Envelope
    raw: bytes
    sender: str
    recipient: str


class KeptAnswers(NamedTuple):
    """A receipt of ours, and answers of the file's format."""

    receipt: KeptSignal
    messages: tuple[KeptMessage, ...]


def keep_sent(sent: Sent) -> bytes:
    """A message of ours."""
    return _multipart(SENT, [_file(sent.attached), mime.write(sent.post.headers, sent.post.body)])


def keep_came(received: Received, attached: Attached) -> bytes:
    """A partner's."""
    return _multipart(CAME, [_file(attached), mime.write([("Content-Type", SOAP_KIND)], received.raw)])


def keep_signal(envelope: bytes, sender: Party, recipient: Party) -> bytes:
    """Ours or a partner's."""
    names = [(FROM, str(sender)), (TO, str(recipient)), ("Content-Type", SOAP_KIND)]
    return mime.write(names, envelope)


def keep_answers(receipt: bytes, messages: Sequence[bytes]) -> bytes:
    """As one entity; the receipt alone if there is nothing else."""
    return _multipart(ANSWERS, [receipt, *messages]) if messages else receipt


def _file(attached: Attached) -> bytes:
    return mime.write(
        [("Content-Type", attached.kind), ("Content-ID", f"<{attached.cid}>")], attached.content
    )


def _multipart(kind: str, pieces: Sequence[bytes]) -> bytes:
    boundary = f"kept-{hashlib.sha256(b''.join(pieces)).hexdigest()[:40]}"
    return mime.write([("Content-Type", f'{kind}; boundary="{boundary}"')], mime.multipart(boundary, pieces))


def read_kept(raw: bytes) -> KeptMessage | KeptSignal | KeptAnswers:
    """What was kept. Raises As4Error if it is none of it."""
    with in_words():
        found = mime.entity(raw)
        if found.kind != ANSWERS:
            return _read(found)
        receipt, *messages = (_read(part) for part in mime.parts(found))
        sent = tuple(one for one in messages if isinstance(one, KeptMessage))
        if not isinstance(receipt, KeptSignal) or len(sent) != len(messages):
            raise _nothing()
        return KeptAnswers(receipt, sent)


def _read(found: mime.Entity) -> KeptMessage | KeptSignal:
    if found.kind == SOAP_KIND:
        names = mime.header(found, FROM), mime.header(found, TO)
        return KeptSignal(parse_envelope(found.body), found.body, *names)
    pieces = mime.parts(found) if found.kind in (SENT, CAME) else []
    if len(pieces) != 2:
        raise _nothing()
    file, whole = pieces
    attached = Attached(mime.header(file, "content-id").strip("<>"), file.kind, file.body)
    if found.kind == CAME:
        return KeptMessage(parse_envelope(whole.body), attached)
    post = Post(tuple((name, str(value)) for name, value in whole.headers.items()), whole.body)
    return KeptMessage(_opened(post).envelope, attached, post)


def _opened(post: Post) -> Opened:
    return open_post(mime.of_http(post.headers, post.body))


def _nothing() -> As4Error:
    return As4Error(Flaw.BAD_MIME, "not what was kept of AS4")


def signal_post(kept: KeptSignal) -> Post:
    """As it goes."""
    return without_file(kept.raw)
