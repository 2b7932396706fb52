"""Cases of receipts: what the sender of a parcel does with the answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from intertie.seal.receipt import RECEIPT_TYP
from intertie.seal.tree import leaf_hash, root

from . import mutations as m
from .people import (
    AGG,
    CA,
    DAY,
    END,
    NOW,
    OTHER,
    OTHER_KEYS,
    START,
    UTIL,
    UTIL_KEYS,
    WRITERS,
    Signed,
    b64,
    ending,
    serial,
    signers,
    text,
    writer,
)

PARCEL = "019aab5c-1c00-7000-8000-000000000001"
MESSAGE = "019aab5c-1c00-7000-8000-0000000000{:02x}"
MESSAGES = tuple(b'{"header":{},"body":{"n":%d}}' % n for n in range(3))
LEAVES = [leaf_hash(message) for message in MESSAGES]
CODES = {
    m.JSON: "bad_manifest",
    m.FORM: "bad_manifest",
    m.MISSING: "signature_missing",
    m.ALGORITHMS: "signature_invalid",
    m.UNKNOWN: "unknown_certificate",
    m.SIGNATURE: "signature_invalid",
}
PAGE = "docs/parcel.md, The receipt"


def outcome(number: int, **more: Any) -> dict[str, Any]:
    base = {"leaf": LEAVES[number].hex(), "status": "accepted", "message": MESSAGE.format(number)}
    return {name: value for name, value in (base | more).items() if value is not ...}


OUTCOMES = [outcome(n) for n in range(3)]
BODY = {
    "v": 1,
    "parcel": PARCEL,
    "root": root(LEAVES).hex(),
    "from": UTIL,
    "to": AGG,
    "received": text(NOW),
    "outcomes": OUTCOMES,
    "journal": {"size": 7, "root": "ab" * 32},
}
GOOD = Signed(BODY, RECEIPT_TYP, signers(UTIL_KEYS, "classical"))
HYBRID = GOOD.by(*signers(UTIL_KEYS, "hybrid"))


def case(name: str, expect: str, raw: bytes | Signed, origin: str = PAGE, **more: Any) -> dict[str, Any]:
    sent = {"parcel": PARCEL, "from": AGG, "to": UTIL, "root": root(LEAVES).hex(), "profile": "classical"}
    sent["leaves"] = [leaf.hex() for leaf in LEAVES]
    sent |= more.pop("sent", {})
    base = {"name": name, "origin": origin, "expect": expect, "now": text(NOW), "revoked": []}
    base |= {"writer": "utility", "parcel": sent} | more
    return base | {"receipt": b64(raw.raw() if isinstance(raw, Signed) else raw)}


def cases() -> Iterator[dict[str, Any]]:
    yield from valid()
    for one in m.classical(GOOD, "intertie-manifest+jws"):
        yield case(one.name, CODES[one.caught], one.raw, one.origin)
    for one in m.pairs(HYBRID, UTIL_KEYS):
        yield case(one.name, CODES[one.caught], one.raw, one.origin, sent={"profile": "hybrid"})
    for one, keys in m.certificates(GOOD, UTIL_KEYS):
        known = WRITERS.setdefault(
            f"utility, {one.name}", writer(UTIL_KEYS, *keys, without=[k.alg for k in keys])
        )
        assert known["party"] == UTIL
        yield case(
            one.name, CODES.get(one.caught, one.caught), one.raw, one.origin, writer=f"utility, {one.name}"
        )
    yield from parties()
    yield from bodies()
    yield from others()
    yield from times()


def valid() -> Iterator[dict[str, Any]]:
    yield case("valid classical", "ok classical", GOOD)
    yield case("valid hybrid", "ok hybrid", HYBRID, sent={"profile": "hybrid"})
    high = GOOD.by(*signers(UTIL_KEYS, "hybrid-high"))
    yield case("valid hybrid-high", "ok hybrid-high", high, sent={"profile": "hybrid-high"})
    yield case("valid stronger than the parcel", "ok hybrid", HYBRID)
    lines = [
        outcome(0, status="duplicate"),
        outcome(1, message=..., status="refused", code="bad_message", detail='no "header"\n\u00e9'),
        outcome(2),
    ]
    yield case("valid outcomes of each kind", "ok classical", GOOD.but(outcomes=lines))
    yield case(
        "valid fraction of a second", "ok classical", GOOD.but(received=text(NOW).replace("Z", ".250000Z"))
    )
    yield case("valid empty journal", "ok classical", GOOD.but(journal={"size": 0, "root": "00" * 32}))
    revoked = [{"serial": serial(UTIL_KEYS.signing["ES256"]), "since": text(NOW + DAY)}]
    yield case("valid revoked only later", "ok classical", GOOD, revoked=revoked)
    older = UTIL_KEYS.signing["ES256"]
    known = writer(UTIL_KEYS, replace(OTHER_KEYS.signing["ES256"], chain=newer_chain()))
    WRITERS["utility, with a newer key"] = ending(known, older, NOW + DAY)
    WRITERS["utility, its older key ended"] = ending(known, older, NOW)
    yield case("valid under an older key", "ok classical", GOOD, writer="utility, with a newer key")
    page = "docs/descriptor.md, exp"
    ended = "utility, its older key ended"
    yield case("under an older key that ended", "unknown_certificate", GOOD, page, writer=ended)


def newer_chain() -> tuple[bytes, ...]:
    return CA.issue_signing(UTIL, OTHER_KEYS.signing["ES256"].key, START, END)


def parties() -> Iterator[dict[str, Any]]:
    """Signed by somebody else, or weaker than it must be."""
    page = "docs/parcel.md, The receipt: never a weaker profile"
    yield case("weaker than hybrid", "protection_too_weak", GOOD, page, sent={"profile": "hybrid"})
    yield case(
        "weaker than hybrid-high", "protection_too_weak", HYBRID, page, sent={"profile": "hybrid-high"}
    )
    stripped = HYBRID.jws(m.edit_json(lambda jws: jws | {"signatures": jws["signatures"][:1]}))
    yield case("ML-DSA stripped", "protection_too_weak", stripped, page, sent={"profile": "hybrid"})
    other = GOOD.by(OTHER_KEYS.signing["ES256"])
    yield case("signed by another party", "unknown_certificate", other)
    none = "utility, without certificates"
    yield case("no certificate known", "unknown_certificate", GOOD, writer=none)
    since = [{"serial": serial(UTIL_KEYS.signing["ES256"]), "since": text(NOW)}]
    yield case("certificate revoked", "certificate_revoked", GOOD, revoked=since)
    since = [{"serial": serial(UTIL_KEYS.signing["ML-DSA-65"]), "since": text(NOW - DAY)}]
    ml_dsa = {"sent": {"profile": "hybrid"}, "revoked": since}
    yield case("certificate revoked of ML-DSA", "certificate_revoked", HYBRID, **ml_dsa)


def bodies() -> Iterator[dict[str, Any]]:
    """A payload that is not of the form."""
    encodings = "docs/parcel.md, Encodings"
    members: dict[str, Any] = {
        "version 2": {"v": 2},
        "version as text": {"v": "1"},
        "version true": {"v": True},
        "parcel no UUIDv7": {"parcel": "f47ac10b-58cc-4372-a567-0e02b2c3d479"},
        "parcel in capitals": {"parcel": PARCEL.upper()},
        "parcel with a line end": {"parcel": PARCEL + "\n"},
        "root short": {"root": "ab" * 31},
        "root in capitals": {"root": root(LEAVES).hex().upper()},
        "from no party": {"from": "Utility Example"},
        "to no party": {"to": ""},
        "unknown member": {"note": "x"},
        "journal missing": {"journal": ...},
        "journal null": {"journal": None},
        "journal size negative": {"journal": {"size": -1, "root": "ab" * 32}},
        "journal size as text": {"journal": {"size": "7", "root": "ab" * 32}},
        "journal size with a fraction": {"journal": {"size": 7.5, "root": "ab" * 32}},
        "journal size beyond 2^53": {"journal": {"size": 2**53, "root": "ab" * 32}},
        "journal root short": {"journal": {"size": 7, "root": "ab"}},
        "journal root with a line end": {"journal": {"size": 7, "root": "ab" * 32 + "\n"}},
        "journal with more": {"journal": {"size": 7, "root": "ab" * 32, "time": 1}},
        "outcomes empty": {"outcomes": []},
        "outcomes missing": {"outcomes": ...},
        "outcomes null": {"outcomes": None},
    }
    outcomes: dict[str, dict[str, Any]] = {
        "leaf short": {"leaf": "ab"},
        "leaf with a line end": {"leaf": LEAVES[1].hex() + "\n"},
        "leaf missing": {"leaf": ...},
        "status unknown": {"status": "lost"},
        "status missing": {"status": ...},
        "message no UUIDv7": {"message": "x"},
        "message null": {"message": None},
        "code null": {"code": None},
        "code too long": {"code": "x" * 65},
        "detail empty": {"detail": ""},
        "detail too long": {"detail": "x" * 301},
        "with more": {"zzz": 1},
    }
    for name, change in outcomes.items():
        members[f"outcome {name}"] = {"outcomes": [OUTCOMES[0], outcome(1, **change), OUTCOMES[2]]}
    for name, change in members.items():
        yield case(f"body {name}", "bad_manifest", GOOD.but(**change), PAGE)
    for name, old, new in (
        ("blank", '"v":1', '"v": 1'),
        ("member twice", '"v":1', '"v":1,"v":1'),
        ("number with a fraction of zero", '"v":1', '"v":1.0'),
        ("number with an exponent", '"size":7', '"size":7e0'),
        ("escaped letter", '"accepted"', '"\\u0061ccepted"'),
        ("escaped slash", f'"to":"{AGG}"', f'"to":"{AGG}\\/"'),
    ):
        yield case(f"body {name}", "bad_manifest", GOOD.written(old, new), encodings)
    cut = replace(GOOD, edit_payload=lambda raw: raw[:-1])
    yield case("body cut", "bad_manifest", cut, encodings)
    yield case("body empty", "bad_manifest", replace(GOOD, edit_payload=lambda raw: b""), encodings)


def others() -> Iterator[dict[str, Any]]:
    """In order, but for something else than was sent."""
    page = "docs/parcel.md, The receipt: for exactly this parcel"
    for name, change in {
        "parcel": {"parcel": PARCEL[:-1] + "2"},
        "root": {"root": "ab" * 32},
        "writer": {"from": OTHER},
        "sender": {"to": OTHER},
        "writer and sender exchanged": {"from": AGG, "to": UTIL},
        "outcomes one less": {"outcomes": OUTCOMES[:2]},
        "outcomes one more": {"outcomes": [*OUTCOMES, OUTCOMES[2]]},
        "outcomes in another order": {"outcomes": OUTCOMES[::-1]},
        "outcomes of another message": {"outcomes": [*OUTCOMES[:2], outcome(2, leaf="ab" * 32)]},
        "outcomes one message twice": {"outcomes": [OUTCOMES[0], OUTCOMES[0], OUTCOMES[2]]},
    }.items():
        yield case(f"other {name}", "bad_manifest", GOOD.but(**change), page)


def times() -> Iterator[dict[str, Any]]:
    page = "docs/parcel.md, Encodings: times"
    plain = text(NOW)
    for name, value in {
        "with an offset": plain.replace("Z", "+00:00"),
        "in another zone": plain.replace("Z", "+01:00"),
        "without a zone": plain.replace("Z", ""),
        "small z": plain.replace("Z", "z"),
        "blank for T": plain.replace("T", " "),
        "milliseconds": plain.replace("Z", ".250Z"),
        "fraction of zero": plain.replace("Z", ".000000Z"),
        "nanoseconds": plain.replace("Z", ".250000000Z"),
        "30 February": "2027-02-30T12:00:00Z",
        "hour 24": "2027-02-03T24:00:00Z",
        "leap second": "2026-12-31T23:59:60Z",
        "a day": plain[:10],
        "a number": int(NOW.timestamp()),
    }.items():
        yield case(f"received {name}", "bad_manifest", GOOD.but(received=value), page)
    page = "docs/parcel.md, The receipt: certificates at the time of receipt"
    early, late = text(START - DAY), text(END + DAY)
    yield case("received before its certificate began", "certificate_expired", GOOD.but(received=early), page)
    yield case("received after its certificate ended", "certificate_expired", GOOD.but(received=late), page)
