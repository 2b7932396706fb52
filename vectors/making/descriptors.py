"""Cases of party descriptors: who a party is, its certificates, the keys to seal for."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from intertie.model.party import Party, Role
from intertie.seal.descriptor import DESCRIPTOR_TYP, write_descriptor
from intertie.seal.keys import OlderChain, PrivateKeys, SigningKey
from intertie.seal.profile import PROFILES

from . import mutations as m
from .people import (
    BELOW,
    CA,
    DAY,
    END,
    NOW,
    OTHER,
    OTHER_KEYS,
    START,
    UTIL,
    UTIL_KEYS,
    Signed,
    b64,
    mldsa_under_ec,
    serial,
    signers,
    text,
    unb64,
    wrong_certificates,
)
from .receipts import CODES

PAGE = "docs/descriptor.md"
PARTY = Party(id=UTIL, name="Utility", roles=frozenset({Role.DISTRIBUTION_UTILITY}))
Body = dict[str, Any]


def only(keys: PrivateKeys, *profiles: str) -> PrivateKeys:
    """The keys of some profiles."""
    algs = {alg for name in profiles for alg in PROFILES[name].signatures}
    suites = {PROFILES[name].suite for name in profiles}
    return replace(
        keys,
        signing={alg: key for alg, key in keys.signing.items() if alg in algs},
        opening={kid: key for kid, key in keys.opening.items() if key.suite in suites},
    )


def signed(keys: PrivateKeys, profile: str, end: datetime = NOW + 365 * DAY) -> Signed:
    raw = write_descriptor(PARTY, keys, url="https://utility.example", sequence=7, now=NOW, end=end)
    body = json.loads(unb64(json.loads(raw)["payload"]))
    return Signed(body, DESCRIPTOR_TYP, signers(keys, profile))


SMALL = only(UTIL_KEYS, "classical")
GOOD = signed(SMALL, "classical")
PAIR = signed(only(UTIL_KEYS, "hybrid"), "hybrid")
FULL = signed(UTIL_KEYS, "hybrid")
EC, X25519 = 0, 1  # where the keys stand in GOOD's set


def case(name: str, expect: str, raw: Signed | bytes, origin: str = PAGE, **more: Any) -> dict[str, Any]:
    base = {"name": name, "origin": origin, "expect": expect, "now": text(NOW), "revoked": []} | more
    return base | {"descriptor": b64(raw.raw() if isinstance(raw, Signed) else raw)}


def key(of: Signed, number: int, change: Callable[[Body], Body] | Body) -> Signed:
    """One key of the set changed; a member that is `...` is left out."""
    keys = [dict(one) for one in of.body["jwks"]["keys"]]
    made = change(keys[number]) if callable(change) else keys[number] | change
    keys[number] = {name: value for name, value in made.items() if value is not ...}
    return of.but(jwks={"keys": keys})


def keys(of: Signed, change: Callable[[list[Body]], list[Body]]) -> Signed:
    return of.but(jwks={"keys": change([dict(one) for one in of.body["jwks"]["keys"]])})


def cases() -> Iterator[dict[str, Any]]:
    yield from valid()
    for one in m.classical(GOOD, "intertie-receipt+jws"):
        yield case(one.name, CODES[one.caught], one.raw, one.origin)
    for one in m.few(m.pairs(PAIR, UTIL_KEYS)):
        yield case(one.name, CODES[one.caught], one.raw, one.origin)
    yield from strengths()
    yield from bodies()
    yield from key_members()
    yield from key_sets()
    yield from chains()


def valid() -> Iterator[dict[str, Any]]:
    yield case("valid classical", "ok ES256:1", GOOD)
    yield case("valid hybrid", "ok ES256:1 ML-DSA-65:1", PAIR)
    yield case("valid of every profile", "ok ES256:1 ES384:1 ML-DSA-65:1 ML-DSA-87:1", FULL)
    high = only(UTIL_KEYS, "hybrid-high")
    yield case("valid hybrid-high", "ok ES384:1 ML-DSA-87:1", signed(high, "hybrid-high"))
    below = SMALL.signing["ES256"]
    below = replace(below, chain=BELOW.issue_signing(UTIL, below.key, START, END))
    yield case(
        "valid with an intermediate",
        "ok ES256:1",
        signed(replace(SMALL, signing={"ES256": below}), "classical").by(below),
    )
    yield case("valid at its first moment", "ok ES256:1", GOOD.but(since=text(NOW)))
    yield case("valid at its last moment", "ok ES256:1", GOOD.but(since=text(NOW - DAY), until=text(NOW)))
    two = {"roles": ["back_office", "distribution_utility"]}
    yield case("valid of two roles", "ok ES256:1", GOOD.but(**two))
    yield case("valid without a door", "ok ES256:1", GOOD.but(url=...), PAGE + ", url left out")
    yield case("valid name not in ASCII", "ok ES256:1", GOOD.but(name="Stadtwerke M\u00fcnchen \u2013 Netz"))
    for name, end in (("accepted for a week more", NOW + 7 * DAY), ("not accepted any more", NOW - DAY)):
        yield case(f"valid older key {name}", "ok ES256:2", with_older(end=end), PAGE + ", exp")
    page = PAGE + ": a chain that has ended is left out"
    gone = older(START, NOW - DAY)
    yield case("valid older certificate expired", "ok ES256:1", with_older(gone), page)
    fine = older(START, END)
    since = [{"serial": serial(fine), "since": text(NOW - DAY)}]
    yield case("valid older certificate revoked", "ok ES256:1", with_older(fine), page, revoked=since)


def older(start: datetime, end: datetime) -> SigningKey:
    other = OTHER_KEYS.signing["ES256"]
    return replace(other, chain=CA.issue_signing(UTIL, other.key, start, end))


def with_older(one: SigningKey | None = None, end: datetime = NOW + 7 * DAY) -> Signed:
    """Two generations of the ES256 key."""
    one = one or older(START, END)
    return signed(replace(SMALL, older=(OlderChain(one.alg, one.chain, end),)), "classical")


def strengths() -> Iterator[dict[str, Any]]:
    page = PAGE + ": how strongly it is signed"
    long = {"until": "2031-01-01T00:00:00Z"}
    yield case("valid beyond the horizon, hybrid", "ok ES256:1 ML-DSA-65:1", PAIR.but(**long), page)
    yield case(
        "valid up to the horizon, classical", "ok ES256:1", GOOD.but(until="2030-12-31T23:59:59Z"), page
    )
    yield case("beyond the horizon, classical", "protection_too_weak", GOOD.but(**long), page)
    stripped = PAIR.but(**long).by(PAIR.signers[0])
    yield case("beyond the horizon, ML-DSA left out", "protection_too_weak", stripped, page)
    yield case(
        "ended yesterday", "certificate_expired", GOOD.but(since=text(NOW - 9 * DAY), until=text(NOW - DAY))
    )
    second = timedelta(seconds=1)
    yield case(
        "ended a second ago", "certificate_expired", GOOD.but(since=text(NOW - DAY), until=text(NOW - second))
    )
    yield case("begins tomorrow", "certificate_expired", GOOD.but(since=text(NOW + DAY)))
    yield case(
        "ends before it begins", "certificate_expired", GOOD.but(since=text(NOW + DAY), until=text(NOW - DAY))
    )


def bodies() -> Iterator[dict[str, Any]]:
    bad: dict[str, Body] = {
        "version 2": {"v": 2},
        "party missing": {"party": ...},
        "party no name": {"party": "Utility Example"},
        "name missing": {"name": ...},
        "name too long": {"name": "x" * 201},
        "roles empty": {"roles": []},
        "roles twice": {"roles": ["distribution_utility", "distribution_utility"]},
        "roles out of order": {"roles": ["distribution_utility", "back_office"]},
        "role unknown": {"roles": ["king"]},
        "sequence 0": {"sequence": 0},
        "sequence negative": {"sequence": -1},
        "sequence beyond 2^53": {"sequence": 2**53},
        "sequence as text": {"sequence": "7"},
        "since in another zone": {"since": text(NOW).replace("Z", "+01:00")},
        "until a day": {"until": "2027-01-01"},
        "until missing": {"until": ...},
        "url of http": {"url": "http://utility.example"},
        "url with a blank": {"url": "https://utility.example/ x"},
        "url with a line end": {"url": "https://utility.example\n"},
        "url too long": {"url": "https://" + "x" * 300},
        "url empty": {"url": ""},
        "key set missing": {"jwks": ...},
        "key set with more": {"jwks": GOOD.body["jwks"] | {"note": "x"}},
        "key set an array": {"jwks": GOOD.body["jwks"]["keys"]},
        "unknown member": {"admin": True},
    }
    for name, change in bad.items():
        yield case(f"body {name}", "bad_manifest", GOOD.but(**change))
    for name, old, new in (
        ("blank", '"v":1', '"v": 1'),
        ("member twice", '"sequence":7', '"sequence":7,"sequence":8'),
        ("number with an exponent", '"sequence":7', '"sequence":7e0'),
    ):
        yield case(f"body {name}", "bad_manifest", GOOD.written(old, new), "docs/parcel.md, Encodings")
    yield case("body of another party", "certificate_not_sender", GOOD.but(party=OTHER))


def key_members() -> Iterator[dict[str, Any]]:
    """Members of one key that disagree with its certificate, or with its bytes."""
    page = PAGE + ": every member follows"
    own = GOOD.body["jwks"]["keys"][EC]
    stranger = OTHER_KEYS.signing["ES256"].chain[0]
    x5c = own["x5c"][0]
    for name, change in {
        "kty": {"kty": "OKP"},
        "kty unknown": {"kty": "RSA"},
        "use": {"use": "enc"},
        "use missing": {"use": ...},
        "alg of another curve": {"alg": "ES384"},
        "alg none": {"alg": "none"},
        "kid": {"kid": "0123456789abcdef"},
        "kid in capitals": {
            "kid": own["kid"].upper() if own["kid"].upper() != own["kid"] else "ABCDEF0123456789"
        },
        "crv": {"crv": "P-384"},
        "x": {"x": own["y"]},
        "x and y exchanged": {"x": own["y"], "y": own["x"]},
        "y negated": {"y": b64(negated(unb64(own["y"])))},
        "y missing": {"y": ...},
        "x with spare bits": {"x": m.spare_bits(own["x"])},
        "x padded": {"x": own["x"] + "="},
        "pub besides": {"pub": own["x"]},
        "private part": {"d": own["x"]},
        "key_ops": {"key_ops": ["verify"]},
        "x5u": {"x5u": "https://other.example/chain.pem"},
        "x5c missing": {"x5c": ...},
        "x5c empty": {"x5c": []},
        "x5c of another party": {"x5c": [base64.b64encode(stranger).decode()]},
        "x5c in base64url": {"x5c": [x5c.replace("+", "-").replace("/", "_").rstrip("=") + "-"]},
        "x5c with a line end": {"x5c": [x5c[:64] + "\n" + x5c[64:]]},
        "x5c not a certificate": {"x5c": [base64.b64encode(b"certificate").decode()]},
        "x5c four long": {"x5c": [x5c] * 4},
        "x5t": {"x5t#S256": b64(bytes(32))},
        "x5t missing": {"x5t#S256": ...},
        "exp negative": {"exp": -1},
        "exp as text": {"exp": "1800000000"},
        "exp null": {"exp": None},
        "exp with a fraction": {"exp": 1800000000.5},
        "exp beyond the year 9999": {"exp": 253_402_300_800},
    }.items():
        found = "certificate_untrusted" if name == "x5c not a certificate" else "bad_manifest"
        yield case(f"key {name}", found, key(GOOD, EC, change), page)
    sealing = GOOD.body["jwks"]["keys"][X25519]
    for name, change in {
        "kid": {"kid": "0123456789abcdef"},
        "kty": {"kty": "AKP"},
        "x one byte less": {"x": b64(unb64(sealing["x"])[:-1])},
        "x of another key": {"x": b64(bytes(31) + b"\x09")},
        "suite unknown": {"alg": "RSA-OAEP"},
        "suite of another profile": {"alg": PROFILES["hybrid"].suite},
        "crv": {"crv": "P-256"},
        "exp": {"exp": 1_900_000_000},
        "x5c": {"x5c": [x5c]},
        "private part": {"d": sealing["x"]},
        "x missing": {"x": ...},
    }.items():
        yield case(f"sealing key {name}", "bad_manifest", key(GOOD, X25519, change), page)
    yield from post_quantum_keys(page)


def negated(y: bytes) -> bytes:
    """The other point with the same x."""
    field = 2**256 - 2**224 + 2**192 + 2**96 - 1
    return (field - int.from_bytes(y, "big")).to_bytes(32, "big")


def find(of: Signed, alg: str) -> int:
    return next(n for n, one in enumerate(of.body["jwks"]["keys"]) if one["alg"] == alg)


def post_quantum_keys(page: str) -> Iterator[dict[str, Any]]:
    number = find(PAIR, "ML-DSA-65")
    pub = unb64(PAIR.body["jwks"]["keys"][number]["pub"])
    yield case("ML-DSA key pub bit", "bad_manifest", key(PAIR, number, {"pub": b64(m.flip(9)(pub))}), page)
    yield case("ML-DSA key pub cut", "bad_manifest", key(PAIR, number, {"pub": b64(pub[:-1])}), page)
    yield case("ML-DSA key as EC", "bad_manifest", key(PAIR, number, {"kty": "EC"}), page)
    yield case("ML-DSA key alg ML-DSA-87", "bad_manifest", key(PAIR, number, {"alg": "ML-DSA-87"}), page)
    number = find(PAIR, PROFILES["hybrid"].suite)
    pub = unb64(PAIR.body["jwks"]["keys"][number]["pub"])
    yield case("ML-KEM key pub cut", "bad_manifest", key(PAIR, number, {"pub": b64(pub[:-1])}), page)
    wrong = b64(b"\xff" * 384 + pub[384:])
    yield case(
        "ML-KEM key beyond the modulus",
        "bad_manifest",
        key(PAIR, number, lambda one: one | {"pub": wrong, "kid": kid(unb64(wrong))}),
        "FIPS 203 s.7.2: the modulus check",
    )
    high = signed(only(UTIL_KEYS, "hybrid-high"), "hybrid-high")
    number = find(high, PROFILES["hybrid-high"].suite)
    pub = unb64(high.body["jwks"]["keys"][number]["pub"])
    off = m.flip(-1)(pub)
    yield case(
        "P-384 point not on the curve",
        "bad_manifest",
        key(high, number, lambda one: one | {"pub": b64(off), "kid": kid(off)}),
        "SP 800-56A s.5.6.2.3.3",
    )


def kid(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:16]


def key_sets() -> Iterator[dict[str, Any]]:
    page = PAGE + ": order, none twice"
    yield case("keys none", "bad_manifest", keys(GOOD, lambda all_: []), page)
    yield case("keys too many", "bad_manifest", keys(GOOD, lambda all_: [all_[0]] * 25), page)
    yield case("keys signing key twice", "bad_manifest", keys(GOOD, lambda all_: [all_[0], *all_]), page)
    yield case("keys sealing key twice", "bad_manifest", keys(GOOD, lambda all_: [*all_, all_[1]]), page)
    yield case("keys sealing key first", "bad_manifest", keys(GOOD, lambda all_: all_[::-1]), page)
    swapped = keys(FULL, lambda all_: [all_[1], all_[0], *all_[2:]])
    yield case("keys algorithms out of order", "bad_manifest", swapped, page)
    bare = keys(GOOD, lambda all_: all_[1:])
    yield case("keys none to sign with", "unknown_certificate", bare, page)
    yield case("keys none to seal for", "ok ES256:1", keys(GOOD, lambda all_: all_[:1]), page)


def chains() -> Iterator[dict[str, Any]]:
    """The chain of the key that signs, and of one that only stands in the set."""
    page = "docs/parcel.md, Certificates"
    for name, (wrong, code) in wrong_certificates(UTIL_KEYS).items():
        body = signed(replace(SMALL, signing={"ES256": wrong}), "classical")
        yield case(f"certificate {name}", code, body.by(wrong), page)
    pair = only(UTIL_KEYS, "hybrid")
    mixed = mldsa_under_ec(UTIL_KEYS)
    body = signed(replace(pair, signing=pair.signing | {"ML-DSA-65": mixed}), "hybrid")
    yield case(
        "certificate of ML-DSA under the EC root",
        "certificate_untrusted",
        body.by(*PAIR.signers[:1], mixed),
        page,
    )
    since = [{"serial": serial(SMALL.signing["ES256"]), "since": text(NOW)}]
    yield case("certificate revoked", "certificate_revoked", GOOD, page, revoked=since)
    stranger = GOOD.by(OTHER_KEYS.signing["ES256"])
    yield case("signed with a key that is not in it", "unknown_certificate", stranger, page)
    for name in ("under an unknown root", "for TLS only", "of another party", "not yet valid"):
        one, code = wrong_certificates(older_keys())[name]
        found = "ok ES256:1" if code == "certificate_expired" else code
        yield case(f"older certificate {name}", found, with_older(one), page)


def older_keys() -> PrivateKeys:
    return replace(OTHER_KEYS, party=UTIL)
