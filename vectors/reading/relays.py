"""Consignments as a relay reads them, and hop receipts in evidence: docs/relay.md, docs/evidence.md."""

from __future__ import annotations

import hashlib
import json
import struct
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509

from reading.base import (
    HEX64,
    PARTY,
    PROFILES,
    RANKS,
    TIME,
    UUID7,
    VECTORS,
    Chains,
    Line,
    No,
    b64,
    check_certificates,
    check_signatures,
    instant,
    need,
    parse,
    profile_of,
    read_jws,
    shape,
)
from reading.parcels import HEADER

BAD = "bad_waybill"
WAYBILL = {
    "v": (1, 1), "parcel": UUID7, "digest": HEX64, "from": PARTY, "to": PARTY, "created": TIME, "expires": TIME,
    "hops": (1, 8),
}  # fmt: skip
HOP = {
    "v": (1, 1), "status": "taken|refused|expired|returned", "parcel": UUID7, "digest": HEX64, "from": PARTY,
    "to": PARTY, "by": PARTY, "hop": (0, 8), "at": TIME, "expires": TIME,
}  # fmt: skip
HOP_MORE = {"next": PARTY, "code": r"(?s).{0,64}", "detail": r"(?s).{1,300}"}
ABOUT = ("parcel", "digest", "from", "to")


@cache
def shared() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((VECTORS / "relay_parties.json").read_text(encoding="utf-8"))
    return found


def roots() -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(shared()["roots"].encode())


def judge(path: Path) -> tuple[str, str]:
    case = json.loads(path.read_text(encoding="utf-8"))
    try:
        found = f"ok {take(case)}"
    except No as no:
        found = str(no.args[0])
    return case["expect"], found


def part(blob: bytes, at: int, limit: int) -> tuple[bytes, int]:
    need(len(blob) >= at + 4, "bad_frame")
    (size,) = struct.unpack_from(">I", blob, at)
    need(size <= limit and at + 4 + size <= len(blob), "bad_frame")
    return blob[at + 4 : at + 4 + size], at + 4 + size


def take(case: dict[str, Any]) -> int:
    """Our place among the relays, or No: what a relay can see, in the order of docs/relay.md."""
    blob = b64(case["consignment"], "bad_case")
    need(blob[:4] == b"ITC1", "bad_frame")  # step 2
    raw, at = part(blob, 4, 64 * 1024)
    trail_bytes, at = part(blob, at, 8 * 16 * 1024)
    parcel = blob[at:]
    header = read_header(parcel)
    waybill, lines = read_waybill(raw)
    need(all(waybill[name] == header[name] for name in ("parcel", "from", "to")), BAD)
    hops = [read_hop(one) for one in read_trail(trail_bytes)]
    party = shared()["parties"].get(waybill["from"])
    need(party is not None, "unknown_sender")  # step 3
    need(
        any(one["from"] == waybill["from"] and one["to"] == waybill["to"] for one in shared()["routes"]),
        "wrong_recipient",
    )
    check_trail(waybill, [hop for hop, _ in hops])
    last = hops[-1][0]["by"] if hops else waybill["from"]
    need(last == case["peer"], "transport_not_sender")  # step 4
    now = instant(case["now"])
    profile, wanted = PROFILES[header["suite"]]
    names = [line.alg for line in lines]
    need(all(alg in names for alg in wanted), "signature_missing")  # step 7
    need(names == sorted(wanted), "signature_invalid")
    verify(lines, waybill["from"], case["now"])
    need(hashlib.sha256(parcel).hexdigest() == waybill["digest"], "root_mismatch")  # step 8
    if hops:
        verify(hops[-1][1], last, case["now"])
        need(RANKS[profile_of(hops[-1][1])] >= RANKS[profile], "protection_too_weak")
    for key in waybill["flows"]:  # step 9
        need(key in shared()["flows"], "unknown_flow")
        need(shared()["flows"][key], "relay_not_allowed")
    need(instant(waybill["expires"]) > now, "expired")
    return len(hops) + 1


def read_header(parcel: bytes) -> dict[str, Any]:
    need(parcel[:4] == b"ITP1", "bad_frame")
    raw, _ = part(parcel, 4, 4096)
    header = parse(raw, "bad_header")
    shape(header, HEADER, "bad_header")
    need(header["suite"] in PROFILES, "bad_header")
    return header


def read_waybill(raw: bytes) -> tuple[dict[str, Any], list[Line]]:
    payload, lines = _jws(raw, "intertie-waybill+jws", 64 * 1024)
    waybill = parse(payload, BAD)
    need(isinstance(waybill, dict), BAD)
    flows = waybill.get("flows")
    _shape(waybill, WAYBILL, {"flows"})
    need(isinstance(flows, list) and 1 <= len(flows) <= 400 and flows == sorted(set(flows)), BAD)
    return waybill, lines


def read_trail(raw: bytes) -> list[bytes]:
    trail = parse(raw, BAD)
    need(isinstance(trail, list), BAD)
    need(len(trail) <= 8, "hop_limit")
    return [dump(one) for one in trail]


def read_hop(raw: bytes) -> tuple[dict[str, Any], list[Line]]:
    payload, lines = _jws(raw, "intertie-hop+jws", 16 * 1024)
    hop = parse(payload, BAD)
    need(isinstance(hop, dict), BAD)
    there = {name: rule for name, rule in HOP_MORE.items() if name in hop}
    _shape(hop, HOP | there, {"journal"})
    _shape(hop["journal"], {"size": (0, 2**53 - 1), "root": HEX64}, set())
    return hop, lines


def check_trail(waybill: dict[str, Any], hops: list[dict[str, Any]]) -> None:
    for place, hop in enumerate(hops, 1):
        same = all(hop[name] == waybill[name] for name in ABOUT)
        need(same and hop["hop"] == place and hop["status"] == "taken", BAD)
    relays = [hop["by"] for hop in hops]
    need(len(relays) + 1 <= waybill["hops"], "hop_limit")
    need(len(set(relays)) == len(relays) and shared()["us"] not in relays, "hop_limit")


def verify(lines: list[Line], party: str, now: str) -> None:
    known = {
        alg: [[b64(der, "bad_case") for der in chain] for chain in chains]
        for alg, chains in shared()["parties"][party].items()
    }
    leaves = check_certificates(lines, known, party, roots(), [], instant(now))
    check_signatures(lines, leaves)


def read_parts(value: Any) -> list[tuple[bytes, Chains]]:
    """The member `hops` of an evidence file: its form."""
    need(isinstance(value, list) and 1 <= len(value) <= 16, "hops")
    found = []
    for one in value:
        need(
            isinstance(one, dict) and set(one) == {"jws", "chains"} and isinstance(one["chains"], dict),
            "hops",
        )
        chains = {alg: [[b64(der, "hops") for der in chain]] for alg, chain in one["chains"].items()}
        found.append((dump(one["jws"]), chains))
    return found


def dump(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _jws(raw: bytes, typ: str, limit: int) -> tuple[bytes, list[Line]]:
    try:
        return read_jws(raw, typ, limit)
    except No as no:
        raise No(BAD) from no


def _shape(value: Any, fields: dict[str, Any], others: set[str]) -> None:
    """These members, and others that are looked at elsewhere."""
    need(isinstance(value, dict) and others <= set(value), BAD)
    shape({name: one for name, one in value.items() if name not in others}, fields, BAD)
