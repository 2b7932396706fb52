"""Evidence files, by the numbered steps of docs/evidence.md."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509

from reading.base import (
    HEX64,
    PARTY,
    RANKS,
    TIME,
    UUID7,
    Chains,
    Line,
    No,
    b64,
    check_certificates,
    check_signatures,
    included,
    instant,
    leaf_hash,
    need,
    parse,
    profile_of,
    read_jws,
    shape,
)
from reading.parcels import MANIFEST
from reading.relays import read_hop, read_parts
from reading.signed import SIZE, load, read_checkpoint, read_receipt, roots, shared
from reading.stamps import NoStamp, stamp_time

# docs/policy.md: the last day on which classical signatures alone prove anything.
CLASSICAL_END = date(2035, 12, 31)
NAME = r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._:/#@+-]{0,127}"
VERBS = r"create|created|change|changed|cancel|canceled|close|closed|get|reply|execute|executed"
HEADER = {
    "id": UUID7, "verb": VERBS, "document": r"[a-z][a-z0-9_]{1,63}", "version": (1, 999),
    "interface": r"[A-Z][A-Z0-9]{1,7}", "mode": r"registration|scheduled|real_time", "from": PARTY, "to": PARTY,
}  # fmt: skip
OPTIONAL = {"agreement": NAME, "conversation": NAME, "in_reply_to": UUID7}
FILE = {"v", "message", "index", "proof", "manifest", "sender_chains", "receipt", "receiver_chains"}
LAYERS = 16


class Step(Exception):
    """The first step that failed."""

    def __init__(self, number: int, why: str = "") -> None:
        super().__init__(why)
        self.number = number


class Trust(NamedTuple):
    roots: list[x509.Certificate]
    revoked: Any
    stamping: list[x509.Certificate]  # none: stamps are not checked


@contextmanager
def step(number: int) -> Iterator[None]:
    """Whatever is refused within is a failure of this step."""
    try:
        yield
    except No as no:
        raise Step(number, str(no.args[0])) from no


def judge(path: Path) -> tuple[str, str]:
    case = load(path)
    raw, now = b64(case["file"], "bad_case"), instant(case["now"])
    stamping = x509.load_pem_x509_certificates(shared()["tsa_roots"].encode())
    found = _verdict(raw, Trust(roots(), case["revoked"], stamping if case["tsa"] else []), now)
    if "without_stamps" not in case:
        return case["expect"], found
    bare = _verdict(raw, Trust(roots(), case["revoked"], []), now)
    both = f"{case['expect']}, without stamps {case['without_stamps']}"
    return both, f"{found}, without stamps {bare}"


def _verdict(raw: bytes, trust: Trust, now: datetime) -> str:
    try:
        verify(raw, trust, now)
    except Step as failed:
        return f"step {failed.number}"
    return "ok"


def verify(raw: bytes, trust: Trust, now: datetime, depth: int = 0) -> list[str]:
    """What a file proves, in lines for people; Step if it does not."""
    try:
        file = json.loads(raw)
    except (ValueError, RecursionError):
        file = None
    kind = file.get("kind") if isinstance(file, dict) else None
    if kind == "renewed":
        return verify_renewed(raw, trust, now, depth)
    if kind == "equivocation":
        return verify_equivocation(raw, trust, now)
    return verify_message(raw, trust, now)


def read_chains(value: Any) -> Chains:
    """The member's form: ValueError's place is the step of the file."""
    need(isinstance(value, dict), "form")
    for chain in value.values():
        need(isinstance(chain, list) and 1 <= len(chain) <= 3, "form")
    return {alg: [[b64(der, "form") for der in chain]] for alg, chain in value.items()}


def dump(value: Any) -> bytes:
    """The bytes of a part: the whole file is in its one spelling, so each part is."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def check_signed(
    lines: list[Line], chains: Chains, party: str, trust: Trust, at: datetime, steps: tuple[int, int]
) -> None:
    with step(steps[0]):
        need(sorted(chains) == sorted(line.alg for line in lines), "chains for other algorithms")
        leaves = check_certificates(lines, chains, party, trust.roots, trust.revoked, at)
    with step(steps[1]):
        check_signatures(lines, leaves)


def check_end(profiles: list[str], now: datetime, number: int) -> None:
    if "classical" in profiles and now.astimezone(UTC).date() > CLASSICAL_END:
        raise Step(number, f"classical signatures have proved nothing since {CLASSICAL_END}")


# A message


def verify_message(raw: bytes, trust: Trust, now: datetime) -> list[str]:
    with step(1):
        need(len(raw) <= 24 * 1024 * 1024, "too large")
        file = parse(raw, "form")
        need(isinstance(file, dict) and set(file) - {"stamp", "hops"} == FILE, "members")
        need(type(file["v"]) is int and file["v"] == 1, "version")
        need(type(file["index"]) is int and 0 <= file["index"] < 65536, "index")
        need(isinstance(file["proof"], list) and len(file["proof"]) <= 16, "proof")
        proof = [b64(node, "proof") for node in file["proof"]]
        need(all(len(node) == 32 for node in proof), "proof")
        message = b64(file["message"], "message")
        sender_chains, receiver_chains = (
            read_chains(file["sender_chains"]),
            read_chains(file["receiver_chains"]),
        )
        stamp = read_stamp(file["stamp"]) if "stamp" in file else None
        hops = read_parts(file["hops"]) if "hops" in file else []
    with step(2):
        header = read_header(message)
    with step(3):
        payload, lines = read_jws(dump(file["manifest"]), "intertie-manifest+jws", 64 * 1024)
        manifest = parse(payload, "manifest")
        shape(manifest, MANIFEST, "manifest")
        profile = profile_of(lines)
    check_signed(lines, sender_chains, manifest["from"], trust, instant(manifest["created"]), (4, 5))
    leaf, root = leaf_hash(message), bytes.fromhex(manifest["root"])
    with step(6):
        need(included(leaf, file["index"], manifest["count"], proof, root), "not in the tree")
    with step(7):
        need((header["from"], header["to"]) == (manifest["from"], manifest["to"]), "other parties")
    said = [
        f"message    {header['id']}: {header['document']} ({header['interface']}, {header['mode']})",
        f"from       {header['from']}",
        f"to         {header['to']}",
        f"sealed     {manifest['created']}, {profile}",
    ]
    profiles = [profile]
    if file["receipt"] is not None:
        receipt, receipt_profile = _receipt(file, manifest, profile, leaf, receiver_chains, trust)
        profiles.append(receipt_profile)
        outcome = receipt["outcomes"][file["index"]]
        said.append(f"received   {receipt['received']}: {outcome['status']}")
    else:
        with step(8):
            need(not receiver_chains, "chains of no receipt")
    check_end(profiles, now, 11)
    if stamp is not None:
        said += _stamped(stamp, file["receipt"], trust)
    return said + _hops(hops, manifest, profile, trust)


def _hops(
    hops: list[tuple[bytes, Chains]], manifest: dict[str, Any], profile: str, trust: Trust
) -> list[str]:
    """Steps 14 to 16: what the relays signed that the parcel went over."""
    said, order, digests = [], [], set()
    for raw, known in hops:
        with step(14):
            hop, lines = read_hop(raw)
            need(all(hop[name] == manifest[name] for name in ("parcel", "from", "to")), "another parcel")
            need(hop["status"] != "returned" and RANKS[profile_of(lines)] >= RANKS[profile], "no hop receipt")
        order.append(hop["hop"])
        digests.add(hop["digest"])
        check_signed(lines, known, hop["by"], trust, instant(hop["at"]), (15, 16))
        said.append(f"relay {hop['hop']}    {hop['status']} by {hop['by']} at {hop['at']}")
    with step(14):
        need(len(digests) <= 1 and order == sorted(order), "other bytes, or another order")
    return said


def read_header(message: bytes) -> dict[str, Any]:
    """docs/schemas: the header, in any spelling of JSON; the body is any value."""
    bad = "not a message"
    need(len(message) <= 8 * 1024 * 1024, bad)
    try:
        envelope = json.loads(message.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise No(bad) from error
    need(isinstance(envelope, dict) and set(envelope) == {"header", "body"}, bad)
    header = envelope["header"]
    extra = {*OPTIONAL, "priority", "created", "expires"}
    need(isinstance(header, dict) and set(header) - extra == set(HEADER), bad)
    shape({name: header[name] for name in HEADER}, HEADER, bad)
    for name, rule in OPTIONAL.items():
        value = header.get(name)
        need(value is None or (isinstance(value, str) and re.fullmatch(rule, value)), bad)
    priority = header.get("priority", 5)
    need(type(priority) is int and 0 <= priority <= 9, bad)
    need(any_time(header.get("created")) < any_time(header.get("expires")), bad)
    return dict(header)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def any_time(value: Any) -> datetime:
    """RFC 3339 with any offset."""
    form = r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)"
    need(isinstance(value, str) and re.fullmatch(form, value), "not a time")
    whole = re.sub(
        r"\.(\d{1,9})", lambda m: "." + m[1][:6].ljust(6, "0"), value.upper().replace("Z", "+00:00")
    )
    try:
        return datetime.fromisoformat(whole.replace(" ", "T"))
    except ValueError as error:
        raise No("not a time") from error


def _receipt(
    file: dict[str, Any], manifest: dict[str, Any], profile: str, leaf: bytes, chains: Chains, trust: Trust
) -> tuple[dict[str, Any], str]:
    with step(8):
        payload, lines = read_jws(dump(file["receipt"]), "intertie-receipt+jws", 8 * 1024 * 1024)
        receipt = read_receipt(payload)
        found = profile_of(lines)
        need((receipt["parcel"], receipt["root"]) == (manifest["parcel"], manifest["root"]), "another parcel")
        need((receipt["from"], receipt["to"]) == (manifest["to"], manifest["from"]), "other parties")
        need(len(receipt["outcomes"]) == manifest["count"], "another count")
        need(receipt["outcomes"][file["index"]]["leaf"] == leaf.hex(), "another message")
        need(RANKS[found] >= RANKS[profile], "weaker than the parcel")
    check_signed(lines, chains, receipt["from"], trust, instant(receipt["received"]), (9, 10))
    return receipt, found


# A time stamp in it


def read_stamp(stamp: Any) -> dict[str, Any]:
    fields = {"party": PARTY, "size": SIZE, "root": HEX64, "index": SIZE}
    need(isinstance(stamp, dict) and set(stamp) == {*fields, "entry", "proof", "reply"}, "stamp")
    shape({name: stamp[name] for name in fields}, fields, "stamp")
    need(isinstance(stamp["proof"], list) and len(stamp["proof"]) <= 53, "stamp")
    proof = [b64(node, "stamp") for node in stamp["proof"]]
    need(all(len(node) == 32 for node in proof), "stamp")
    return stamp | {
        "proof": proof,
        "entry": b64(stamp["entry"], "stamp"),
        "reply": b64(stamp["reply"], "stamp"),
    }


def _stamped(stamp: dict[str, Any], receipt: Any, trust: Trust) -> list[str]:
    with step(12):
        need(receipt is not None, "no receipt")
        try:
            entry = json.loads(stamp["entry"])
        except (ValueError, RecursionError) as error:
            raise No("not an entry") from error
        need(
            isinstance(entry, dict) and entry.get("kind") in ("receipt_in", "receipt_out"),
            "not about a receipt",
        )
        need(entry.get("digest") == hashlib.sha256(dump(receipt)).hexdigest(), "another receipt")
        root = bytes.fromhex(stamp["root"])
        leaf = leaf_hash(stamp["entry"])
        need(included(leaf, stamp["index"], stamp["size"], stamp["proof"], root), "not under the root")
    if not trust.stamping:
        return ["note       the time stamp was not checked"]
    head = {"party": stamp["party"], "root": stamp["root"], "size": stamp["size"], "v": 1}
    try:
        at = stamp_time(stamp["reply"], dump(head), trust.stamping)
    except NoStamp as error:
        raise Step(13, str(error)) from error
    return [f"stamped    {at.isoformat()}"]


# An equivocation


class Claim(NamedTuple):
    party: str
    at: datetime
    size: int
    root: str
    present: int | None  # None: a receipt


def verify_equivocation(raw: bytes, trust: Trust, now: datetime) -> list[str]:
    with step(20):
        file = parse(raw, "form")
        need(isinstance(file, dict) and set(file) == {"v", "kind", "first", "second"}, "members")
        need(type(file["v"]) is int and file["v"] == 1, "version")
        parts = []
        for part in (file["first"], file["second"]):
            need(isinstance(part, dict) and set(part) == {"jws", "chains"}, "members")
            parts.append((dump(part["jws"]), read_chains(part["chains"])))
    with step(21):
        read = [_claim(jws) for jws, _ in parts]
        profiles = [profile_of(lines) for lines, _ in read]
    first, second = (claim for _, claim in read)
    with step(22):
        need(first.party == second.party, "two parties")
    for (lines, claim), (_, chains) in zip(read, parts, strict=True):
        check_signed(lines, chains, claim.party, trust, claim.at, (23, 24))
    two_roots = first.size == second.size and first.root != second.root
    later = second.present is not None and second.at >= first.at + timedelta(minutes=15)
    shrunk = later and (second.present or 0) < first.size
    with step(25):
        need(two_roots or shrunk, "no contradiction")
    check_end(profiles, now, 26)
    return [f"equivocation  {first.party}: {'two_roots' if two_roots else 'shrunk'} at size {first.size}"]


def _claim(raw: bytes) -> tuple[list[Line], Claim]:
    try:
        payload, lines = read_jws(raw, "intertie-receipt+jws", 8 * 1024 * 1024)
    except No:
        payload, lines = read_jws(raw, "intertie-checkpoint+jws", 64 * 1024)
        said = read_checkpoint(payload)
        return lines, Claim(said["from"], instant(said["at"]), said["size"], said["root"], said["present"])
    said = read_receipt(payload)
    head = said["journal"]
    return lines, Claim(said["from"], instant(said["received"]), head["size"], head["root"], None)


# Renewed evidence


def verify_renewed(raw: bytes, trust: Trust, now: datetime, depth: int) -> list[str]:
    with step(30):
        need(depth < LAYERS and len(raw) <= 64 * 1024 * 1024, "too deep or too large")
        file = parse(raw, "form")
        wanted = {"v", "kind", "inner", "statement", "chains"}
        need(isinstance(file, dict) and set(file) - {"stamp"} == wanted, "members")
        need(type(file["v"]) is int and file["v"] == 2, "version")
        inner, chains = b64(file["inner"], "inner"), read_chains(file["chains"])
        stamp = b64(file["stamp"], "stamp") if "stamp" in file else None
    with step(31):
        statement = dump(file["statement"])
        payload, lines = read_jws(statement, "intertie-renewal+jws", 32 * 1024)
        said = parse(payload, "statement")
        fields = {"v": (1, 1), "by": PARTY, "at": TIME, "hash": "SHA-512", "digest": r"[0-9a-f]{128}"}
        shape(said, fields, "statement")
        need(RANKS[profile_of(lines)] >= RANKS["hybrid"], "classical")
    with step(32):
        need(hashlib.sha512(inner).hexdigest() == said["digest"], "another file")
    at = instant(said["at"])
    check_signed(lines, chains, said["by"], trust, at, (33, 34))  # 35: hybrid has no known end
    as_of = at
    if stamp is not None and trust.stamping:
        try:
            stamped = stamp_time(stamp, statement, trust.stamping)
        except NoStamp as error:
            raise Step(36, str(error)) from error
        with step(36):
            need(at - timedelta(minutes=5) <= stamped <= at + timedelta(days=7), "stamped too early or late")
        as_of = max(at, stamped)
    with step(37):
        need(at <= now, "renewed in the future")
    return [f"renewed    by {said['by']} at {said['at']}", *verify(inner, trust, as_of, depth + 1)]
