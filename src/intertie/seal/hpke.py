"""HPKE (RFC 9180, base mode, one shot) by suite name: keys as raw bytes, seal, open.

Public keys are the KEM's own encodings, the post-quantum part first: X25519 32 bytes; ML-KEM-768 1184 || X25519 32
(X-Wing's order); ML-KEM-1024 1568 || P-384 point, uncompressed, 97. Private keys are seeds: X25519 32; ML-KEM 64 ||
X25519 32; ML-KEM 64 || P-384 scalar 48.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    MLKEM1024P384PrivateKey,
    MLKEM1024P384PublicKey,
    Suite,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from intertie.model.errors import Code, Refused, SettingsError
from intertie.model.ids import KeyId
from intertie.seal.profile import PROFILES

PrivateKey = x25519.X25519PrivateKey | MLKEM768X25519PrivateKey | MLKEM1024P384PrivateKey
PublicKey = x25519.X25519PublicKey | MLKEM768X25519PublicKey | MLKEM1024P384PublicKey

_X25519 = PROFILES["classical"].suite
_XWING = PROFILES["hybrid"].suite
_P384 = PROFILES["hybrid-high"].suite
_SUITES: Mapping[str, Suite] = MappingProxyType(
    {
        _X25519: Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
        _XWING: Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
        _P384: Suite(KEM.MLKEM1024_P384, KDF.HKDF_SHA384, AEAD.AES_256_GCM),
    }
)
_MLKEM_SEED = 64
_PUBLIC_BYTES = {_X25519: 32, _XWING: 1184 + 32, _P384: 1568 + 97}
_PRIVATE_BYTES = {_X25519: 32, _XWING: _MLKEM_SEED + 32, _P384: _MLKEM_SEED + 48}


@dataclass(frozen=True)
class SealingKey:
    """A public key that a parcel can be sealed for."""

    kid: KeyId
    suite: str
    public: bytes

    @cached_property
    def parsed(self) -> PublicKey:
        """As the library has it: expanding an ML-KEM key costs as much as using it. ValueError if it cannot be used."""
        return _public_key(self.suite, self.public)


@dataclass(frozen=True)
class OpeningKey:
    """A private key that opens parcels. `private` never leaves the key file."""

    kid: KeyId
    suite: str
    public: bytes
    private: bytes = field(repr=False)

    @cached_property
    def parsed(self) -> PrivateKey:
        """As the library has it: making it of its seeds costs more than opening a small parcel."""
        return _private_key(self.suite, self.private)

    def sealing(self) -> SealingKey:
        """Its public half."""
        return SealingKey(self.kid, self.suite, self.public)


def key_id(public: bytes) -> KeyId:
    """The first 16 hex digits of SHA-256 of the public key's bytes."""
    return KeyId(hashlib.sha256(public).hexdigest()[:16])


def generate_opening_key(suite: str) -> OpeningKey:
    """A fresh key pair; SettingsError for a suite that no profile has."""
    if suite == _P384:
        scalar = ec.generate_private_key(ec.SECP384R1()).private_numbers().private_value
        return opening_key(suite, os.urandom(_MLKEM_SEED) + scalar.to_bytes(48, "big"))
    return opening_key(suite, os.urandom(_PRIVATE_BYTES.get(suite, 0)))


def opening_key(suite: str, private: bytes) -> OpeningKey:
    """The key pair of these seeds; SettingsError if they are not seeds of the suite."""
    if len(private) != _PRIVATE_BYTES.get(suite):
        raise SettingsError(f"not a private key for suite {suite!r}: {len(private)} bytes")
    try:
        public = _public_bytes(suite, private)
    except ValueError as error:
        raise SettingsError(f"not a private key for suite {suite!r}: {error}") from error
    return OpeningKey(key_id(public), suite, public, private)


def sealing_key(suite: str, public: bytes) -> SealingKey:
    """The public key of these bytes; Refused(BAD_MANIFEST) if they are not a public key of the suite."""
    try:
        _public_key(suite, public)
    except ValueError as error:
        raise Refused(Code.BAD_MANIFEST, f"not a public key for suite {suite!r}: {error}") from error
    return SealingKey(key_id(public), suite, public)


def seal(plaintext: bytes, key: SealingKey, info: bytes) -> bytes:
    """enc || ciphertext, bound to `info`; Refused(UNKNOWN_KEY) if the key cannot be used."""
    try:
        return _SUITES[key.suite].encrypt(plaintext, key.parsed, info)
    except (ValueError, KeyError) as error:
        raise Refused(Code.UNKNOWN_KEY, f"key {key.kid} cannot be sealed for: {error}") from error


def open_sealed(sealed: bytes, key: OpeningKey, info: bytes) -> bytes:
    """The plaintext; Refused(CANNOT_OPEN) if key, info or bytes are not the ones it was sealed with."""
    try:
        return _SUITES[key.suite].decrypt(sealed, key.parsed, info)
    except (InvalidTag, ValueError) as error:
        raise Refused(Code.CANNOT_OPEN) from error


def _private_key(suite: str, raw: bytes) -> PrivateKey:
    if suite == _X25519:
        return x25519.X25519PrivateKey.from_private_bytes(raw)
    seed, rest = raw[:_MLKEM_SEED], raw[_MLKEM_SEED:]
    if suite == _XWING:
        return MLKEM768X25519PrivateKey(
            mlkem.MLKEM768PrivateKey.from_seed_bytes(seed), x25519.X25519PrivateKey.from_private_bytes(rest)
        )
    return MLKEM1024P384PrivateKey(mlkem.MLKEM1024PrivateKey.from_seed_bytes(seed), _p384_private(rest))


def _p384_private(raw: bytes) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(raw, "big"), ec.SECP384R1())


def _public_bytes(suite: str, private: bytes) -> bytes:
    if suite == _X25519:
        return x25519.X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    seed, rest = private[:_MLKEM_SEED], private[_MLKEM_SEED:]
    if suite == _XWING:
        second = x25519.X25519PrivateKey.from_private_bytes(rest).public_key().public_bytes_raw()
        return mlkem.MLKEM768PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw() + second
    point = _p384_private(rest).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return mlkem.MLKEM1024PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw() + point


def _public_key(suite: str, raw: bytes) -> PublicKey:
    if len(raw) != _PUBLIC_BYTES.get(suite):
        raise ValueError(f"{len(raw)} bytes")
    if suite == _X25519:
        return x25519.X25519PublicKey.from_public_bytes(raw)
    if suite == _XWING:
        return MLKEM768X25519PublicKey(
            mlkem.MLKEM768PublicKey.from_public_bytes(raw[:1184]),
            x25519.X25519PublicKey.from_public_bytes(raw[1184:]),
        )
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), raw[1568:])
    return MLKEM1024P384PublicKey(mlkem.MLKEM1024PublicKey.from_public_bytes(raw[:1568]), point)
