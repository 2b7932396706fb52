"""A second, independent reader of parcels: standard library and `cryptography`, nothing of this program.

    python vectors/verify_parcel.py [CASE.json ...]

reads each case of vectors/parcel (or those named), follows docs/parcel.md, and prints its verdict beside the expected
one. Exit status 1 if any differs. It is written from the page, not from the program, and shares no code with it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, mlkem, x25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM1024P384PrivateKey,
    Suite,
)
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

HERE = Path(__file__).parent

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


HEADER = {
    "v": (1, 1), "parcel": UUID7, "from": PARTY, "to": PARTY, "seq": (1, 2**53 - 1), "suite": r".{0,64}",
    "kid": r"[0-9a-f]{16}", "created": TIME, "zip": "none",
}  # fmt: skip
MANIFEST = {
    "v": (1, 1), "parcel": UUID7, "from": PARTY, "to": PARTY, "seq": (1, 2**53 - 1), "created": TIME,
    "count": (1, 65536), "root": HEX64,
}  # fmt: skip


# The tree, as RFC 9162 s.2.1.1 writes it down


def tree(messages: list[bytes]) -> bytes:
    if len(messages) == 1:
        return hashlib.sha256(b"\0" + messages[0]).digest()
    k = 1
    while k * 2 < len(messages):
        k *= 2
    return hashlib.sha256(b"\1" + tree(messages[:k]) + tree(messages[k:])).digest()


# Opening


def open_with(key: dict[str, str], sealed: bytes, info: bytes) -> bytes:
    raw = b64(key["private"], "bad_case")
    if key["suite"].startswith("X25519/"):
        suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
        private: Any = x25519.X25519PrivateKey.from_private_bytes(raw)
    elif key["suite"].startswith("MLKEM768"):
        suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
        private = MLKEM768X25519PrivateKey(
            mlkem.MLKEM768PrivateKey.from_seed_bytes(raw[:64]),
            x25519.X25519PrivateKey.from_private_bytes(raw[64:]),
        )
    else:
        suite = Suite(KEM.MLKEM1024_P384, KDF.HKDF_SHA384, AEAD.AES_256_GCM)
        private = MLKEM1024P384PrivateKey(
            mlkem.MLKEM1024PrivateKey.from_seed_bytes(raw[:64]),
            ec.derive_private_key(int.from_bytes(raw[64:], "big"), ec.SECP384R1()),
        )
    try:
        return suite.decrypt(sealed, private, info)
    except (InvalidTag, ValueError) as error:
        raise No("cannot_open") from error


# Certificates and signatures


def party_of(certificate: x509.Certificate) -> str | None:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    found = [u[len("urn:intertie:party:") :] for u in names.get_values_for_type(x509.UniformResourceIdentifier)
             if u.startswith("urn:intertie:party:")]  # fmt: skip
    return found[0] if len(found) == 1 else None


def is_mldsa(certificate: x509.Certificate) -> bool:
    return isinstance(certificate.public_key(), mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey)


def check_chain(ders: list[bytes], case: dict[str, Any]) -> x509.Certificate:
    now = datetime.fromisoformat(case["now"].replace("Z", "+00:00"))
    need(1 <= len(ders) <= 3, "certificate_untrusted")
    try:
        chain = [x509.load_der_x509_certificate(der) for der in ders]
    except ValueError as error:
        raise No("certificate_untrusted") from error
    need(all(c.not_valid_before_utc <= now <= c.not_valid_after_utc for c in chain), "certificate_expired")
    leaf = chain[0]
    need(len({is_mldsa(c) for c in chain}) == 1, "certificate_untrusted")
    roots = [
        r for r in x509.load_pem_x509_certificates(case["roots"].encode()) if is_mldsa(r) == is_mldsa(leaf)
    ]
    need(roots, "certificate_untrusted")
    verifier = PolicyBuilder().store(Store(roots)).time(now).max_chain_depth(3).build_client_verifier()
    try:
        path = verifier.verify(leaf, chain[1:]).chain
    except VerificationError as error:
        raise No("certificate_untrusted") from error
    need(path[:-1] == chain, "certificate_untrusted")
    need(party_of(leaf) == case["sender"]["party"], "certificate_not_sender")
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    need(usage.content_commitment, "certificate_untrusted")
    for revoked in case["revoked"]:
        since = datetime.fromisoformat(revoked["since"].replace("Z", "+00:00"))
        need(f"{leaf.serial_number:x}" != revoked["serial"] or now < since, "certificate_revoked")
    return leaf


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


def check_jws(raw: bytes, wanted: list[str], case: dict[str, Any]) -> bytes:
    bad = "bad_manifest"
    need(len(raw) <= 64 * 1024, bad)
    jws = parse(raw, bad)
    need(isinstance(jws, dict) and set(jws) == {"payload", "signatures"}, bad)
    payload = b64(jws["payload"], bad)
    need(isinstance(jws["signatures"], list) and 1 <= len(jws["signatures"]) <= 4, bad)
    found = []
    for line in jws["signatures"]:
        need(isinstance(line, dict) and set(line) == {"protected", "signature"}, bad)
        head = parse(b64(line["protected"], bad), bad)
        need(isinstance(head, dict) and set(head) == {"alg", "typ", "x5t#S256"}, bad)
        need(isinstance(head["alg"], str) and head["typ"] == "intertie-manifest+jws", bad)
        digest = b64(head["x5t#S256"], bad)
        need(len(digest) == 32, bad)
        found.append(
            (
                head["alg"],
                digest,
                b64(line["signature"], bad),
                f"{line['protected']}.{jws['payload']}".encode(),
            )
        )
    names = [alg for alg, *_ in found]
    need(names == sorted(set(names)), bad)
    need(all(alg in names for alg in wanted), "signature_missing")
    need(names == sorted(wanted), "signature_invalid")
    leaves = []
    for alg, digest, _, _ in found:
        chain = [b64(der, "bad_case") for der in case["sender"]["chains"].get(alg, [])]
        need(chain, "unknown_certificate")
        need(hashlib.sha256(chain[0]).digest() == digest, "unknown_certificate")
        leaves.append(check_chain(chain, case))
    for (alg, _, signature, data), leaf in zip(found, leaves, strict=True):
        check_signature(alg, leaf.public_key(), signature, data)
    return payload


# The parcel


def split(plaintext: bytes) -> tuple[bytes, list[bytes]]:
    need(len(plaintext) >= 4, "bad_manifest")
    (size,) = struct.unpack_from(">I", plaintext)
    need(0 < size <= 64 * 1024 and 4 + size <= len(plaintext), "bad_manifest")
    manifest, at, messages = plaintext[4 : 4 + size], 4 + size, []
    while at < len(plaintext):
        need(len(plaintext) - at >= 4 and len(messages) < 65536, "bad_frame")
        (size,) = struct.unpack_from(">I", plaintext, at)
        at += 4
        need(size <= 8 * 1024 * 1024 and at + size <= len(plaintext), "bad_frame")
        messages.append(plaintext[at : at + size])
        at += size
    return manifest, messages


def read(case: dict[str, Any]) -> tuple[str, list[bytes]]:
    """The profile and the messages, or No."""
    blob = b64(case["parcel"], "bad_case")
    need(len(blob) <= case["limit"], "too_large")  # step 1
    need(blob[:4] == b"ITP1" and len(blob) >= 8, "bad_frame")  # step 2
    (size,) = struct.unpack_from(">I", blob, 4)
    need(size <= 4096 and 8 + size <= len(blob), "bad_frame")
    header_bytes, sealed = blob[8 : 8 + size], blob[8 + size :]
    header = parse(header_bytes, "bad_header")
    shape(header, HEADER, "bad_header")
    need(header["suite"] in PROFILES, "bad_header")
    need(header["from"] == case["sender"]["party"], "unknown_sender")  # step 3
    need(header["to"] == case["recipient"], "wrong_recipient")
    keys = [k for k in case["opening_keys"] if k["kid"] == header["kid"] and k["suite"] == header["suite"]]
    need(keys, "unknown_key")  # step 6
    manifest_jws, messages = split(open_with(keys[0], sealed, header_bytes))
    profile, wanted = PROFILES[header["suite"]]
    payload = check_jws(manifest_jws, wanted, case)  # step 7
    manifest = parse(payload, "bad_manifest")
    shape(manifest, MANIFEST, "bad_manifest")
    need(all(manifest[n] == header[n] for n in ("parcel", "from", "to", "seq", "created")), "bad_manifest")
    need(len(messages) == manifest["count"], "root_mismatch")  # step 8
    need(tree(messages).hex() == manifest["root"], "root_mismatch")
    return profile, messages


def load(path: Path) -> dict[str, Any]:
    """A case with the identities that it names."""
    case: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    shared = json.loads((HERE / "identities.json").read_text(encoding="utf-8"))
    case["roots"] = shared["roots"]
    case["sender"] = shared["senders"][case["sender"]]
    case["opening_keys"] = shared["opening_keys"][case["recipient"]]
    return case


def verdict(path: Path) -> tuple[str, str]:
    """Expected and found: "ok PROFILE" or a code."""
    case = load(path)
    try:
        profile, messages = read(case)
    except No as no:
        return case["expect"], str(no.args[0])
    same = [m.decode() for m in messages] == case["messages"]
    return case["expect"], f"ok {profile}" if same else "other messages"


def main(names: list[str]) -> int:
    wrong = 0
    for path in [Path(name) for name in names] or sorted((HERE / "parcel").glob("*.json")):
        expected, found = verdict(path)
        wrong += expected != found
        print(f"{'agree ' if expected == found else 'DIFFER'}  {path.stem:44} {found}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
