"""Write vectors/identities.json and vectors/parcel/*.json anew. Keys and signatures are random, so every file changes:
run this only when the format changes or a case is added, and commit what it writes.

    python vectors/make.py --write
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from intertie.model.ids import party_id
from intertie.model.party import Role
from intertie.seal.algorithms import generate_signing_key
from intertie.seal.certificates import read_certificate
from intertie.seal.encoding import from_base64url, to_base64url, write_canonical
from intertie.seal.hpke import seal
from intertie.seal.issuing import leaf_certificate
from intertie.seal.jws import sign_json
from intertie.seal.keys import PrivateKeys, SigningKey, generate_keys
from intertie.seal.profile import PROFILES, Profile
from intertie.seal.tree import leaf_hash, root
from intertie.seal.trial_ca import TrialCa

HERE = Path(__file__).parent
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
START, END = NOW - timedelta(days=30), NOW + timedelta(days=700)
AGG, UTIL, OTHER = (party_id(name) for name in ("agg.example", "utility.example", "other.example"))
CLASSICAL, HYBRID, HIGH = PROFILES["classical"], PROFILES["hybrid"], PROFILES["hybrid-high"]
MESSAGES = tuple(b'{"header":{},"body":{"n":%d}}' % n for n in range(3))
LIMIT = 1 << 20
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

CA = TrialCa.create("Vectors", START, END)
ROGUE = TrialCa.create("Vectors", START, END)


def keys_for(name: str, role: Role) -> PrivateKeys:
    return generate_keys(party_id(name), frozenset({role}), CA, NOW, not_before=START, not_after=END)


KEYS = keys_for(AGG, Role.DER_AGGREGATOR)
UTIL_KEYS = keys_for(UTIL, Role.DISTRIBUTION_UTILITY)
OTHER_KEYS = keys_for(OTHER, Role.DISTRIBUTION_UTILITY)
ES256, MLDSA = KEYS.signing["ES256"], KEYS.signing["ML-DSA-65"]


def mldsa_under_ec() -> SigningKey:
    """The ML-DSA key certified by the EC root: whoever breaks elliptic curves could make that certificate."""
    leaf = leaf_certificate(AGG, MLDSA.key.public_key(), CA.classical, START, END, purpose="signing")
    return replace(MLDSA, chain=(leaf.public_bytes(Encoding.DER),))


EXPIRED = replace(ES256, chain=CA.issue_signing(AGG, ES256.key, START, NOW - timedelta(days=1)))
FUTURE = replace(ES256, chain=CA.issue_signing(AGG, ES256.key, NOW + timedelta(days=1), END))
UNTRUSTED = replace(ES256, chain=ROGUE.issue_signing(AGG, ES256.key, START, END))
TLS = replace(ES256, chain=CA.issue_tls(AGG, ES256.key, ["agg.example"], START, END))  # type: ignore[arg-type]
OF_OTHER = replace(ES256, chain=CA.issue_signing(OTHER, ES256.key, START, END))
SPARE = replace(ES256, chain=(*ES256.chain, CA.issue_signing(AGG, ES256.key, START, END)[0]))
CURVE = replace(ES256, chain=CA.issue_signing(AGG, generate_signing_key("ES384"), START, END))
MIXED = mldsa_under_ec()

SENDERS: dict[str, Sequence[SigningKey]] = {
    "agg": tuple(KEYS.signing.values()),
    "agg, expired": (EXPIRED,),
    "agg, not yet valid": (FUTURE,),
    "agg, under an unknown root": (UNTRUSTED,),
    "agg, with a TLS certificate": (TLS,),
    "agg, with another party's certificate": (OF_OTHER,),
    "agg, with a certificate that nothing needs": (SPARE,),
    "agg, with a key of another curve": (CURVE,),
    "agg, with its ML-DSA key under the EC root": (ES256, MIXED),
    "agg, without certificates": (),
}


@dataclass(frozen=True)
class Parcel:
    """A parcel of which any part can be made wrong."""

    profile: Profile = CLASSICAL
    signers: Sequence[SigningKey] | None = None
    header: dict[str, Any] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)
    signed: Sequence[bytes] = MESSAGES
    carried: Sequence[bytes] | None = None
    typ: str = "intertie-manifest+jws"
    magic: bytes = b"ITP1"
    tail: bytes = b""
    edit_header: Callable[[bytes], bytes] = lambda raw: raw
    edit_payload: Callable[[bytes], bytes] = lambda raw: raw
    edit_jws: Callable[[bytes], bytes] = lambda raw: raw
    edit_plaintext: Callable[[bytes], bytes] = lambda raw: raw
    after_sealing: Callable[[bytes], bytes] = lambda raw: (
        raw
    )  # header bytes, once the content is bound to them
    edit_blob: Callable[[bytes], bytes] = lambda raw: raw

    def blob(self) -> bytes:
        names = {"v": 1, "parcel": "019aab5c-1c00-7000-8000-000000000001", "from": AGG, "to": UTIL, "seq": 7}
        names["created"] = "2026-11-22T12:00:00Z"
        key = UTIL_KEYS.public().sealing_key(self.profile.suite)
        assert key
        root_hex = root([leaf_hash(m) for m in self.signed]).hex()
        manifest = names | {"count": len(self.signed), "root": root_hex} | self.manifest
        header = names | {"suite": self.profile.suite, "kid": key.kid, "zip": "none"} | self.header
        header_bytes = self.edit_header(write_canonical(drop(header)))
        signers = [KEYS.signing[a] for a in self.profile.signatures] if self.signers is None else self.signers
        jws = self.edit_jws(sign_json(self.edit_payload(write_canonical(drop(manifest))), self.typ, signers))
        carried = self.signed if self.carried is None else self.carried
        plain = b"".join(struct.pack(">I", len(part)) + part for part in (jws, *carried)) + self.tail
        sealed = seal(self.edit_plaintext(plain), key, header_bytes)
        shown = self.after_sealing(header_bytes)
        return self.edit_blob(self.magic + struct.pack(">I", len(shown)) + shown + sealed)


def drop(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """Replace, and make sure that there was something to replace."""

    def edit(raw: bytes) -> bytes:
        assert old in raw, (old, raw)
        return raw.replace(old, new, 1)

    return edit


def flip(at: int) -> Callable[[bytes], bytes]:
    return lambda raw: (
        raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :] if at >= 0 else flip(len(raw) + at)(raw)
    )


def edit_json(change: Callable[[Any], Any]) -> Callable[[bytes], bytes]:
    return lambda raw: write_canonical(change(json.loads(raw)))


def edit_line(number: int, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[bytes], bytes]:
    """Change one signature of a JWS."""

    def edit(jws: Any) -> Any:
        jws["signatures"][number] = change(jws["signatures"][number])
        return jws

    return edit_json(edit)


def edit_protected(change: Callable[[dict[str, str]], dict[str, str]]) -> Callable[[bytes], bytes]:
    def edit(line: dict[str, Any]) -> dict[str, Any]:
        head = change(json.loads(from_base64url(line["protected"])))
        return line | {"protected": to_base64url(write_canonical(head))}

    return edit_line(0, edit)


def spare_bits(text: str) -> str:
    """A second base64url spelling of the same bytes: the bits that nothing uses, set."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(text) % 4
    return text[:-1] + letters[letters.index(text[-1]) | 1]


def high_s(text: str) -> str:
    """The other s of the same ECDSA signature."""
    raw = from_base64url(text)
    return to_base64url(raw[:32] + (P256_ORDER - int.from_bytes(raw[32:], "big")).to_bytes(32, "big"))


def case(name: str, expect: str, parcel: Parcel | bytes, origin: str, **more: Any) -> dict[str, Any]:
    blob = parcel if isinstance(parcel, bytes) else parcel.blob()
    base = {"name": name, "origin": origin, "expect": expect, "now": "2026-11-22T12:00:00Z", "limit": LIMIT}
    base |= {"sender": "agg", "recipient": UTIL, "revoked": []} | more
    if expect.startswith("ok"):
        assert isinstance(parcel, Parcel)
        base["messages"] = [m.decode() for m in parcel.signed]
    return base | {"parcel": to_base64url(blob)}


def valid() -> Iterator[dict[str, Any]]:
    page = "docs/parcel.md, The parcel"
    yield case("valid classical", "ok classical", Parcel(), page)
    yield case("valid hybrid", "ok hybrid", Parcel(HYBRID), page)
    yield case("valid hybrid-high", "ok hybrid-high", Parcel(HIGH), page)
    yield case("valid one message", "ok classical", Parcel(signed=MESSAGES[:1]), page)
    many = tuple(b'{"n":%d}' % n for n in range(21))
    yield case(
        "valid twenty-one messages",
        "ok classical",
        Parcel(signed=many),
        "RFC 9162 s.2.1.1, a tree that is not full",
    )
    yield case(
        "valid an empty message",
        "ok classical",
        Parcel(signed=(b"", b"{}")),
        "docs/parcel.md: step 9 judges it",
    )
    fraction = {"created": "2026-11-22T12:00:00.250000Z"}
    yield case(
        "valid fraction of a second",
        "ok classical",
        Parcel(header=fraction, manifest=fraction),
        "docs/parcel.md, Encodings",
    )
    later = [{"serial": serial(ES256), "since": "2026-11-23T00:00:00Z"}]
    yield case(
        "valid revoked only later", "ok classical", Parcel(), "docs/parcel.md, Certificates", revoked=later
    )


def frames() -> Iterator[dict[str, Any]]:
    page = "docs/parcel.md, step 2: frame"
    yield case("frame wrong magic", "bad_frame", Parcel(magic=b"ITP2"), page)
    yield case("frame empty", "bad_frame", b"", page)
    yield case("frame ends in length", "bad_frame", b"ITP1\0\0", page)
    yield case(
        "frame header length beyond the end", "bad_frame", b"ITP1" + struct.pack(">I", 4000) + b"{}", page
    )
    yield case(
        "frame header length 4 GiB",
        "bad_frame",
        Parcel(edit_blob=lambda b: b[:4] + b"\xff" * 4 + b[8:]),
        page,
    )
    long = Parcel(after_sealing=lambda raw: raw + b" " * 4097)
    yield case("frame header over its limit", "bad_frame", long, page)
    yield case("frame larger than the limit", "too_large", Parcel(), "docs/parcel.md, step 1", limit=500)


def headers() -> Iterator[dict[str, Any]]:
    page = "docs/parcel.md, step 2: header"
    yield case("header not JSON", "bad_header", Parcel(edit_header=lambda raw: raw[:-1]), page)
    yield case("header blank in JSON", "bad_header", Parcel(edit_header=swap(b'"seq":7', b'"seq": 7')), page)
    yield case(
        "header member repeated", "bad_header", Parcel(edit_header=swap(b'"seq":7', b'"seq":7,"seq":7')), page
    )
    yield case("header unknown member", "bad_header", Parcel(header={"zzz": 1}), page)
    yield case("header member missing", "bad_header", Parcel(header={"seq": None}), page)
    yield case("header version 2", "bad_header", Parcel(header={"v": 2}), page)
    yield case("header seq 0", "bad_header", Parcel(header={"seq": 0}), page)
    yield case(
        "header compressed content",
        "bad_header",
        Parcel(header={"zip": "zstd"}),
        "docs/parcel.md, Compression",
    )
    yield case(
        "header unknown suite", "bad_header", Parcel(header={"suite": "RSA"}), "docs/parcel.md, Profiles"
    )
    other_time = {"created": "2026-11-22T13:00:00+01:00"}
    yield case("header time not in UTC", "bad_header", Parcel(header=other_time), "docs/parcel.md, Encodings")
    yield case("header party not a name", "bad_header", Parcel(header={"from": "Agg Example"}), page)
    yield case(
        "header unknown sender", "unknown_sender", Parcel(header={"from": OTHER}), "docs/parcel.md, step 3"
    )
    yield case(
        "header other recipient", "wrong_recipient", Parcel(header={"to": OTHER}), "docs/parcel.md, step 3"
    )


def bound() -> Iterator[dict[str, Any]]:
    """Each header field changed after sealing, to another value that is well formed."""
    page = "docs/parcel.md: the header is bound as HPKE info"
    changes = {
        "parcel": (b"8000-000000000001", b"8000-000000000002"),
        "seq": (b'"seq":7', b'"seq":8'),
        "created": (b"T12:00:00Z", b"T12:00:01Z"),
    }
    for name, (old, new) in changes.items():
        yield case(f"altered header {name}", "cannot_open", Parcel(after_sealing=swap(old, new)), page)
    altered = Parcel(after_sealing=swap(b'"from":"agg.example"', b'"from":"agh.example"'))
    yield case("altered header from", "unknown_sender", altered, "docs/parcel.md, step 3")
    altered = Parcel(after_sealing=swap(b'"to":"utility.example"', b'"to":"other.example"'))
    yield case("altered header to", "wrong_recipient", altered, "docs/parcel.md, step 3")
    altered = Parcel(HYBRID, after_sealing=swap(HYBRID.suite.encode(), CLASSICAL.suite.encode()))
    yield case(
        "altered header suite", "unknown_key", altered, "docs/parcel.md, step 6: the key is for another suite"
    )
    altered = Parcel(after_sealing=lambda raw: raw.replace(b'"kid":"', b'"kid":"0000')[: len(raw)])
    yield case("altered header broken", "bad_header", altered, "docs/parcel.md, step 2")
    yield case(
        "altered kid", "unknown_key", Parcel(header={"kid": "0123456789abcdef"}), "docs/parcel.md, step 6"
    )
    yield case("ciphertext last bit", "cannot_open", Parcel(edit_blob=flip(-1)), page)
    yield case("ciphertext key part bit", "cannot_open", Parcel(HYBRID, edit_blob=flip(300)), page)
    yield case("ciphertext truncated", "cannot_open", Parcel(edit_blob=lambda b: b[:-1]), page)
    yield case(
        "ciphertext missing",
        "cannot_open",
        Parcel(edit_blob=lambda b: b[: 8 + int.from_bytes(b[4:8], "big")]),
        page,
    )
    yield case("ciphertext trailing byte", "cannot_open", Parcel(edit_blob=lambda b: b + b"\0"), page)


def contents() -> Iterator[dict[str, Any]]:
    page = "docs/parcel.md, step 6: content"
    yield case("content empty", "bad_manifest", Parcel(edit_plaintext=lambda raw: b""), page)
    yield case(
        "content manifest length 0",
        "bad_manifest",
        Parcel(edit_plaintext=lambda raw: b"\0\0\0\0" + raw),
        page,
    )
    huge = Parcel(edit_plaintext=lambda raw: b"\xff\xff\xff\xff" + raw[4:])
    yield case("content manifest length beyond the end", "bad_manifest", huge, page)
    padded = Parcel(edit_jws=lambda raw: raw + b" " * 65_536)
    yield case("content manifest over its limit", "bad_manifest", padded, page)
    yield case("content ends in a length", "bad_frame", Parcel(tail=b"\0\0"), page)
    yield case("content ends in a message", "bad_frame", Parcel(tail=b"\0\0\0\x09{}"), page)
    yield case("content message length 4 GiB", "bad_frame", Parcel(tail=b"\xff\xff\xff\xff{}"), page)
    yield case(
        "content trailing message", "root_mismatch", Parcel(tail=b"\0\0\0\x02{}"), "docs/parcel.md, step 8"
    )


def serial(key: SigningKey) -> str:
    return f"{read_certificate(key.chain[0]).serial_number:x}"


def certificates() -> Iterator[dict[str, Any]]:
    page = "docs/parcel.md, Certificates"
    wrong = [
        ("expired", "certificate_expired", EXPIRED, "agg, expired"),
        ("not yet valid", "certificate_expired", FUTURE, "agg, not yet valid"),
        ("under an unknown root", "certificate_untrusted", UNTRUSTED, "agg, under an unknown root"),
        ("for TLS only", "certificate_untrusted", TLS, "agg, with a TLS certificate"),
        ("of another party", "certificate_not_sender", OF_OTHER, "agg, with another party's certificate"),
        (
            "and one that nothing needs",
            "certificate_untrusted",
            SPARE,
            "agg, with a certificate that nothing needs",
        ),
        ("with a key of another curve", "signature_invalid", CURVE, "agg, with a key of another curve"),
    ]
    for name, expect, key, sender in wrong:
        yield case(f"certificate {name}", expect, Parcel(signers=[key]), page, sender=sender)
    mixed = Parcel(HYBRID, signers=[ES256, MIXED])
    sender = "agg, with its ML-DSA key under the EC root"
    yield case("certificate ML-DSA under the EC root", "certificate_untrusted", mixed, page, sender=sender)
    yield case(
        "certificate none known", "unknown_certificate", Parcel(), page, sender="agg, without certificates"
    )
    since = [{"serial": serial(ES256), "since": "2026-11-22T12:00:00Z"}]
    yield case("certificate revoked", "certificate_revoked", Parcel(), page, revoked=since)
    impostor = Parcel(signers=[OTHER_KEYS.signing["ES256"]])
    yield case("certificate of an impostor", "unknown_certificate", impostor, "docs/parcel.md: x5t#S256")


def signatures() -> Iterator[dict[str, Any]]:
    page = "docs/parcel.md, Signatures"
    none = Parcel(edit_jws=edit_json(lambda jws: jws | {"signatures": []}))
    yield case("unsigned", "bad_manifest", none, page)
    bare = Parcel(edit_jws=lambda jws: from_base64url(json.loads(jws)["payload"]))
    yield case("unsigned bare manifest", "bad_manifest", bare, page)
    both = [ES256, MLDSA]
    yield case("signature removed ML-DSA", "signature_missing", Parcel(HYBRID, signers=[ES256]), page)
    yield case("signature removed ES256", "signature_missing", Parcel(HYBRID, signers=[MLDSA]), page)
    high = Parcel(HIGH, signers=both)
    yield case("signature weaker than declared", "signature_missing", high, page)
    yield case("signature more than declared", "signature_invalid", Parcel(signers=both), page)
    twice = edit_json(lambda jws: jws | {"signatures": jws["signatures"] * 2})
    yield case("signature twice", "bad_manifest", Parcel(edit_jws=twice), page)
    turned = edit_json(lambda jws: jws | {"signatures": jws["signatures"][::-1]})
    yield case("signature order", "bad_manifest", Parcel(HYBRID, edit_jws=turned), page)
    for alg, profile, number in (("ES256", CLASSICAL, 0), ("ML-DSA-65", HYBRID, 1)):
        bit = edit_line(
            number,
            lambda line: line | {"signature": to_base64url(flip(40)(from_base64url(line["signature"])))},
        )
        yield case(f"signature bit {alg}", "signature_invalid", Parcel(profile, edit_jws=bit), page)
    other = edit_line(0, lambda line: line | {"signature": high_s(line["signature"])})
    yield case(
        "signature high s", "signature_invalid", Parcel(edit_jws=other), "docs/parcel.md: only the lower s"
    )
    der = edit_line(
        0, lambda line: line | {"signature": to_base64url(b"\x30" + from_base64url(line["signature"]))}
    )
    yield case("signature 65 bytes", "signature_invalid", Parcel(edit_jws=der), "RFC 7518 s.3.4")
    spare = edit_line(0, lambda line: line | {"signature": spare_bits(line["signature"])})
    yield case(
        "signature spare bits of base64", "bad_manifest", Parcel(edit_jws=spare), "docs/parcel.md, Encodings"
    )
    padded = edit_line(0, lambda line: line | {"signature": line["signature"] + "=="})
    yield case("signature padded base64", "bad_manifest", Parcel(edit_jws=padded), "RFC 7515 s.2")
    unprotected = edit_line(0, lambda line: line | {"header": {"kid": "x"}})
    yield case("signature unprotected header", "bad_manifest", Parcel(edit_jws=unprotected), page)
    yield from protected_headers()


def protected_headers() -> Iterator[dict[str, Any]]:
    page = "docs/parcel.md, Signatures"
    none = edit_protected(lambda head: head | {"alg": "none"})
    yield case("protected alg none", "signature_missing", Parcel(edit_jws=none), "RFC 8725 s.3.1")
    hmac = edit_protected(lambda head: head | {"alg": "HS256"})
    yield case("protected alg HS256", "signature_missing", Parcel(edit_jws=hmac), "RFC 8725 s.3.1")
    extra = edit_protected(lambda head: head | {"jku": "https://other.example/keys"})
    yield case("protected jku", "bad_manifest", Parcel(edit_jws=extra), "RFC 8725 s.3.10")
    crit = edit_protected(lambda head: head | {"crit": "b64"})
    yield case("protected crit", "bad_manifest", Parcel(edit_jws=crit), "RFC 7515 s.4.1.11")
    yield case(
        "protected typ of a receipt", "bad_manifest", Parcel(typ="intertie-receipt+jws"), "RFC 8725 s.3.11"
    )
    lacking = edit_protected(lambda head: {k: v for k, v in head.items() if k != "x5t#S256"})
    yield case("protected without x5t#S256", "bad_manifest", Parcel(edit_jws=lacking), page)


def manifests() -> Iterator[dict[str, Any]]:
    page = "docs/parcel.md, step 7: the manifest agrees with the header"
    for name, value in {
        "parcel": "019aab5c-1c00-7000-8000-00000000ffff",
        "from": OTHER,
        "to": OTHER,
        "seq": 8,
        "created": "2026-11-22T12:00:01Z",
    }.items():
        yield case(f"manifest other {name}", "bad_manifest", Parcel(manifest={name: value}), page)
    yield case("manifest version 2", "bad_manifest", Parcel(manifest={"v": 2}), page)
    yield case("manifest count 0", "bad_manifest", Parcel(manifest={"count": 0}, carried=()), page)
    yield case("manifest unknown member", "bad_manifest", Parcel(manifest={"note": "x"}), page)
    blank = swap(b'"seq":7', b'"seq": 7')
    yield case(
        "manifest blank in JSON", "bad_manifest", Parcel(edit_payload=blank), "docs/parcel.md, Encodings"
    )
    repeated = swap(b'"seq":7', b'"seq":7,"seq":7')
    yield case(
        "manifest member repeated", "bad_manifest", Parcel(edit_payload=repeated), "docs/parcel.md, Encodings"
    )
    upper = edit_json(lambda m: m | {"root": m["root"].upper()})
    yield case(
        "manifest root in capitals", "bad_manifest", Parcel(edit_payload=upper), "docs/parcel.md, Encodings"
    )
    page = "docs/parcel.md, step 8"
    yield case("root of other messages", "root_mismatch", Parcel(manifest={"root": "00" * 32}), page)
    yield case(
        "root message altered", "root_mismatch", Parcel(carried=(*MESSAGES[:2], MESSAGES[2] + b" ")), page
    )
    yield case("root message order", "root_mismatch", Parcel(carried=MESSAGES[::-1]), page)
    yield case("root message left out", "root_mismatch", Parcel(carried=MESSAGES[:2]), page)
    yield case("root count too high", "root_mismatch", Parcel(manifest={"count": 4}), page)
    nested = leaf_hash(MESSAGES[0]) + leaf_hash(MESSAGES[1])
    joined = Parcel(signed=MESSAGES[:2], carried=(nested,), manifest={"count": 1})
    yield case(
        "root node passed off as leaf", "root_mismatch", joined, "RFC 9162 s.2.1.1: why leaves are marked"
    )


def identities() -> dict[str, Any]:
    everyone = {UTIL: UTIL_KEYS, OTHER: OTHER_KEYS}
    return {
        "note": "Keys of nobody, made for these cases. Never use them for anything else.",
        "roots": CA.roots_pem().decode(),
        "senders": {
            name: {
                "party": AGG,
                "chains": {key.alg: [to_base64url(der) for der in key.chain] for key in signers},
            }
            for name, signers in SENDERS.items()
        },
        "opening_keys": {
            party: [
                {"kid": k.kid, "suite": k.suite, "private": to_base64url(k.private)}
                for k in keys.opening.values()
            ]
            for party, keys in everyone.items()
        },
    }


def main() -> None:
    if sys.argv[1:] != ["--write"]:
        print(__doc__)
        return
    folder = HERE / "parcel"
    for old in folder.glob("*.json"):
        old.unlink()
    (HERE / "identities.json").write_text(json.dumps(identities(), indent=1) + "\n", encoding="utf-8")
    groups = (valid, frames, headers, bound, contents, certificates, signatures, manifests)
    names = set()
    for one in (one for group in groups for one in group()):
        assert one["name"] not in names, one["name"]
        names.add(one["name"])
        file = one["name"].lower().replace(" ", "_").replace("#", "_").replace(".", "_") + ".json"
        (folder / file).write_text(json.dumps(one, indent=1) + "\n", encoding="utf-8")
    print(f"{len(names)} cases")


if __name__ == "__main__":
    main()
