"""The floor: what any implementation has to compute, straight from the library, on keys that are parsed already."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, mlkem, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.measure import Call
from intertie.seal.algorithms import SigningPrivateKey
from intertie.seal.profile import Profile

_HASHES = {"secp256r1": hashes.SHA256(), "secp384r1": hashes.SHA384()}
NODE = bytes(65)  # 0x01 and two hashes: an inner node of the tree
NONCE = bytes(12)


def together(*calls: Call) -> Call:
    """One after the other."""

    def all_of_them() -> None:
        for call in calls:
            call()

    return all_of_them


def hash_tree(messages: Sequence[bytes]) -> Call:
    """SHA-256 of each message, and of the inner nodes above them."""
    leaves = [b"\x00" + message for message in messages]

    def hash_leaves() -> None:
        for leaf in leaves:
            hashlib.sha256(leaf).digest()

    return together(hash_leaves, hash_nodes(len(leaves)))


def hash_nodes(leaves: int) -> Call:
    """SHA-256 of the inner nodes above so many leaves: one fewer."""

    def hash_them() -> None:
        for _ in range(leaves - 1):
            hashlib.sha256(NODE).digest()

    return hash_them


def sign(key: SigningPrivateKey, data: bytes) -> Call:
    """One signature."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        algorithm = ec.ECDSA(_HASHES[key.curve.name])
        return lambda: key.sign(data, algorithm)
    return lambda: key.sign(data)


def verify(key: SigningPrivateKey, data: bytes) -> Call:
    """One signature, verified; made here with the private key."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        curve, algorithm = key.public_key(), ec.ECDSA(_HASHES[key.curve.name])
        made = key.sign(data, algorithm)
        return lambda: curve.verify(made, data, algorithm)
    public, signature = key.public_key(), key.sign(data)
    return lambda: public.verify(signature, data)


def verify_certificate(issuer: x509.Certificate, der: bytes) -> Call:
    """The signature of an authority under a certificate."""
    public, certificate = issuer.public_key(), x509.load_der_x509_certificate(der)
    data, signature, algorithm = (
        certificate.tbs_certificate_bytes,
        certificate.signature,
        certificate.signature_hash_algorithm,
    )
    if isinstance(public, ec.EllipticCurvePublicKey):
        assert algorithm is not None
        ecdsa = ec.ECDSA(algorithm)
        return lambda: public.verify(signature, data, ecdsa)
    assert isinstance(public, mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey)
    return lambda: public.verify(signature, data)


def encrypt(size: int) -> Call:
    """AES-256-GCM over so many bytes."""
    cipher, data = AESGCM(os.urandom(32)), os.urandom(size)
    return lambda: cipher.encrypt(NONCE, data, None)


def decrypt(size: int) -> Call:
    """The same, the other way."""
    cipher = AESGCM(os.urandom(32))
    sealed = cipher.encrypt(NONCE, os.urandom(size), None)
    return lambda: cipher.decrypt(NONCE, sealed, None)


def generate(profile: Profile) -> Call:
    """The fresh keys of whoever begins a key agreement: parcels have none, the recipient's keys are there already."""
    return together(*(kem.generate for kem in _kems(profile)))


def encapsulate(profile: Profile) -> Call:
    """The other side's part: a fresh elliptic-curve key, agreed; ML-KEM, encapsulated."""
    return together(*(kem.encapsulate for kem in _kems(profile)))


def decapsulate(profile: Profile) -> Call:
    """And the end of it, on the first side."""
    return together(*(kem.decapsulate for kem in _kems(profile)))


class _Kem(NamedTuple):
    generate: Call
    encapsulate: Call
    decapsulate: Call


def _kems(profile: Profile) -> list[_Kem]:
    if profile.kem == "X25519":
        return [_x25519()]
    if profile.kem == "MLKEM768-X25519":
        return [_mlkem(mlkem.MLKEM768PrivateKey), _x25519()]
    return [_mlkem(mlkem.MLKEM1024PrivateKey), _p384()]


def _mlkem(kind: type[mlkem.MLKEM768PrivateKey] | type[mlkem.MLKEM1024PrivateKey]) -> _Kem:
    private = kind.generate()
    public = private.public_key()
    _, ciphertext = public.encapsulate()
    return _Kem(kind.generate, public.encapsulate, lambda: private.decapsulate(ciphertext))


def _x25519() -> _Kem:
    fresh = x25519.X25519PrivateKey.generate
    private, other = fresh(), fresh().public_key()
    return _Kem(fresh, lambda: fresh().exchange(other), lambda: private.exchange(other))


def _p384() -> _Kem:
    agree, fresh = ec.ECDH(), partial(ec.generate_private_key, ec.SECP384R1())
    private, other = fresh(), fresh().public_key()
    return _Kem(fresh, lambda: fresh().exchange(agree, other), lambda: private.exchange(agree, other))
