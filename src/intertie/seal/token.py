"""A hardware module, through PKCS#11 (python-pkcs11): an AES key that never leaves it wraps data keys, and elliptic-curve
signing keys may be made in it and used in it.

PKCS#11 has ML-DSA and ML-KEM from version 3.2 on, which modules do not have yet: those keys lie in files, encrypted under
data keys that the module wraps.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Annotated, Any, TypeVar

import pkcs11
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key
from msgspec import Meta
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters

from intertie.model.errors import SettingsError
from intertie.model.record import Record
from intertie.seal.key_port import KEY_BYTES, KeyPortError
from intertie.seal.private_files import read_secret_text

# SP 800-38D s.8.2.2: a random nonce of 96 bits; one wrapping key wraps a few keys a month.
NONCE_BYTES = 12
TAG_BITS = 128
# The curves that ES256 and ES384 sign with, by PKCS#11's names.
CURVES: dict[str, tuple[str, type[ec.EllipticCurve]]] = {
    "ES256": ("secp256r1", ec.SECP256R1),
    "ES384": ("secp384r1", ec.SECP384R1),
}
_PRIVATE = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
T = TypeVar("T")


class TokenProtection(Record, frozen=True, kw_only=True, tag="pkcs11", tag_field="kind"):
    """Which key of which token wraps."""

    token: Annotated[str, Meta(max_length=32)]
    key: Annotated[str, Meta(pattern=r"^[A-Za-z0-9.-]{1,80}(?!\n)$")]


class Token:
    """One token, logged in when it is first needed and again when the connection to it was lost. For any thread."""

    def __init__(self, module: Path, label: str, pin_file: Path) -> None:
        self._module = module
        self._label = label
        self._pin_file = pin_file
        self._lock = Lock()
        self._session: Any = None

    def __repr__(self) -> str:
        return f"Token({self._label!r})"

    @property
    def label(self) -> str:
        """The token's name."""
        return self._label

    def run(self, act: Callable[[Any], T]) -> T:
        """Do something in a session; KeyPortError if the module does not do it. One act at a time: a session holds one
        operation."""
        with self._lock:
            for attempt in (1, 2):
                try:
                    return act(self._opened())
                except pkcs11.NoSuchKey as error:
                    raise KeyPortError(
                        f"token {self._label} does not hold this key", do="Use the token it was made in."
                    ) from error
                except (pkcs11.SessionHandleInvalid, pkcs11.SessionClosed, pkcs11.DeviceError) as error:
                    self._session = None  # the module was restarted: one more try, with a new session
                    if attempt == 2:
                        raise self._fails(error) from error
                except (pkcs11.PKCS11Error, OSError, RuntimeError) as error:
                    raise self._fails(error) from error
        raise AssertionError("unreachable")

    def _opened(self) -> Any:
        if self._session is None:
            pin = read_secret_text(self._pin_file, "PIN").decode("utf-8", "strict")
            token = pkcs11.lib(str(self._module)).get_token(token_label=self._label)
            try:
                self._session = token.open(rw=True, user_pin=pin)
            except pkcs11.UserAlreadyLoggedIn:  # another part of this process is
                self._session = token.open(rw=True)
        return self._session

    def _fails(self, error: Exception) -> KeyPortError:
        name = type(error).__name__
        return KeyPortError(
            f"token {self._label} of {self._module} does not answer as it should: {name}",
            do="Check the module, the token's name and the PIN file in [keys]; then `intertie doctor`.",
        )

    # Wrapping

    def make_wrapping_key(self, label: str) -> None:
        """A fresh AES-256 key that cannot be taken out; KeyPortError."""
        self.run(
            lambda session: session.generate_key(KeyType.AES, 256, label=label, store=True, template=_PRIVATE)
        )

    # Signing

    def make_signing_key(self, alg: str, label: str) -> TokenKey:
        """A fresh key pair for ES256 or ES384 that never leaves the token; KeyPortError. What a crash left under this label
        goes."""
        name, _ = CURVES[alg]
        self.destroy(label)

        def make(session: Any) -> None:
            parameters = session.create_domain_parameters(
                KeyType.EC, {Attribute.EC_PARAMS: encode_named_curve_parameters(name)}, local=True
            )
            parameters.generate_keypair(store=True, label=label, private_template=_PRIVATE)

        self.run(make)
        return self.signing_key(alg, label)

    def signing_key(self, alg: str, label: str) -> TokenKey:
        """The key pair of this label; KeyPortError if the token does not hold it."""
        der = self.run(
            lambda session: encode_ec_public_key(
                session.get_key(object_class=ObjectClass.PUBLIC_KEY, label=label)
            )
        )
        public = load_der_public_key(der)
        if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, CURVES[alg][1]):
            raise KeyPortError(f"the key {label} of token {self._label} is none for {alg}")
        return TokenKey(self, label, public)

    def destroy(self, label: str) -> None:
        """Remove all keys of this label from the token; KeyPortError if one stays."""

        def remove(session: Any) -> None:
            for found in list(session.get_objects({Attribute.LABEL: label})):
                found.destroy()

        self.run(remove)


class TokenPort:
    """A key port over an AES key in a token: AES-256-GCM with the context as associated data, computed there."""

    name = "pkcs11"

    def __init__(self, protection: TokenProtection, token: Token) -> None:
        self._label = protection.key
        self._token = token

    def __repr__(self) -> str:
        return f"TokenPort({self._token!r}, {self._label!r})"

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """nonce || ciphertext || tag; KeyPortError."""
        nonce = os.urandom(NONCE_BYTES)
        parameters = pkcs11.GCMParams(nonce, context, TAG_BITS)
        return nonce + self._token.run(
            lambda session: bytes(
                self._key(session).encrypt(key, mechanism=Mechanism.AES_GCM, mechanism_param=parameters)
            )
        )

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The key again; KeyPortError unless this key of this token wrapped it, for this context."""
        parameters = pkcs11.GCMParams(wrapped[:NONCE_BYTES], context, TAG_BITS)
        key = self._token.run(
            lambda session: bytes(
                self._key(session).decrypt(
                    wrapped[NONCE_BYTES:], mechanism=Mechanism.AES_GCM, mechanism_param=parameters
                )
            )
        )
        if len(key) != KEY_BYTES:
            raise KeyPortError(f"token {self._token.label} unwraps {len(key)} bytes, not {KEY_BYTES}")
        return key

    def _key(self, session: Any) -> Any:
        return session.get_key(object_class=ObjectClass.SECRET_KEY, label=self._label)


class TokenKey(ec.EllipticCurvePrivateKey):
    """A private key that stays in its token: it signs there, and everything that would show it is refused."""

    def __init__(self, token: Token, label: str, public: ec.EllipticCurvePublicKey) -> None:
        self._token = token
        self.label = label
        self._public = public

    def __repr__(self) -> str:
        return f"TokenKey({self._token!r}, {self.label!r})"

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """A DER signature; KeyPortError if the token does not sign. The hash is computed here."""
        algorithm = signature_algorithm.algorithm
        if not isinstance(algorithm, hashes.HashAlgorithm):
            raise SettingsError("a key in a token hashes what it signs")
        hasher = hashes.Hash(algorithm)
        hasher.update(data)
        digest = hasher.finalize()
        raw = self._token.run(
            lambda session: bytes(
                session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=self.label).sign(
                    digest, mechanism=Mechanism.ECDSA
                )
            )
        )
        half = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Its public half."""
        return self._public

    @property
    def curve(self) -> ec.EllipticCurve:
        """The curve."""
        return self._public.curve

    @property
    def key_size(self) -> int:
        """Bits."""
        return self._public.key_size

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        """Refused: this key signs."""
        raise SettingsError("a signing key in a token does nothing but sign")

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        """Refused."""
        raise SettingsError("the key does not leave its token")

    def private_bytes(self, encoding: object, format: object, encryption_algorithm: object) -> bytes:
        """Refused."""
        raise SettingsError("the key does not leave its token")

    def __copy__(self) -> TokenKey:
        return self

    def __deepcopy__(self, memo: object) -> TokenKey:
        return self
