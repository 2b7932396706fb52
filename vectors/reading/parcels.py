"""Parcels: steps 1 to 3 and 6 to 8 of docs/parcel.md."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM1024P384PrivateKey,
    Suite,
)

from reading.base import (
    HEX64,
    PARTY,
    PROFILES,
    TIME,
    UUID7,
    VECTORS,
    No,
    b64,
    check_certificates,
    check_signatures,
    instant,
    leaf_hash,
    need,
    parse,
    read_jws,
    shape,
    tree,
)

HEADER = {
    "v": (1, 1), "parcel": UUID7, "from": PARTY, "to": PARTY, "seq": (1, 2**53 - 1), "suite": r".{0,64}",
    "kid": r"[0-9a-f]{16}", "created": TIME, "zip": "none",
}  # fmt: skip
MANIFEST = {
    "v": (1, 1), "parcel": UUID7, "from": PARTY, "to": PARTY, "seq": (1, 2**53 - 1), "created": TIME,
    "count": (1, 65536), "root": HEX64,
}  # fmt: skip


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


def check_manifest(raw: bytes, wanted: list[str], case: dict[str, Any]) -> bytes:
    """Step 7: form, algorithms, certificates, signatures."""
    payload, lines = read_jws(raw, "intertie-manifest+jws", 64 * 1024)
    names = [line.alg for line in lines]
    need(all(alg in names for alg in wanted), "signature_missing")
    need(names == sorted(wanted), "signature_invalid")
    known = {
        alg: [[b64(der, "bad_case") for der in chain]] for alg, chain in case["sender"]["chains"].items()
    }
    roots = x509.load_pem_x509_certificates(case["roots"].encode())
    at = instant(case["now"])
    leaves = check_certificates(lines, known, case["sender"]["party"], roots, case["revoked"], at)
    check_signatures(lines, leaves)
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
    payload = check_manifest(manifest_jws, wanted, case)  # step 7
    manifest = parse(payload, "bad_manifest")
    shape(manifest, MANIFEST, "bad_manifest")
    need(all(manifest[n] == header[n] for n in ("parcel", "from", "to", "seq", "created")), "bad_manifest")
    need(len(messages) == manifest["count"], "root_mismatch")  # step 8
    need(tree([leaf_hash(m) for m in messages]).hex() == manifest["root"], "root_mismatch")
    return profile, messages


def load(path: Path) -> dict[str, Any]:
    """A case with the identities that it names."""
    case: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    shared = json.loads((VECTORS / "identities.json").read_text(encoding="utf-8"))
    case["roots"] = shared["roots"]
    case["sender"] = shared["senders"][case["sender"]]
    case["opening_keys"] = shared["opening_keys"][case["recipient"]]
    return case


def judge(path: Path) -> tuple[str, str]:
    """Expected and found: "ok PROFILE" or a code."""
    case = load(path)
    try:
        profile, messages = read(case)
    except No as no:
        return case["expect"], str(no.args[0])
    same = [m.decode() for m in messages] == case["messages"]
    return case["expect"], f"ok {profile}" if same else "other messages"
