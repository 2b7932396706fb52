"""What the two sides of a joining say to each other: hello, offer, answer, done; or a refusal."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from intertie.exchange.joining import COVERS_MAX, Cover, JoinRefused, Reason, Terms
from intertie.model.ids import ShortText
from intertie.model.record import Record
from intertie.seal.descriptor import DESCRIPTOR_BYTES_MAX
from intertie.seal.encoding import read_canonical, write_canonical

# What a stranger may send before it has proved anything: a hello is 250 bytes.
HELLO_BYTES_MAX = 1024
# Two roots are 6 KB of PEM (ML-DSA-87); several generations of them fit.
ROOTS_BYTES_MAX = 64 * 1024
# Both as text in JSON, and the terms.
MESSAGE_BYTES_MAX = (DESCRIPTOR_BYTES_MAX + ROOTS_BYTES_MAX) * 4 // 3 + 64 * 1024

Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?!\n)$")]
Nonce = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}(?!\n)$")]
Invitation = Annotated[str, Meta(pattern=r"^[0-9a-f]{10}(?!\n)$")]
# The exact bytes of a descriptor, which is JSON in UTF-8 itself.
DescriptorText = Annotated[str, Meta(max_length=DESCRIPTOR_BYTES_MAX)]
RootsText = Annotated[str, Meta(max_length=ROOTS_BYTES_MAX)]


class Hello(Record, frozen=True, kw_only=True, tag="hello"):
    """Joiner: which invitation, what I shall send (a commitment), and proof that I have the code."""

    v: Literal[1] = 1
    invitation: Invitation
    commitment: Hash
    proof: Hash


class Offer(Record, frozen=True, kw_only=True, tag="offer"):
    """Inviter: who I am, what I propose, and proof that I wrote the code."""

    nonce: Nonce
    descriptor: DescriptorText
    roots: RootsText
    terms: Terms
    proof: Hash


class Answer(Record, frozen=True, kw_only=True, tag="answer"):
    """Joiner: who I am, what I accept; the token is what only the code gives."""

    nonce: Nonce
    descriptor: DescriptorText
    roots: RootsText
    covers: Annotated[tuple[Cover, ...], Meta(max_length=COVERS_MAX)] = ()
    token: Hash
    proof: Hash


class Done(Record, frozen=True, kw_only=True, tag="done"):
    """Inviter: it is kept."""

    proof: Hash


class Refusal(Record, frozen=True, kw_only=True, tag="refusal"):
    """Inviter: it ends here."""

    reason: Reason
    detail: ShortText = ""


JoinMessage = Hello | Offer | Answer | Done | Refusal
_DECODER = msgspec.json.Decoder(JoinMessage)
M = TypeVar("M", Hello, Offer, Answer, Done)


def write_join_message(message: JoinMessage) -> bytes:
    """The one encoding of a message."""
    return write_canonical(message)


def read_join_message(raw: bytes, expected: type[M]) -> M:
    """The message that is due; JoinRefused with the other side's reason, or MALFORMED."""
    try:
        message = read_canonical(raw, _DECODER)
    except ValueError as error:
        raise JoinRefused(Reason.MALFORMED, str(error)[:200]) from error
    if isinstance(message, Refusal):
        raise JoinRefused(message.reason, message.detail)
    if not isinstance(message, expected):
        raise JoinRefused(Reason.MALFORMED, f"{type(message).__name__} instead of {expected.__name__}")
    return message
