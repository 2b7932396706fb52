"""What every reader here needs: encodings, JWS, certificates, signatures. Written from docs/parcel.md and docs/identity.md."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

VECTORS = Path(__file__).parents[1]

UUID7 = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
PARTY = rf"(?=.{{1,120}}$){LABEL}(\.{LABEL})*"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.(?!000000)\d{6})?Z"
HEX64 = r"[0-9a-f]{64}"

PROFILES = {
    "X25519/HKDF-SHA256/AES-256-GCM": ("classical", ["ES256"]),
    "MLKEM768-X25519/HKDF-SHA256/AES-256-GCM": ("hybrid", ["ES256", "ML-DSA-65"]),
    "MLKEM1024-P384/HKDF-SHA384/AES-256-GCM": ("hybrid-high", ["ES384", "ML-DSA-87"]),
}
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P384_ORDER = (
    0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973
)


class No(Exception):
    """The parcel is refused; args[0] is the code."""


def need(condition: object, code: str) -> None:
    if not condition:
        raise No(code)


# Encodings


def b64(text: object, code: str) -> bytes:
    need(isinstance(text, str) and re.fullmatch(r"[A-Za-z0-9_-]*", text) and len(text) % 4 != 1, code)
    data = base64.urlsafe_b64decode(str(text) + "=" * (-len(str(text)) % 4))
    need(base64.urlsafe_b64encode(data).rstrip(b"=").decode() == text, code)
    return data


def parse(raw: bytes, code: str) -> Any:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise No(code) from error
    again = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    need(again.encode("utf-8", "replace") == raw, code)
    return value


def shape(value: Any, fields: dict[str, Any], code: str) -> None:
    """An object with exactly these members; a member is a pattern (text) or a range (whole number)."""
    need(isinstance(value, dict) and set(value) == set(fields), code)
    for name, rule in fields.items():
        if isinstance(rule, str):
            need(isinstance(value[name], str) and re.fullmatch(rule, value[name]), code)
            if rule == TIME:
                try:
                    datetime.fromisoformat(value[name].replace("Z", "+00:00"))
                except ValueError as error:
                    raise No(code) from error
        else:
            need(type(value[name]) is int and rule[0] <= value[name] <= rule[1], code)


# Certificates and signatures


def party_of(certificate: x509.Certificate) -> str | None:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    found = [u[len("urn:intertie:party:") :] for u in names.get_values_for_type(x509.UniformResourceIdentifier)
             if u.startswith("urn:intertie:party:")]  # fmt: skip
    return found[0] if len(found) == 1 and re.fullmatch(PARTY, found[0]) else None


def is_mldsa(certificate: x509.Certificate) -> bool:
    kinds = mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey
    return isinstance(certificate.public_key(), kinds)


# documentSigning (RFC 9336), emailProtection, anyExtendedKeyUsage
SIGNING_PURPOSES = {"1.3.6.1.5.5.7.3.36", "1.3.6.1.5.5.7.3.4", "2.5.29.37.0"}


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def find_path(
    ders: list[bytes], roots: list[x509.Certificate], party: str, now: datetime
) -> list[x509.Certificate]:
    """Everything that docs/identity.md asks of a chain but its revocation: the path, leaf first, root last."""
    bad = "certificate_untrusted"
    need(1 <= len(ders) <= 3, bad)
    try:
        chain = [x509.load_der_x509_certificate(der) for der in ders]
    except ValueError as error:
        raise No(bad) from error
    need(all(c.not_valid_before_utc <= now <= c.not_valid_after_utc for c in chain), "certificate_expired")
    need(len({is_mldsa(c) for c in chain}) == 1, bad)
    roots = [root for root in roots if is_mldsa(root) == is_mldsa(chain[0])]
    need(roots, bad)
    named = [root for root in roots if root.subject == chain[-1].issuer]
    present = [root for root in named if root.not_valid_before_utc <= now <= root.not_valid_after_utc]
    need(present or not named, "certificate_expired")
    any_purpose = ExtensionPolicy.webpki_defaults_ee().may_be_present(
        x509.ExtendedKeyUsage, Criticality.AGNOSTIC, None
    )
    builder = PolicyBuilder().store(Store(present or roots)).time(now).max_chain_depth(3)
    builder = builder.extension_policies(
        ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=any_purpose
    )
    try:
        path = builder.build_client_verifier().verify(chain[0], chain[1:]).chain
    except VerificationError as error:
        raise No(bad) from error
    need(path[:-1] == chain and all(is_strong(c.public_key()) for c in path), bad)
    need(party_of(chain[0]) == party, "certificate_not_sender")
    usage = extension(chain[0], x509.KeyUsage)
    need(usage is not None and usage.content_commitment, bad)
    purposes = extension(chain[0], x509.ExtendedKeyUsage)
    if purposes is not None:
        need({one.dotted_string for one in purposes} & SIGNING_PURPOSES, bad)
    return path


def extension(thing: Any, kind: Any) -> Any:
    """An extension's value, or None."""
    try:
        return thing.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def is_strong(key: Any) -> bool:
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= 3072
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name in ("secp256r1", "secp384r1", "secp521r1")
    return isinstance(key, mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey)


def check_ecdsa(
    key: Any, curve: type, hash_: Any, size: int, order: int, signature: bytes, data: bytes
) -> None:
    need(isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, curve), "signature_invalid")
    need(len(signature) == 2 * size, "signature_invalid")
    r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    need(0 < r < order and 0 < s <= order // 2, "signature_invalid")
    key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hash_))


def check_signature(alg: str, key: Any, signature: bytes, data: bytes) -> None:
    try:
        if alg == "ES256":
            check_ecdsa(key, ec.SECP256R1, hashes.SHA256(), 32, P256_ORDER, signature, data)
        elif alg == "ES384":
            check_ecdsa(key, ec.SECP384R1, hashes.SHA384(), 48, P384_ORDER, signature, data)
        else:
            kind = {"ML-DSA-65": mldsa.MLDSA65PublicKey, "ML-DSA-87": mldsa.MLDSA87PublicKey}[alg]
            need(isinstance(key, kind), "signature_invalid")
            key.verify(signature, data)
    except (InvalidSignature, ValueError) as error:
        raise No("signature_invalid") from error


# JWS


class Line(NamedTuple):
    alg: str
    digest: bytes
    signature: bytes
    data: bytes


Chains = dict[str, list[list[bytes]]]


def read_jws(raw: bytes, typ: str, limit: int) -> tuple[bytes, list[Line]]:
    """Payload and signatures in the one spelling, unverified."""
    bad = "bad_manifest"
    need(len(raw) <= limit, bad)
    jws = parse(raw, bad)
    need(isinstance(jws, dict) and set(jws) == {"payload", "signatures"}, bad)
    payload = b64(jws["payload"], bad)
    need(isinstance(jws["signatures"], list) and 1 <= len(jws["signatures"]) <= 4, bad)
    found = []
    for line in jws["signatures"]:
        need(isinstance(line, dict) and set(line) == {"protected", "signature"}, bad)
        head = parse(b64(line["protected"], bad), bad)
        need(isinstance(head, dict) and set(head) == {"alg", "typ", "x5t#S256"}, bad)
        need(isinstance(head["alg"], str) and head["typ"] == typ, bad)
        digest = b64(head["x5t#S256"], bad)
        need(len(digest) == 32, bad)
        data = f"{line['protected']}.{jws['payload']}".encode()
        found.append(Line(head["alg"], digest, b64(line["signature"], bad), data))
    names = [line.alg for line in found]
    need(names == sorted(set(names)), bad)
    return payload, found


RANKS = {"classical": 1, "hybrid": 2, "hybrid-high": 3}


def profile_of(lines: list[Line]) -> str:
    """The profile whose signatures these are, each once."""
    names = [line.alg for line in lines]
    for profile, wanted in PROFILES.values():
        if names == sorted(wanted):
            return profile
    part = any(set(names) < set(wanted) for _, wanted in PROFILES.values())
    raise No("signature_missing" if part else "signature_invalid")


def chain_of(line: Line, chains: Chains) -> list[bytes]:
    """The known chain that a signature names."""
    for chain in chains.get(line.alg, []):
        if hashlib.sha256(chain[0]).digest() == line.digest:
            return chain
    raise No("unknown_certificate")


def check_certificates(
    lines: list[Line], chains: Chains, party: str, roots: list[x509.Certificate], revoked: Any, at: datetime
) -> list[x509.Certificate]:
    """The leaves: each leads to a root, is the party's, and is not revoked at this time."""
    leaves = []
    for line in lines:
        path = find_path(chain_of(line, chains), roots, party, at)
        for one in revoked:
            off = f"{path[0].serial_number:x}" == one["serial"] and at >= instant(one["since"])
            need(not off, "certificate_revoked")
        leaves.append(path[0])
    return leaves


def check_signatures(lines: list[Line], leaves: list[x509.Certificate]) -> None:
    for line, leaf in zip(lines, leaves, strict=True):
        check_signature(line.alg, leaf.public_key(), line.signature, line.data)


# The tree, as RFC 9162 writes it down


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\0" + data).digest()


def tree(leaves: list[bytes]) -> bytes:
    """s.2.1.1, over leaf hashes."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + tree(leaves[:k]) + tree(leaves[k:])).digest()


def included(leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> bool:
    """s.2.1.3.2."""
    if index >= size:
        return False
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = hashlib.sha256(b"\1" + p + r).digest()
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = hashlib.sha256(b"\1" + r + p).digest()
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root
