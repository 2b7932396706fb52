"""Receipts, statements about journals, and descriptors: docs/parcel.md, docs/evidence.md, docs/descriptor.md."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, mlkem, x25519

from reading.base import (
    HEX64,
    PARTY,
    RANKS,
    TIME,
    UUID7,
    VECTORS,
    Chains,
    No,
    b64,
    check_certificates,
    check_signatures,
    find_path,
    instant,
    need,
    parse,
    profile_of,
    read_jws,
    shape,
    tree,
)

BAD = "bad_manifest"
SIZE = (0, 2**53 - 1)
# docs/policy.md: what must hold longer than this is signed with a post-quantum algorithm, too.
HARVEST_HORIZON = date(2030, 12, 31)
ROLES = {
    "distribution_utility", "der_aggregator", "iso_rto", "market_clearinghouse", "scada_dms", "back_office",
    "utility_apps", "gateway_esi", "customer_ems", "evse_pev", "submeter_eumd", "meter", "agency", "third_party",
}  # fmt: skip


@cache
def shared() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((VECTORS / "signers.json").read_text(encoding="utf-8"))
    return found


def roots() -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(shared()["roots"].encode())


def load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def known_chains(writer: dict[str, Any], now: datetime) -> Chains:
    """The chains that a party is known by at this time."""
    found: Chains = {}
    for alg, chains in writer["chains"].items():
        for texts in chains:
            chain = [b64(der, "bad_case") for der in texts]
            end = writer["ends"].get(hashlib.sha256(chain[0]).hexdigest())
            if end is None or now < instant(end):
                found.setdefault(alg, []).append(chain)
    return found


def members(value: Any, fields: dict[str, Any], optional: dict[str, Any] | None = None) -> None:
    """An object with these members; an optional one is left out or not at its default."""
    need(isinstance(value, dict), BAD)
    there = {name: rule for name, rule in (optional or {}).items() if name in value}
    shape(value, fields | there, BAD)


# The receipt


RECEIPT = {"v": (1, 1), "parcel": UUID7, "root": HEX64, "from": PARTY, "to": PARTY, "received": TIME}
OUTCOME = {"leaf": HEX64, "status": "accepted|duplicate|refused"}
OUTCOME_MORE = {"message": UUID7, "code": r"(?s).{0,64}", "detail": r"(?s).{1,300}"}


def read_receipt(payload: bytes) -> dict[str, Any]:
    said: dict[str, Any] = parse(payload, BAD)
    need(isinstance(said, dict) and set(said) == {*RECEIPT, "outcomes", "journal"}, BAD)
    shape({name: said[name] for name in RECEIPT}, RECEIPT, BAD)
    need(isinstance(said["outcomes"], list) and 1 <= len(said["outcomes"]) <= 65536, BAD)
    for outcome in said["outcomes"]:
        members(outcome, OUTCOME, OUTCOME_MORE)
    members(said["journal"], {"size": SIZE, "root": HEX64})
    return said


def judge_receipt(path: Path) -> tuple[str, str]:
    case = load(path)
    try:
        return case["expect"], f"ok {_receipt(case)}"
    except No as no:
        return case["expect"], str(no.args[0])


def _receipt(case: dict[str, Any]) -> str:
    writer, sent, now = shared()["writers"][case["writer"]], case["parcel"], instant(case["now"])
    payload, lines = read_jws(b64(case["receipt"], "bad_case"), "intertie-receipt+jws", 8 * 1024 * 1024)
    chains = known_chains(writer, now)
    profile = profile_of(lines)
    check_signatures(lines, check_certificates(lines, chains, writer["party"], roots(), case["revoked"], now))
    need(RANKS[profile] >= RANKS[sent["profile"]], "protection_too_weak")
    said = read_receipt(payload)
    need(said["from"] == writer["party"], BAD)
    check_certificates(lines, chains, writer["party"], roots(), case["revoked"], instant(said["received"]))
    need((said["parcel"], said["from"], said["to"]) == (sent["parcel"], sent["to"], sent["from"]), BAD)
    need([outcome["leaf"] for outcome in said["outcomes"]] == sent["leaves"], BAD)
    need(said["root"] == tree([bytes.fromhex(leaf) for leaf in sent["leaves"]]).hex(), BAD)
    return profile


# Statements about journals


CHECKPOINT = {
    "v": (1, 1),
    "from": PARTY,
    "to": PARTY,
    "at": TIME,
    "size": SIZE,
    "root": HEX64,
    "present": SIZE,
}


def read_checkpoint(payload: bytes) -> dict[str, Any]:
    said: dict[str, Any] = parse(payload, BAD)
    need(isinstance(said, dict) and set(said) - {"stamp"} == set(CHECKPOINT), BAD)
    shape({name: said[name] for name in CHECKPOINT}, CHECKPOINT, BAD)
    need(said["size"] <= said["present"], BAD)
    if "stamp" in said:
        members(said["stamp"], {"size": SIZE, "root": HEX64, "reply": r"(?s).{0,21848}"})
        need(said["stamp"]["size"] <= said["size"], BAD)
    return said


def read_witness(payload: bytes) -> dict[str, Any]:
    said: dict[str, Any] = parse(payload, BAD)
    fields = {"v": (1, 1), "from": PARTY, "to": PARTY, "at": TIME}
    need(isinstance(said, dict) and set(said) == {*fields, "heads", "more"}, BAD)
    shape({name: said[name] for name in fields}, fields, BAD)
    need(
        isinstance(said["more"], bool) and isinstance(said["heads"], list) and len(said["heads"]) <= 1000, BAD
    )
    for head in said["heads"]:
        members(head, {"size": SIZE, "root": HEX64})
    pairs = [(head["size"], head["root"]) for head in said["heads"]]
    need(pairs == sorted(set(pairs)), BAD)
    return said


def judge_checkpoint(path: Path) -> tuple[str, str]:
    case = load(path)
    kinds = {"checkpoint": (64 * 1024, read_checkpoint), "witness": (256 * 1024, read_witness)}
    limit, read = kinds[case["kind"]]
    writer, now = shared()["writers"][case["writer"]], instant(case["now"])
    try:
        raw = b64(case["statement"], "bad_case")
        payload, lines = read_jws(raw, f"intertie-{case['kind']}+jws", limit)
        profile = profile_of(lines)
        chains = known_chains(writer, now)
        leaves = check_certificates(lines, chains, writer["party"], roots(), case["revoked"], now)
        check_signatures(lines, leaves)
        need(RANKS[profile] >= RANKS["hybrid"], "protection_too_weak")
        said = read(payload)
        need((said["from"], said["to"]) == (writer["party"], case["reader"]), BAD)
    except No as no:
        return case["expect"], str(no.args[0])
    return case["expect"], "ok"


# Descriptors


DESCRIPTOR = {
    "v": (1, 1), "party": PARTY, "name": r"(?s).{0,200}", "sequence": (1, 2**53 - 1), "since": TIME, "until": TIME,
    "url": r"(?=.{0,300}$)https://\S+",
}  # fmt: skip
SUITES = {
    "X25519/HKDF-SHA256/AES-256-GCM": 32,
    "MLKEM768-X25519/HKDF-SHA256/AES-256-GCM": 1184 + 32,
    "MLKEM1024-P384/HKDF-SHA384/AES-256-GCM": 1568 + 97,
}
EXP_MAX = 253_402_300_799


def judge_descriptor(path: Path) -> tuple[str, str]:
    case = load(path)
    try:
        return case["expect"], f"ok {_descriptor(case)}"
    except No as no:
        return case["expect"], str(no.args[0])


def _descriptor(case: dict[str, Any]) -> str:
    now = instant(case["now"])
    payload, lines = read_jws(b64(case["descriptor"], "bad_case"), "intertie-descriptor+jws", 512 * 1024)
    body = parse(payload, BAD)
    members = {*DESCRIPTOR, "roles", "jwks"}
    need(isinstance(body, dict) and set(body) in (members, members - {"url"}), BAD)  # no url: it has no door
    shape(
        {name: body[name] for name in DESCRIPTOR if name in body},
        {k: DESCRIPTOR[k] for k in DESCRIPTOR if k in body},
        BAD,
    )
    roles = body["roles"]
    need(isinstance(roles, list) and roles and all(isinstance(one, str) for one in roles), BAD)
    need(set(roles) <= ROLES and roles == sorted(set(roles)), BAD)
    chains = read_keys(body["jwks"])
    profile = profile_of(lines)
    leaves = check_certificates(lines, chains, body["party"], roots(), case["revoked"], now)
    check_signatures(lines, leaves)
    long = instant(body["until"]).date() > HARVEST_HORIZON
    need(RANKS[profile] >= (RANKS["hybrid"] if long else 1), "protection_too_weak")
    need(instant(body["since"]) <= now <= instant(body["until"]), "certificate_expired")
    usable = {alg: _usable(several, body["party"], case, now) for alg, several in sorted(chains.items())}
    return " ".join(f"{alg}:{count}" for alg, count in usable.items() if count)


def _usable(chains: list[list[bytes]], party: str, case: dict[str, Any], now: datetime) -> int:
    """How many of them hold now; what has ended or was revoked does not count, anything else refuses the descriptor."""
    count = 0
    for chain in chains:
        try:
            path = find_path(chain, roots(), party, now)
        except No as no:
            if no.args[0] != "certificate_expired":
                raise
            continue
        serial = f"{path[0].serial_number:x}"
        off = [one for one in case["revoked"] if one["serial"] == serial and now >= instant(one["since"])]
        count += not off
    return count


def read_keys(jwks: Any) -> Chains:
    """The signing chains of a key set, each key exactly as its certificate or bytes make it."""
    need(isinstance(jwks, dict) and set(jwks) == {"keys"} and isinstance(jwks["keys"], list), BAD)
    need(1 <= len(jwks["keys"]) <= 24, BAD)
    chains: Chains = {}
    order: list[tuple[bool, str]] = []
    sealing: set[str] = set()
    for key in jwks["keys"]:
        need(
            isinstance(key, dict) and all(isinstance(key.get(name), str) for name in ("use", "alg", "kty")),
            BAD,
        )
        if key["use"] == "enc":
            _sealing_key(key)
            need(key["kid"] not in sealing, BAD)
            sealing.add(key["kid"])
            order.append((True, ""))
            continue
        chain = _signing_key(key)
        need(chain not in chains.get(key["alg"], []), BAD)
        chains.setdefault(key["alg"], []).append(chain)
        order.append((False, key["alg"]))
    need(order == sorted(order), BAD)
    return chains


def _sealing_key(key: dict[str, Any]) -> None:
    need(key["alg"] in SUITES, BAD)
    okp = key["alg"].startswith("X25519/")
    public = b64(key.get("x" if okp else "pub"), BAD)
    need(len(public) == SUITES[key["alg"]] and _is_key(key["alg"], public), BAD)
    wanted = {"use": "enc", "alg": key["alg"], "kid": hashlib.sha256(public).hexdigest()[:16]}
    more = {"kty": "OKP", "crv": "X25519", "x": text(public)} if okp else {"kty": "AKP", "pub": text(public)}
    need(key == wanted | more, BAD)


def _is_key(suite: str, public: bytes) -> bool:
    try:
        if suite.startswith("X25519/"):
            x25519.X25519PublicKey.from_public_bytes(public)
        elif suite.startswith("MLKEM768"):
            mlkem.MLKEM768PublicKey.from_public_bytes(public[:1184])
        else:
            mlkem.MLKEM1024PublicKey.from_public_bytes(public[:1568])
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), public[1568:])
    except ValueError:
        return False
    return True


def _signing_key(key: dict[str, Any]) -> list[bytes]:
    need(key["use"] == "sig", BAD)
    texts = key.get("x5c")
    need(isinstance(texts, list) and 1 <= len(texts) <= 3, BAD)
    chain = [_base64(one) for one in texts or []]
    try:
        public = x509.load_der_x509_certificate(chain[0]).public_key()
    except ValueError as error:
        raise No("certificate_untrusted") from error
    mark = hashlib.sha256(chain[0]).digest()
    wanted: dict[str, Any] = {
        "use": "sig", "alg": key["alg"], "kid": mark.hex()[:16], "x5c": texts, "x5t#S256": text(mark),
    }  # fmt: skip
    if "exp" in key:
        need(type(key["exp"]) is int and 0 <= key["exp"] <= EXP_MAX, BAD)
        wanted["exp"] = key["exp"]
    need(key == wanted | _public_members(key["alg"], public), BAD)
    return chain


def _public_members(alg: str, public: Any) -> dict[str, str]:
    curves = {"ES256": ("secp256r1", "P-256", 32), "ES384": ("secp384r1", "P-384", 48)}
    if alg in curves:
        name, crv, size = curves[alg]
        need(isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name == name, BAD)
        numbers = public.public_numbers()
        x, y = numbers.x.to_bytes(size, "big"), numbers.y.to_bytes(size, "big")
        return {"kty": "EC", "crv": crv, "x": text(x), "y": text(y)}
    kind = {"ML-DSA-65": mldsa.MLDSA65PublicKey, "ML-DSA-87": mldsa.MLDSA87PublicKey}.get(alg)
    need(kind is not None and isinstance(public, kind), BAD)
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {"kty": "AKP", "pub": text(raw)}


def _base64(value: Any) -> bytes:
    need(isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", value) and len(value) % 4 == 0, BAD)
    data = base64.b64decode(value)
    need(base64.b64encode(data).decode() == value, BAD)
    return data


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def today(now: datetime) -> date:
    return now.astimezone(UTC).date()
