"""Messages signed as libsodium's crypto_sign does: Ed25519 (RFC 8032), the 64 bytes of the signature before the message.

UFTP signs so (its cryptographic scheme CS1). It is classical only: what has to stay provable past the end of classical
algorithms needs a time stamp, or another binding.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from intertie.model.errors import Code, Refused, SettingsError
from intertie.model.ids import PartyId
from intertie.seal.vault import Vault

ALGORITHM = "Ed25519"
SIGNATURE_BYTES = 64
KEY_BYTES = 32
# UFTP writes public keys so: the signing key, then, if there is one, a key to encrypt for, which nothing here uses.
PREFIX = "cs1."
# The secret in the vault of keys.
SECRET = "uftp-ed25519.key"  # noqa: S105 - the name of a file


def read_public(text: str) -> bytes:
    """The signing key of `cs1.` and base64; SettingsError."""
    try:
        raw = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SettingsError(
            "not base64", do="Give the key as cs1. and base64, as the partner publishes it."
        ) from error
    if not text.startswith(PREFIX) or len(raw) not in (KEY_BYTES, 2 * KEY_BYTES):
        raise SettingsError(
            "not a key of the form cs1.BASE64", do="Give the key as the partner publishes it."
        )
    return raw[:KEY_BYTES]


def write_public(key: bytes) -> str:
    """As partners are told it."""
    return PREFIX + base64.b64encode(key).decode()


def fingerprint(key: bytes) -> str:
    """By which two people compare a key."""
    return hashlib.sha256(key).hexdigest()


@dataclass(frozen=True)
class SodiumKey:
    """A private key."""

    _key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> SodiumKey:
        """A fresh one."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def of_seed(cls, seed: bytes) -> SodiumKey:
        """The key of these 32 bytes; SettingsError if they are not."""
        if len(seed) != KEY_BYTES:
            raise SettingsError("not an Ed25519 key", do="Restore the folder of keys from its backup.")
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def seed(self) -> bytes:
        """The secret."""
        return self._key.private_bytes_raw()

    @property
    def public(self) -> bytes:
        """What partners may know."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Signature and message. The same message always gives the same bytes."""
        return self._key.sign(message) + message


def open_signed(signed: bytes, key: bytes, partner: PartyId | None = None) -> bytes:
    """The message, if this key signed it; Refused(SIGNATURE_INVALID)."""
    signature, message = signed[:SIGNATURE_BYTES], signed[SIGNATURE_BYTES:]
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise Refused(
            Code.SIGNATURE_INVALID, f"not signed by the {ALGORITHM} key that is pinned", partner=partner
        ) from error
    return message


def key_of(vault: Vault) -> SodiumKey:
    """Our own key, kept encrypted with the others; made when it is first asked for. SettingsError, KeyPortError."""
    with vault.lock():
        if SECRET not in vault.names():
            vault.add({SECRET: SodiumKey.generate().seed})
        return SodiumKey.of_seed(vault.read(SECRET))
