"""A second, independent reader of parcels: standard library and `cryptography`, nothing of this program.

    python vectors/verify_parcel.py [CASE.json ...]

reads each case of vectors/parcel (or those named), follows docs/parcel.md, and prints its verdict beside the expected
one. Exit status 1 if any differs. It is written from the page, not from the program, and shares no code with it.

    python vectors/verify_parcel.py x509 [CASE.json ...]

does the same with the certificate chains of vectors/x509, following docs/identity.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
import sys
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, mlkem, padding, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM1024P384PrivateKey,
    Suite,
)
from cryptography.x509 import ocsp
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

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
    return found[0] if len(found) == 1 and re.fullmatch(PARTY, found[0]) else None


def is_mldsa(certificate: x509.Certificate) -> bool:
    kinds = mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey
    return isinstance(certificate.public_key(), kinds)


# documentSigning (RFC 9336), emailProtection, anyExtendedKeyUsage
SIGNING_PURPOSES = {"1.3.6.1.5.5.7.3.36", "1.3.6.1.5.5.7.3.4", "2.5.29.37.0"}


def check_chain(ders: list[bytes], case: dict[str, Any]) -> x509.Certificate:
    now = instant(case["now"])
    roots = x509.load_pem_x509_certificates(case["roots"].encode())
    path = find_path(ders, roots, case["sender"]["party"], now)
    for revoked in case["revoked"]:
        off = f"{path[0].serial_number:x}" == revoked["serial"] and now >= instant(revoked["since"])
        need(not off, "certificate_revoked")
    return path[0]


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


# Chains of vectors/x509: the path, then lists and OCSP answers


def read_trust_list(pem: str, roots: list[x509.Certificate]) -> x509.CertificateRevocationList:
    """A complete list by one authority; in the name of a root it must be signed by it."""
    bad = "trust_unusable"
    crl = x509.load_pem_x509_crl(pem.encode())
    known = x509.AuthorityKeyIdentifier | x509.CRLNumber | x509.IssuingDistributionPoint
    need(all(isinstance(e.value, known) or not e.critical for e in crl.extensions), bad)
    scope = extension(crl, x509.IssuingDistributionPoint)
    need(
        not (
            scope and (scope.indirect_crl or scope.only_some_reasons or scope.only_contains_attribute_certs)
        ),
        bad,
    )
    for entry in crl:
        kinds = x509.CRLReason | x509.InvalidityDate
        need(all(isinstance(e.value, kinds) or not e.critical for e in entry.extensions), bad)
    named = [root for root in roots if root.subject == crl.issuer]
    need(not named or any(signed_list(crl, root) for root in named), bad)
    return crl


def signed_list(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    usage = extension(issuer, x509.KeyUsage)
    return bool(
        crl.issuer == issuer.subject
        and usage is not None
        and usage.crl_sign
        and is_strong(issuer.public_key())
        and crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    )


def covers(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    scope = extension(crl, x509.IssuingDistributionPoint)
    if scope is None:
        return True
    basic = extension(certificate, x509.BasicConstraints)
    authority = basic is not None and basic.ca
    if (scope.only_contains_user_certs and authority) or (scope.only_contains_ca_certs and not authority):
        return False
    points = extension(certificate, x509.CRLDistributionPoints) or ()
    places = {name.value for point in points for name in point.full_name or ()}
    return scope.full_name is None or bool(places & {name.value for name in scope.full_name})


def listed_since(crls: list[x509.CertificateRevocationList], certificate: x509.Certificate) -> list[datetime]:
    """Since when each list says so. A hold counts only in the newest."""
    compromised = {
        x509.ReasonFlags.key_compromise,
        x509.ReasonFlags.ca_compromise,
        x509.ReasonFlags.aa_compromise,
    }
    newest = max((crl.last_update_utc for crl in crls), default=None)
    found = []
    for crl in crls:
        entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
        said = extension(entry, x509.CRLReason) if entry is not None else None
        reason = said.reason if said is not None else None
        held = reason == x509.ReasonFlags.certificate_hold and crl.last_update_utc != newest
        if entry is None or reason == x509.ReasonFlags.remove_from_crl or held:
            continue
        found.append(entry.revocation_date_utc)
        invalid = extension(entry, x509.InvalidityDate)
        if invalid is not None and reason in compromised:
            found.append(invalid.invalidity_date_utc)
    return found


def answer_counts(answer: ocsp.OCSPResponse, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    wanted = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, answer.hash_algorithm).build()
    parts = ("serial_number", "issuer_name_hash", "issuer_key_hash")
    if any(getattr(answer, part) != getattr(wanted, part) for part in parts):
        return False
    for signer in (issuer, *answer.certificates):
        digest = x509.SubjectKeyIdentifier.from_public_key(signer.public_key()).digest
        if digest != answer.responder_key_hash and signer.subject != answer.responder_name:
            continue
        if signer != issuer and not delegated(signer, issuer, answer.produced_at_utc):
            return False
        return signature_holds(answer, signer.public_key())
    return False


def delegated(responder: x509.Certificate, issuer: x509.Certificate, at: datetime) -> bool:
    try:
        responder.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    purposes = extension(responder, x509.ExtendedKeyUsage) or ()
    return (
        "1.3.6.1.5.5.7.3.9" in {one.dotted_string for one in purposes}
        and responder.not_valid_before_utc <= at <= responder.not_valid_after_utc
        and is_strong(responder.public_key())
    )


def signature_holds(answer: ocsp.OCSPResponse, key: Any) -> bool:
    more: tuple[Any, ...] = ()
    if isinstance(key, ec.EllipticCurvePublicKey):
        more = (ec.ECDSA(answer.signature_hash_algorithm),)  # type: ignore[arg-type]
    elif isinstance(key, rsa.RSAPublicKey):
        more = (padding.PKCS1v15(), answer.signature_hash_algorithm)
    try:
        key.verify(answer.signature, answer.tbs_response_bytes, *more)
    except InvalidSignature:
        return False
    return True


def check_status(path: list[x509.Certificate], case: dict[str, Any], now: datetime) -> None:
    roots = [root for one in case["roots"] for root in x509.load_pem_x509_certificates(one["pem"].encode())]
    read = [(read_trust_list(one["pem"], roots), one["only"]) for one in case["lists"]]
    lists = [crl for crl, only in read if only in (None, case["party"])]
    answers = [ocsp.load_der_ocsp_response(b64(text, "bad_case")) for text in case["answers"]]
    unsure = False
    for certificate, issuer in pairwise(path):
        own = [crl for crl in lists if signed_list(crl, issuer) and covers(crl, certificate)]
        said = [answer for answer in answers if answer_counts(answer, certificate, issuer)]
        since = listed_since(own, certificate)
        since += [answer.revocation_time_utc for answer in said if answer.revocation_time_utc]
        need(not any(one <= now for one in since), "certificate_revoked")
        fresh = any(crl.next_update_utc and now <= crl.next_update_utc for crl in own)
        fresh = fresh or any(good_at(answer, now) for answer in said)
        listed = bool(said) or any(crl.issuer == certificate.issuer for crl in lists)
        demanded = {"never": False, "if_listed": listed, "always": True}[case["require"]]
        unsure = unsure or (demanded and not fresh)
    need(not unsure, "revocation_unknown")


def good_at(answer: ocsp.OCSPResponse, now: datetime) -> bool:
    if answer.certificate_status == ocsp.OCSPCertStatus.REVOKED:
        return bool(answer.revocation_time_utc and now < answer.revocation_time_utc)
    end = answer.next_update_utc or answer.this_update_utc + timedelta(days=1)
    return answer.certificate_status == ocsp.OCSPCertStatus.GOOD and now <= end


def x509_verdict(path: Path) -> tuple[str, str]:
    """Expected and found: "ok" or a code."""
    case = json.loads(path.read_text(encoding="utf-8"))
    now = instant(case["now"])
    try:
        roots = [
            root
            for one in case["roots"]
            if one["only"] in (None, case["party"])
            for root in x509.load_pem_x509_certificates(one["pem"].encode())
        ]
        everybody = [r for one in case["roots"] for r in x509.load_pem_x509_certificates(one["pem"].encode())]
        for one in case["lists"]:
            read_trust_list(one["pem"], everybody)
        ders = [b64(text, "bad_case") for text in case["chain"]]
        check_status(find_path(ders, roots, case["party"], now), case, now)
    except No as no:
        return case["expect"], str(no.args[0])
    return case["expect"], "ok"


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
    judge, folder = verdict, "parcel"
    if names[:1] == ["x509"]:
        judge, folder, names = x509_verdict, "x509", names[1:]
    for path in [Path(name) for name in names] or sorted((HERE / folder).glob("*.json")):
        expected, found = judge(path)
        wrong += expected != found
        print(f"{'agree ' if expected == found else 'DIFFER'}  {path.stem:44} {found}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
