"""Signing and verifying by JOSE name. Everything that computes is `cryptography`; here are only names and encodings.

ES256 and ES384 (RFC 7518 s.3.4) are r || s of fixed length. Of the two valid values of s only the lower one is
written and taken, so that a signature has one form. ML-DSA-65 and ML-DSA-87 (RFC 9964) are FIPS 204 signatures of
the signing input itself, with an empty context.
"""

from __future__ import annotations

from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from intertie.model.errors import Code, Refused

SigningPrivateKey = ec.EllipticCurvePrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey


class _Curve(NamedTuple):
    """An ECDSA algorithm: curve, hash, bytes of r and of s, order of the group (SP 800-186 s.3.2.1)."""

    curve: ec.EllipticCurve
    hash: hashes.HashAlgorithm
    size: int
    order: int


_CURVES = {
    "ES256": _Curve(
        ec.SECP256R1(),
        hashes.SHA256(),
        32,
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    ),
    "ES384": _Curve(
        ec.SECP384R1(),
        hashes.SHA384(),
        48,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    ),
}
_MLDSA_PRIVATE: dict[str, type[mldsa.MLDSA65PrivateKey] | type[mldsa.MLDSA87PrivateKey]] = {
    "ML-DSA-65": mldsa.MLDSA65PrivateKey,
    "ML-DSA-87": mldsa.MLDSA87PrivateKey,
}
_MLDSA_PUBLIC: dict[str, type[mldsa.MLDSA65PublicKey] | type[mldsa.MLDSA87PublicKey]] = {
    "ML-DSA-65": mldsa.MLDSA65PublicKey,
    "ML-DSA-87": mldsa.MLDSA87PublicKey,
}

SIGNATURE_ALGORITHMS = (*_CURVES, *_MLDSA_PUBLIC)


def generate_signing_key(alg: str) -> SigningPrivateKey:
    """A fresh key; Refused(SIGNATURE_INVALID) for an algorithm that we do not know."""
    if alg in _CURVES:
        return ec.generate_private_key(_CURVES[alg].curve)
    if alg in _MLDSA_PRIVATE:
        return _MLDSA_PRIVATE[alg].generate()
    raise _unknown(alg)


def private_key_fits(alg: str, key: object) -> bool:
    """Whether a key object is a private key for this algorithm."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return alg in _CURVES and key.curve.name == _CURVES[alg].curve.name
    return alg in _MLDSA_PRIVATE and isinstance(key, _MLDSA_PRIVATE[alg])


def public_key_fits(alg: str, key: object) -> bool:
    """Whether a key object is a public key for this algorithm."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return alg in _CURVES and key.curve.name == _CURVES[alg].curve.name
    return alg in _MLDSA_PUBLIC and isinstance(key, _MLDSA_PUBLIC[alg])


def is_post_quantum(key: object) -> bool:
    """Whether a public key is one of ML-DSA."""
    return isinstance(key, mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey)


def sign(alg: str, key: SigningPrivateKey, data: bytes) -> bytes:
    """The JOSE signature of `data`; Refused(SIGNATURE_INVALID) if the key is not one for `alg`."""
    if not private_key_fits(alg, key):
        raise _unknown(alg)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data)
    curve = _CURVES[alg]
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(curve.hash)))
    s = min(s, curve.order - s)
    return r.to_bytes(curve.size, "big") + s.to_bytes(curve.size, "big")


def verify(alg: str, key: object, signature: bytes, data: bytes) -> bool:
    """Whether a JOSE signature verifies. False for a key of another kind and for a second form of a signature."""
    if not public_key_fits(alg, key):
        return False
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            return _verify_ecdsa(_CURVES[alg], key, signature, data)
        if isinstance(key, mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey):
            key.verify(signature, data)
            return True
    except (InvalidSignature, ValueError):
        return False
    return False


def _verify_ecdsa(curve: _Curve, key: ec.EllipticCurvePublicKey, signature: bytes, data: bytes) -> bool:
    if len(signature) != 2 * curve.size:
        return False
    r = int.from_bytes(signature[: curve.size], "big")
    s = int.from_bytes(signature[curve.size :], "big")
    if not (0 < r < curve.order and 0 < s <= curve.order // 2):
        return False
    key.verify(encode_dss_signature(r, s), data, ec.ECDSA(curve.hash))
    return True


def _unknown(alg: str) -> Refused:
    return Refused(
        Code.SIGNATURE_INVALID, f"no key for algorithm {alg!r}; known are {', '.join(SIGNATURE_ALGORITHMS)}"
    )
