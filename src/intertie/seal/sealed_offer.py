"""Sealed offers: bound to their bytes by a commitment, readable by nobody before the key comes (docs/market.md).

commitment = SHA-256( LABEL || 32-bit length and bytes of the context || salt (32) || the offer's bytes )
ciphertext = AES-256-GCM( key (32), nonce (12), the offer's bytes, associated data: LABEL || context )

AES-GCM alone would not do: for one ciphertext two keys can be made that open it to two texts, so that a bidder could choose
after the gate. The commitment leaves one text. The salt keeps a bidder's few likely prices from being tried one by one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import struct
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from intertie.model.errors import Fault, IntertieError

LABEL = b"intertie sealed offer v1\n"
KEY_BYTES = 32
SALT_BYTES = 32
NONCE_BYTES = 12


class OpeningError(IntertieError):
    """A key that does not open a sealed offer, or opens it to something else than was committed to."""

    fault = Fault.THEIRS


class Context(NamedTuple):
    """What a sealed offer is bound to: copied into another need, or under another name, it does not open."""

    seller: str
    buyer: str
    need: str
    need_revision: int
    offer: str
    revision: int

    def associated(self) -> bytes:
        """One text for one context: names of this project hold no line end."""
        return "\n".join(map(str, self)).encode()


class Closed(NamedTuple):
    """What goes out before the gate closes: as the fields of a SealedOffer."""

    commitment: str
    nonce: str
    ciphertext: str


class Opening(NamedTuple):
    """What goes out after it, and is kept until then: as the fields of an OfferKey."""

    key: str
    salt: str


def close_offer(plain: bytes, context: Context) -> tuple[Closed, Opening]:
    """Seal the bytes of an offer under a fresh key."""
    key, salt, nonce = os.urandom(KEY_BYTES), os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
    ciphertext = AESGCM(key).encrypt(nonce, plain, LABEL + context.associated())
    closed = Closed(commitment_of(plain, salt, context), _text(nonce), _text(ciphertext))
    return closed, Opening(_text(key), _text(salt))


def open_offer(closed: Closed, opening: Opening, context: Context) -> bytes:
    """The bytes that were committed to; OpeningError says what does not fit."""
    key, salt = _bytes("key", opening.key, KEY_BYTES), _bytes("salt", opening.salt, SALT_BYTES)
    nonce, ciphertext = _bytes("nonce", closed.nonce, NONCE_BYTES), _bytes("ciphertext", closed.ciphertext)
    try:
        plain = AESGCM(key).decrypt(nonce, ciphertext, LABEL + context.associated())
    except (InvalidTag, ValueError) as error:
        raise OpeningError("the key does not open this offer") from error
    if not hmac.compare_digest(commitment_of(plain, salt, context), closed.commitment):
        raise OpeningError("what the key opens is not what was committed to before the gate")
    return plain


def commitment_of(plain: bytes, salt: bytes, context: Context) -> str:
    """The commitment, as hexadecimal digits."""
    bound = context.associated()
    return hashlib.sha256(LABEL + struct.pack(">I", len(bound)) + bound + salt + plain).hexdigest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(what: str, text: str, length: int | None = None) -> bytes:
    """The bytes of base64url without padding, of the one form that they have."""
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise OpeningError(f"{what}: not base64url") from error
    if _text(data) != text or length not in (None, len(data)):
        raise OpeningError(f"{what}: not the base64url of {length or 'some'} bytes")
    return data
